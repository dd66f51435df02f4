//! The controllers of workloads: Deployment, ReplicaSet, ReplicationController and PodDisruptionBudget.
//!
//! Each is a pure function from what the host's caches hold to operations. The types in [`model`] are the few fields that
//! decisions need; templates stay JSON, so a field that is new in the API passes through.

pub mod claim;
pub mod conditions;
pub mod deployment;
pub mod disruption;
pub mod model;
pub mod replica_set;
pub mod selector;

pub use deployment::DeploymentController;
pub use disruption::DisruptionController;
pub use replica_set::{ReplicaSetController, ReplicationControllerController};

gantry_plugin::export!(
    DeploymentController: Controller,
    ReplicaSetController: Controller,
    ReplicationControllerController: Controller,
    DisruptionController: Controller,
);
