//! Making and deleting pods.

use gantry_plugin::{EventType, ObjectReference, Ops, resource::PODS};
use serde_json::{Value, json};

use super::rank;
use crate::{
    claim::Claimant,
    model::{Pod, ReplicaSet},
};

/// Pods that one reconciliation makes or deletes at most.
const BURST: usize = 500;

/// Brings the number of active pods to `spec.replicas`.
pub fn to_desired(claimant: &Claimant<'_>, rs: &ReplicaSet, mut active: Vec<&Pod>, ops: &mut Ops) {
    let desired = usize::try_from(rs.spec.replicas).unwrap_or(0);
    if active.len() < desired {
        create(claimant, rs, (desired - active.len()).min(BURST), ops);
    } else {
        rank::victims_first(&mut active);
        let surplus = (active.len() - desired).min(BURST);
        delete(claimant, &active[..surplus], ops);
    }
}

/// In stages of 1, 2, 4, ... pods: where the API refuses the first, the rest is not tried.
fn create(claimant: &Claimant<'_>, rs: &ReplicaSet, count: usize, ops: &mut Ops) {
    let pod = pod_of(claimant, rs);
    let about = ObjectReference::to(&claimant.resource, claimant.metadata);
    let (mut stage, mut made) = (1, 0);
    ops.then();
    for _ in 0..count {
        if made == stage {
            ops.then();
            (stage, made) = (stage * 2, 0);
        }
        made += 1;
        let create = ops.create(&PODS, &rs.metadata.namespace, &pod).id();
        ops.event(&about, EventType::Normal, "SuccessfulCreate", "Created pod: {name}").if_succeeded(create).done();
        ops.event(&about, EventType::Warning, "FailedCreate", "Error creating: {error}").if_failed(create).done();
    }
}

fn delete(claimant: &Claimant<'_>, victims: &[&Pod], ops: &mut Ops) {
    let about = ObjectReference::to(&claimant.resource, claimant.metadata);
    for pod in victims {
        let meta = &pod.metadata;
        let delete = ops.delete(&PODS, &meta.namespace, &meta.name).expect_uid(&meta.uid).id();
        let message = format!("Deleted pod: {}", meta.name);
        ops.event(&about, EventType::Normal, "SuccessfulDelete", &message).if_succeeded(delete).done();
        ops.event(&about, EventType::Warning, "FailedDelete", "Error deleting: {error}").if_failed(delete).done();
    }
}

/// A pod of the template, owned by the ReplicaSet.
fn pod_of(claimant: &Claimant<'_>, rs: &ReplicaSet) -> Value {
    let mut metadata = json!({
        "generateName": format!("{}-", rs.metadata.name),
        "namespace": rs.metadata.namespace,
        "ownerReferences": [claimant.owner_reference()],
    });
    for member in ["labels", "annotations", "finalizers"] {
        if let Some(value) = rs.spec.template.pointer(&format!("/metadata/{member}")) {
            metadata[member] = value.clone();
        }
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": rs.spec.template.get("spec")})
}
