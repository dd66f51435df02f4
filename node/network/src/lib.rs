//! The node's network below the services: the CNI configuration for pods, kernel settings, routes to other nodes' pods; and,
//! for clusters of several nodes on one machine, a network namespace for each node.
//!
//! Everything works on the network namespace that the process runs in. Only [`NodeNetworks`] makes namespaces, and it
//! writes no packet filter: neither the host's nor anybody else's.

mod command;
pub mod namespaces;

pub use command::CommandError;
pub use namespaces::{NodeNamespace, NodeNetworks, NodeNetworksError};
