//! Whole clusters for tests: `gantry up` in a folder of its own, and the clients that users have.
//!
//! The binary, the plugins and the images are those that `cargo xtask test` built; `GANTRY_BIN_DIR` names their folder.

pub mod cluster;
pub mod corpus;
pub mod http;
pub mod kubectl;
pub mod machine;
pub mod wait;

pub use cluster::{Cluster, Options};
pub use http::{Answer, Http};
pub use kubectl::{Kubectl, Output};
pub use machine::Machine;
pub use wait::until;
