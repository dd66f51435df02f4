//! The hooks of controller plugins.

use crate::{Call, Code, Instance, Object, Str};

pub const MAP_NONE: u32 = 0;
pub const MAP_SELF: u32 = 1;
pub const MAP_OWNER: u32 = 2;
pub const MAP_CUSTOM: u32 = 3;
pub const WATCH_METADATA: u32 = 1;

/// `gantry_watch`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    pub size: u32,
    pub flags: u32,
    pub map: u32,
    pub reserved: u32,
    pub group: Str,
    pub version: Str,
    pub resource: Str,
    pub owner_group: Str,
    pub owner_kind: Str,
    pub indexes: *const Str,
    pub n_indexes: u64,
}

/// `gantry_key`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub scope: Str,
    pub ns: Str,
    pub name: Str,
}

/// `gantry_work`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Work {
    pub size: u32,
    pub attempt: u32,
    pub key: Key,
    pub failures: Str,
}

pub const OP_CREATE: u32 = 1;
pub const OP_UPDATE: u32 = 2;
pub const OP_PATCH_JSON: u32 = 3;
pub const OP_PATCH_MERGE: u32 = 4;
pub const OP_PATCH_STRATEGIC: u32 = 5;
pub const OP_APPLY: u32 = 6;
pub const OP_DELETE: u32 = 7;
pub const OP_DELETE_COLLECTION: u32 = 8;
pub const OP_EVENT: u32 = 9;

pub const PROPAGATION_DEFAULT: u32 = 0;
pub const PROPAGATION_BACKGROUND: u32 = 1;
pub const PROPAGATION_FOREGROUND: u32 = 2;
pub const PROPAGATION_ORPHAN: u32 = 3;

pub const OP_FORCE: u32 = 1;
pub const OP_IGNORE_NOT_FOUND: u32 = 2;
pub const OP_IGNORE_EXISTS: u32 = 4;
pub const OP_IF_SUCCEEDED: u32 = 8;
pub const OP_IF_FAILED: u32 = 16;
pub const OP_GRACE: u32 = 32;

/// `gantry_op`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Op {
    pub size: u32,
    pub op: u32,
    pub flags: u32,
    pub stage: u32,
    pub group: Str,
    pub version: Str,
    pub resource: Str,
    pub subresource: Str,
    pub ns: Str,
    pub name: Str,
    pub expect_uid: Str,
    pub expect_resource_version: Str,
    pub body: Str,
    pub propagation: u32,
    pub after: u32,
    pub grace_seconds: i64,
}

/// `gantry_outcome`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    pub code: Code,
    pub reserved: u32,
    pub requeue_ms: u64,
    pub first_op: u64,
    pub n_ops: u64,
    pub message: Str,
}

pub const CTL_RECONCILE: &str = "gantry.ctl.reconcile/1";
/// The most keys in one call of `reconcile`.
pub const RECONCILE_BATCH_MAX: usize = 64;

type MapFn = unsafe extern "C" fn(
    *mut Instance,
    *const Call,
    watch: u64,
    old_object: *const Object,
    new_object: *const Object,
    keys: *mut *const Key,
    n: *mut u64,
) -> Code;
type ReconcileFn = unsafe extern "C" fn(
    *mut Instance,
    *const Call,
    work: *const Work,
    n: u64,
    out: *mut Outcome,
    ops: *mut *const Op,
    n_ops: *mut u64,
) -> Code;

/// `gantry_ctl_reconcile_v1`
#[repr(C)]
pub struct CtlReconcileV1 {
    pub size: u32,
    pub flags: u32,
    pub watches: Option<unsafe extern "C" fn(*mut Instance, n: *mut u64) -> *const Watch>,
    pub map: Option<MapFn>,
    pub reconcile: Option<ReconcileFn>,
}
