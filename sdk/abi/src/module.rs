//! A module's entry, its plugins and their instances.

use std::ffi::c_void;

use crate::{Call, Code, Host, Str};

/// The only symbol looked up in a module.
pub const ENTRY_SYMBOL: &str = "gantry_plugin_entry";
/// The ELF section that holds the manifest.
pub const MANIFEST_SECTION: &str = ".gantry.manifest";

/// `gantry_instance`
#[repr(C)]
pub struct Instance {
    pub size: u32,
    pub flags: u32,
    pub this: *mut c_void,
    pub query: Option<unsafe extern "C" fn(*mut Instance, interface_id: Str) -> *const c_void>,
    pub destroy: Option<unsafe extern "C" fn(*mut Instance)>,
}

/// `gantry_desc`
#[repr(C)]
pub struct Desc {
    pub size: u32,
    pub flags: u32,
    pub id: Str,
    pub version: Str,
    pub config_schema: Str,
    pub interfaces: *const Str,
    pub n_interfaces: u64,
    pub columns: *const Str,
    pub n_columns: u64,
}

// SAFETY: constant data; its pointers lead to constant data of the module.
unsafe impl Sync for Desc {}

pub type DescribeFn = unsafe extern "C" fn(index: u32) -> *const Desc;
pub type CreateFn =
    unsafe extern "C" fn(*const Host, *const Call, plugin_id: Str, config_json: Str, out: *mut *mut Instance) -> Code;

/// `gantry_entry`
#[repr(C)]
pub struct Entry {
    pub magic: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub size: u32,
    pub min_host_minor: u32,
    pub describe: Option<DescribeFn>,
    pub create: Option<CreateFn>,
    pub manifest: Str,
}
