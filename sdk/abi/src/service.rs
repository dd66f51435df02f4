//! The hooks of service types.

use crate::{Call, Code, Instance, Str};

/// `gantry_claim`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    pub size: u32,
    pub flags: u32,
    pub pool: Str,
    pub want: Str,
    pub fields: *const Str,
    pub n_fields: u64,
}

/// `gantry_cause`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Cause {
    pub size: u32,
    pub flags: u32,
    pub reason: Str,
    pub field: Str,
    pub message: Str,
}

pub const SVC_TYPE: &str = "gantry.svc.type/1";

type ValidateFn = unsafe extern "C" fn(
    *mut Instance,
    *const Call,
    old_object: Str,
    new_object: Str,
    causes: *mut *const Cause,
    n: *mut u64,
) -> Code;
type AllocateFn = unsafe extern "C" fn(
    *mut Instance,
    *const Call,
    old_object: Str,
    new_object: Str,
    claims: *mut *const Claim,
    n: *mut u64,
) -> Code;
type StatusFn = unsafe extern "C" fn(
    *mut Instance,
    *const Call,
    object: Str,
    slices: Str,
    node_reports: Str,
    status: *mut Str,
) -> Code;
type PlanFn =
    unsafe extern "C" fn(*mut Instance, *const Call, node: Str, services: Str, slices: Str, rule_ir: *mut Str) -> Code;

/// `gantry_svc_type_v1`
#[repr(C)]
pub struct SvcTypeV1 {
    pub size: u32,
    pub flags: u32,
    pub type_name: Option<unsafe extern "C" fn(*mut Instance) -> Str>,
    pub validate: Option<ValidateFn>,
    pub allocate: Option<AllocateFn>,
    pub release: Option<unsafe extern "C" fn(*mut Instance, *const Call, object: Str) -> Code>,
    pub status: Option<StatusFn>,
    pub plan: Option<PlanFn>,
}
