//! Services on a node: from Services and EndpointSlices, through the plans of their types, to the packet filter.
//!
//! ```text
//!   watch ── ServiceState ── ServicePlanner (plugins) ── rule IR ── compile ── ServiceTable ── FirewallDriver
//!            what changed     one call per type           pure     chains       the update      one atomic difference
//! ```
//! Every step handles only the services that changed. [`run`] is the loop around it.
//!
//! Invariant: a service whose plan fails keeps the rules it has.

pub mod chains;
pub mod compile;
pub mod conntrack;
pub mod health;
pub mod planner;
pub mod proxy;
pub mod state;
pub mod table;

pub use planner::{PlanError, PlanRequest, ServicePlanner};
pub use proxy::{ProxyConfig, run};
