//! What the daemon's tests run against: an API in memory, and a real containerd in namespaces of its own.

pub mod api;
pub mod node;
pub mod registry;
pub mod tls;
