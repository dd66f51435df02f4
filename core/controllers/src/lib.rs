//! The runtime of controller plugins. It keeps the caches that they read, turns events into keys, calls them in batches, and
//! does what they want done, each as its own account. Everything is driven by events: nothing polls.
//!
//! *Invariant*: a key is reconciled again only when the caches show all that was written for it. So a reconciler that is a
//! pure function of what it reads never does its work twice because a cache is behind.

mod controller;
mod execute;
mod follow;
mod plugin_status;
mod reader;
mod run;
mod store;
mod stores;

pub use plugin_status::report_plugins;
pub use run::{Config, SinkFor, run};
pub use stores::Served;
