//! Safe wrappers of the hooks: they lend arguments, judge codes, check what comes back, and copy it.

mod controller;
mod scheduler;
mod service;

pub use controller::{Mapping, Planned, PlannedOp, Propagation, Reconciled, Verb, Watch, Work, WorkKey};
pub use scheduler::{Filtered, Interest, NodeColumns, PermitAnswer, PodArg, PreFilter, SchedulerCycle, Selection};
pub use service::{Cause, Claim};

/// Longer arrays are a fault.
const ITEMS_MAX: u64 = 100_000;
/// Names, selectors, reasons.
const NAME_BYTES_MAX: u64 = 64 << 10;
/// Objects and patches.
const BODY_BYTES_MAX: u64 = 16 << 20;
