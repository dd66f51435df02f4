//! The scheduler: which node each pod goes to. Decisions are the plugins'; this crate keeps the queue and the node table, asks
//! the plugins hook by hook, and writes bindings.
//!
//! One pod is decided about at a time, on a thread that is given up if a plugin does not return. What was decided counts from
//! that moment (the pod is *assumed* on its node), while the binding is written in the background.
//!
//! Not there yet: preemption, and consent to pods that a plugin lets wait.

mod bind;
mod cluster;
mod cycle;
mod engine;
mod facts;
mod metrics;
mod profile;
mod queue;
mod report;
mod requests;
mod run;
mod table;

pub use metrics::SchedulerMetrics;
pub use profile::ProfileConfig;
pub use run::{Config, run};
