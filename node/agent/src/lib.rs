//! The node daemon's core: what a kubelet does. Pods of the API become containers of a CRI runtime, and what becomes of
//! them goes back as status and events.
//!
//! [`run`] puts it together. Each pod has a worker ([`pod::worker`]) whose decisions are one pure function,
//! [`pod::plan::compute_pod_actions`]; [`pod::apply`] takes the steps.

pub mod cgroups;
pub mod config;
pub mod context;
pub mod events;
pub mod hooks;
pub mod image_pull;
pub mod kubelet;
pub mod log_rotation;
pub mod machine;
pub mod node;
pub mod pod;
pub mod pods;
pub mod probes;
pub mod pull_secrets;
pub mod references;
pub mod run;
pub mod status_writer;

pub use config::NodeConfig;
pub use kubelet::{KubeletAuthorizer, KubeletServing};
pub use run::{NodeError, NodeParts, PodNetwork, run};
