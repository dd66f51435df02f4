//! The interfaces that plugins of each kind must implement.

/// What makes a plugin a controller.
pub const CONTROLLER: &str = gantry_abi::CTL_RECONCILE;
/// What makes a plugin take part in scheduling.
pub const SCHEDULER: &str = gantry_abi::SCHED_CYCLE;
/// What makes a plugin a type of Service.
pub const SERVICE_TYPE: &str = gantry_abi::SVC_TYPE;
