//! Who asked for what, and what came of it: `audit.k8s.io/v1` events, by a policy file, as lines of JSON.

mod event;
mod log;
mod policy;

pub use event::{Entry, Origin, Outcome, Stage};
pub use log::{AuditLog, AuditLogError};
pub use policy::{Chosen, Level, Policy, PolicyError};
