//! The node table and the hooks of scheduler plugins.

use std::ffi::c_void;

use crate::{Call, Code, Instance, Sid, Str};

pub const COL_I64: u32 = 1;
pub const COL_SID: u32 = 2;
pub const COL_LIST_I64: u32 = 3;
pub const COL_LIST_SID: u32 = 4;

/// `gantry_span`
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    pub start: u32,
    pub n: u32,
}

/// `gantry_col`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Col {
    pub kind: u32,
    pub reserved: u32,
    pub data: *const c_void,
    pub spans: *const Span,
    pub n_data: u64,
}

/// `gantry_nodes`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Nodes {
    pub size: u32,
    pub n_rows: u32,
    pub generation: u64,
    pub cols: *const Col,
    pub n_cols: u64,
    pub sel: *const u32,
    pub n_sel: u64,
}

/// `gantry_qty`
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Qty {
    pub resource: Sid,
    pub reserved: u32,
    pub value: i64,
}

/// `gantry_pod`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Pod {
    pub size: u32,
    pub priority: i32,
    pub generation: u64,
    pub uid: Str,
    pub ns: Str,
    pub name: Str,
    pub scheduler_name: Str,
    pub requests: *const Qty,
    pub n_requests: u64,
    pub nonzero_cpu: i64,
    pub nonzero_memory: i64,
    pub json: Str,
}

pub const SCHED_CYCLE: &str = "gantry.sched.cycle/1";
type State = *mut c_void;

/// `gantry_sched_cycle_v1`
#[repr(C)]
pub struct SchedCycleV1 {
    pub size: u32,
    pub flags: u32,
    pub begin: Option<unsafe extern "C" fn(*mut Instance, *const Call, *const Pod, state: *mut State) -> Code>,
    pub clone: Option<unsafe extern "C" fn(*mut Instance, *const Call, state: *const c_void, copy: *mut State) -> Code>,
    pub end: Option<unsafe extern "C" fn(*mut Instance, state: State)>,
}

pub const SCHED_ENQUEUE: &str = "gantry.sched.enqueue/1";

/// `gantry_sched_enqueue_v1`
#[repr(C)]
pub struct SchedEnqueueV1 {
    pub size: u32,
    pub flags: u32,
    pub pre_enqueue: Option<unsafe extern "C" fn(*mut Instance, *const Call, *const Pod) -> Code>,
}

pub const SCHED_FILTER: &str = "gantry.sched.filter/1";
pub const ALL_ROWS: u64 = u64::MAX;

type PreFilterFn = unsafe extern "C" fn(
    *mut Instance,
    State,
    *const Call,
    *const Pod,
    *const Nodes,
    rows: *mut *const u32,
    n_rows: *mut u64,
) -> Code;
type FilterFn = unsafe extern "C" fn(
    *mut Instance,
    State,
    *const Call,
    *const Pod,
    *const Nodes,
    code: *mut u8,
    reason: *mut u16,
    reasons: *mut *const Str,
    n_reasons: *mut u64,
) -> Code;
type PodsChangedFn = unsafe extern "C" fn(
    *mut Instance,
    State,
    *const Call,
    *const Pod,
    *const Nodes,
    row: u32,
    added: *const *const Pod,
    n_added: u64,
    removed: *const *const Pod,
    n_removed: u64,
) -> Code;

/// `gantry_sched_filter_v1`
#[repr(C)]
pub struct SchedFilterV1 {
    pub size: u32,
    pub flags: u32,
    pub pre_filter: Option<PreFilterFn>,
    pub filter: Option<FilterFn>,
    pub pods_changed: Option<PodsChangedFn>,
}

pub const SCHED_SCORE: &str = "gantry.sched.score/1";
pub const SCORE_MAX: i64 = 100;

type ScoreFn =
    unsafe extern "C" fn(*mut Instance, State, *const Call, *const Pod, *const Nodes, score: *mut i64) -> Code;
type NormalizeFn = unsafe extern "C" fn(*mut Instance, State, *const Call, *const Pod, score: *mut i64, n: u64) -> Code;

/// `gantry_sched_score_v1`
#[repr(C)]
pub struct SchedScoreV1 {
    pub size: u32,
    pub flags: u32,
    pub score: Option<ScoreFn>,
    pub normalize: Option<NormalizeFn>,
}

pub const SCHED_BIND: &str = "gantry.sched.bind/1";

/// A hook about the node chosen for a pod.
pub type OnNodeFn = unsafe extern "C" fn(*mut Instance, State, *const Call, *const Pod, node: Str) -> Code;
type PermitFn =
    unsafe extern "C" fn(*mut Instance, State, *const Call, *const Pod, node: Str, wait_ms: *mut u32) -> Code;
type PreBindFn =
    unsafe extern "C" fn(*mut Instance, State, *const Call, *const Pod, node: Str, patch: *mut Str) -> Code;

/// `gantry_sched_bind_v1`
#[repr(C)]
pub struct SchedBindV1 {
    pub size: u32,
    pub flags: u32,
    pub reserve: Option<OnNodeFn>,
    pub unreserve: Option<OnNodeFn>,
    pub permit: Option<PermitFn>,
    pub pre_bind: Option<PreBindFn>,
    pub post_bind: Option<OnNodeFn>,
}

pub const SCHED_EVENTS: &str = "gantry.sched.events/1";
pub const ACTION_ADD: u32 = 1;
pub const ACTION_DELETE: u32 = 2;
pub const ACTION_LABELS: u32 = 4;
pub const ACTION_TAINTS: u32 = 8;
pub const ACTION_ALLOCATABLE: u32 = 16;
pub const ACTION_CONDITIONS: u32 = 32;
pub const ACTION_OTHER: u32 = 64;
pub const ACTION_ALL: u32 = 127;

/// `gantry_event`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub size: u32,
    pub actions: u32,
    pub group: Str,
    pub resource: Str,
}

type HintFn = unsafe extern "C" fn(
    *mut Instance,
    *const Call,
    *const Event,
    old_object: Str,
    new_object: Str,
    pods: *const *const Pod,
    n: u64,
    queue: *mut u8,
) -> Code;

/// `gantry_sched_events_v1`
#[repr(C)]
pub struct SchedEventsV1 {
    pub size: u32,
    pub flags: u32,
    pub events: Option<unsafe extern "C" fn(*mut Instance, n: *mut u64) -> *const Event>,
    pub hint: Option<HintFn>,
}
