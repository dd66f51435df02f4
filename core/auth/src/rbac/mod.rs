//! Role-based access control: rules, the index over roles and bindings, decisions, escalation checks, aggregation.

mod aggregation;
mod aggregator;
mod binding;
mod escalation;
mod rule;
mod store;

pub use aggregation::{aggregated_rules, is_aggregated};
pub use aggregator::aggregate_cluster_roles;
pub use binding::{RoleRef, Subject};
pub use escalation::{BindingWrite, RoleWrite, check_binding_write, check_role_write};
pub use rule::{PolicyRule, uncovered};
pub use store::RbacStore;

/// The API group of roles and bindings.
pub const GROUP: &str = "rbac.authorization.k8s.io";
