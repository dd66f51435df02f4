//! The objects that every cluster has from its first start: namespaces, default roles and bindings, priority and flow-control
//! defaults, the `kubernetes` service. Made where they are missing, and put back into shape where they were changed.
//!
//! The data comes from the reference's own bootstrap (facts/rbac and its neighbours). What an administrator marked with
//! `autoupdate: "false"` is left alone, and nothing is ever taken away from a role.

mod addresses;
mod defaults;
mod drift;
mod error;
mod reconcile;
mod service_cidr;

pub use defaults::ClusterFacts;
pub use error::BootstrapError;
pub use reconcile::{BootstrapTask, maintain, reconcile};
