//! What the host offers.

use std::ffi::c_void;

use crate::{Call, Code, Sid, Str};

/// `gantry_host`
#[repr(C)]
pub struct Host {
    pub size: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub ctx: *mut c_void,
    pub query: Option<unsafe extern "C" fn(*const Host, interface_id: Str) -> *const c_void>,
}

pub const HOST_LOG: &str = "gantry.host.log/1";
pub const LOG_ERROR: u32 = 1;
pub const LOG_WARN: u32 = 2;
pub const LOG_INFO: u32 = 3;
pub const LOG_DEBUG: u32 = 4;

/// `gantry_host_log_v1`
#[repr(C)]
pub struct HostLogV1 {
    pub size: u32,
    pub flags: u32,
    pub level: Option<unsafe extern "C" fn(*const Host) -> u32>,
    pub log:
        Option<unsafe extern "C" fn(*const Host, *const Call, level: u32, message: Str, kv: *const Str, n_kv: u64)>,
}

pub const HOST_TEXT: &str = "gantry.host.text/1";

/// `gantry_host_text_v1`
#[repr(C)]
pub struct HostTextV1 {
    pub size: u32,
    pub flags: u32,
    pub text: Option<unsafe extern "C" fn(*const Host, *const Call, Sid) -> Str>,
    pub find: Option<unsafe extern "C" fn(*const Host, *const Call, Str) -> Sid>,
}

/// `gantry_object`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Object {
    pub size: u32,
    pub flags: u32,
    pub group: Str,
    pub version: Str,
    pub resource: Str,
    pub kind: Str,
    pub ns: Str,
    pub name: Str,
    pub uid: Str,
    pub resource_version: Str,
    pub json: Str,
}

pub const READ_LIVE: u32 = 1;
pub const READ_METADATA: u32 = 2;

/// `gantry_query`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Query {
    pub size: u32,
    pub flags: u32,
    pub group: Str,
    pub version: Str,
    pub resource: Str,
    pub ns: Str,
    pub name: Str,
    pub label_selector: Str,
    pub owner_uid: Str,
    pub index_path: Str,
    pub index_value: Str,
}

pub const RESOURCE_NAMESPACED: u32 = 1;
pub const RESOURCE_DELETABLE: u32 = 2;
pub const RESOURCE_COLLECTION: u32 = 4;

/// `gantry_resource`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Resource {
    pub size: u32,
    pub flags: u32,
    pub group: Str,
    pub version: Str,
    pub resource: Str,
    pub kind: Str,
}

pub const HOST_READER: &str = "gantry.host.reader/1";

/// `gantry_host_reader_v1`
#[repr(C)]
pub struct HostReaderV1 {
    pub size: u32,
    pub flags: u32,
    pub get: Option<unsafe extern "C" fn(*const Host, *const Call, *const Query, out: *mut *const Object) -> Code>,
    pub list: Option<
        unsafe extern "C" fn(*const Host, *const Call, *const Query, out: *mut *const Object, n: *mut u64) -> Code,
    >,
    pub resources:
        Option<unsafe extern "C" fn(*const Host, *const Call, out: *mut *const Resource, n: *mut u64) -> Code>,
}
