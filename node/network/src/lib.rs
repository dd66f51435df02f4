//! The node's network below the services: kernel settings, the CNI configuration for pods, the cluster DNS address, routes
//! to other nodes' pods; and, for clusters of several nodes on one machine, a network namespace for each node.
//!
//! Everything works on the network namespace that the process runs in. Only [`NodeNetworks`] makes namespaces, and it
//! writes no packet filter: neither the host's nor anybody else's.

pub mod cni;
mod command;
pub mod kernel;
pub mod namespaces;
pub mod prepare;
pub mod routes;
pub mod within;

pub use cni::{CniConfig, CniError, CniOutcome, plugin_dir};
pub use command::CommandError;
pub use namespaces::{NodeNamespace, NodeNetworks, NodeNetworksError};
pub use prepare::{NodeNetworkConfig, NodeNetworkError, Prepared, clean_up, prepare_node};
pub use routes::{RouteConfig, run_routes};
pub use within::connect_within;
