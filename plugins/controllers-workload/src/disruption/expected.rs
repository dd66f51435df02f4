//! How many pods a budget counts with.

use std::collections::BTreeMap;

use gantry_plugin::{
    Failure, Metadata, OwnerReference, Reader,
    resource::{DEPLOYMENTS, REPLICA_SETS, REPLICATION_CONTROLLERS, STATEFUL_SETS},
};
use serde::Deserialize;

use super::budget::BudgetSpec;
use crate::model::{Pod, Round, resolve};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Expected {
    pub pods: i64,
    pub desired_healthy: i64,
}

/// A workload, as far as its size.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Sized {
    metadata: Metadata,
    spec: SizedSpec,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
struct SizedSpec {
    replicas: i64,
}

impl Default for SizedSpec {
    fn default() -> Self {
        Self { replicas: 1 }
    }
}

/// A number of pods that must stay counts with those that are there; everything else with what their controllers ask for.
/// `Ok(Err(_))`: why that cannot be known.
pub fn pods(spec: &BudgetSpec, pods: &[Pod], read: &Reader<'_>) -> Result<Result<Expected, String>, Failure> {
    if spec.max_unavailable.is_null()
        && let Some(desired_healthy) = spec.min_available.as_i64()
    {
        let pods = i64::try_from(pods.len()).unwrap_or(i64::MAX);
        return Ok(Ok(Expected { pods, desired_healthy }));
    }
    Ok(asked_for(pods, read)?.map(|asked| Expected { pods: asked, desired_healthy: desired_healthy(spec, asked) }))
}

fn desired_healthy(spec: &BudgetSpec, asked: i64) -> i64 {
    if spec.max_unavailable.is_null() {
        return resolve(&spec.min_available, asked, Round::Up);
    }
    (asked - resolve(&spec.max_unavailable, asked, Round::Up)).max(0)
}

/// The sum over the pods' controllers; pods of none count for nothing.
fn asked_for(pods: &[Pod], read: &Reader<'_>) -> Result<Result<i64, String>, Failure> {
    let mut sizes = BTreeMap::new();
    for pod in pods {
        let Some(owner) = pod.metadata.controller() else { continue };
        if !sizes.contains_key(&owner.uid) {
            let Some((uid, size)) = size_of(owner, &pod.metadata.namespace, read)? else {
                return Ok(Err(format!(
                    "found no controller that says how many pods like {} there should be",
                    pod.metadata.name
                )));
            };
            sizes.insert(uid, size);
        }
    }
    Ok(Ok(sizes.values().sum()))
}

/// The uid and the replicas of the workload at the top: of a Deployment's ReplicaSet, the Deployment.
fn size_of(owner: &OwnerReference, namespace: &str, read: &Reader<'_>) -> Result<Option<(String, i64)>, Failure> {
    let resource = match (owner.group(), owner.kind.as_str()) {
        ("apps", "ReplicaSet") => REPLICA_SETS,
        ("apps", "Deployment") => DEPLOYMENTS,
        ("apps", "StatefulSet") => STATEFUL_SETS,
        ("", "ReplicationController") => REPLICATION_CONTROLLERS,
        _ => return Ok(None),
    };
    let found = read.get::<Sized>(&resource, namespace, &owner.name)?;
    let Some(found) = found.filter(|found| found.metadata.uid == owner.uid) else { return Ok(None) };
    match found.metadata.controller() {
        Some(above) if resource == REPLICA_SETS && above.kind == DEPLOYMENTS.kind => size_of(above, namespace, read),
        _ => Ok(Some((found.metadata.uid, found.spec.replicas))),
    }
}
