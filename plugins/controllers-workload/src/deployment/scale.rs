//! Changing how many pods a ReplicaSet has.

use gantry_plugin::{EventType, Ops, resource::REPLICA_SETS};
use serde_json::json;

use super::Rollout;
use crate::model::{DESIRED_REPLICAS, Deployment, MAX_REPLICAS, ReplicaSet};

/// What a ReplicaSet remembers of the deployment's size, so that a change of size is told from a rollout.
pub fn annotations(deployment: &Deployment) -> [(String, String); 2] {
    let desired = deployment.spec.replicas;
    let max = desired + deployment.max_surge();
    [(DESIRED_REPLICAS.into(), desired.to_string()), (MAX_REPLICAS.into(), max.to_string())]
}

/// Asks the ReplicaSet for this many pods, and keeps its memory of the deployment's size right.
pub fn to(rollout: &Rollout, rs: &ReplicaSet, replicas: i64, ops: &mut Ops) {
    let annotations = annotations(&rollout.deployment);
    let remembers = annotations.iter().all(|(k, v)| rs.metadata.annotations.get(k) == Some(v));
    if rs.spec.replicas == replicas && remembers {
        return;
    }
    let annotations: serde_json::Map<_, _> = annotations.into_iter().map(|(k, v)| (k, v.into())).collect();
    let patch = json!({"metadata": {"annotations": annotations}, "spec": {"replicas": replicas}});
    let meta = &rs.metadata;
    let done = ops
        .patch_merge(&REPLICA_SETS, &meta.namespace, &meta.name, &patch)
        .expect_uid(&meta.uid)
        .expect_resource_version(&meta.resource_version)
        .id();
    if rs.spec.replicas != replicas {
        let direction = if replicas > rs.spec.replicas { "up" } else { "down" };
        let text = format!("Scaled {direction} replica set {} from {} to {replicas}", meta.name, rs.spec.replicas);
        ops.event(&rollout.reference(), EventType::Normal, "ScalingReplicaSet", &text).if_succeeded(done).done();
    }
}

/// True if the deployment's size changed since its ReplicaSets were last scaled.
pub fn is_scaling(rollout: &Rollout) -> bool {
    let desired = rollout.deployment.spec.replicas;
    let known = rollout.all().filter(|rs| rs.spec.replicas > 0).filter_map(|rs| rs.annotation(DESIRED_REPLICAS));
    known.into_iter().any(|known| known != desired)
}

/// Brings the ReplicaSets to a new size of the deployment without going on with the rollout: the one that stands alone gets
/// all, several share by their size.
pub fn proportionally(rollout: &Rollout, ops: &mut Ops) {
    let desired = rollout.deployment.spec.replicas;
    let active: Vec<&ReplicaSet> = rollout.all().filter(|rs| rs.spec.replicas > 0).collect();
    if let [] | [_] = active[..] {
        let newest = || rollout.new.as_ref().or(rollout.old.last());
        if let Some(only) = active.first().copied().or_else(newest) {
            to(rollout, only, desired, ops);
        }
        return;
    }
    if let Some(new) = rollout.new.as_ref().filter(|rs| is_saturated(rollout, rs)) {
        to(rollout, new, desired, ops);
        rollout.old.iter().filter(|rs| rs.spec.replicas > 0).for_each(|rs| to(rollout, rs, 0, ops));
        return;
    }
    if rollout.deployment.is_rolling() {
        share(rollout, active, ops);
    }
}

/// The new ReplicaSet has all the pods the deployment asks for, and they are available.
fn is_saturated(rollout: &Rollout, new: &ReplicaSet) -> bool {
    let desired = rollout.deployment.spec.replicas;
    let remembered = new.annotation(DESIRED_REPLICAS);
    new.spec.replicas == desired && remembered == Some(desired) && new.status.available_replicas == desired
}

/// Largest first; rounding's remainder goes to the largest.
fn share(rollout: &Rollout, mut active: Vec<&ReplicaSet>, ops: &mut Ops) {
    let deployment = &rollout.deployment;
    let allowed = if deployment.spec.replicas > 0 { deployment.spec.replicas + deployment.max_surge() } else { 0 };
    let total: i64 = active.iter().map(|rs| rs.spec.replicas).sum();
    let to_add = allowed - total;
    active.sort_by_key(|rs| (-rs.spec.replicas, std::cmp::Reverse(rs.metadata.creation_timestamp)));
    let mut sizes: Vec<i64> = active.iter().map(|rs| rs.spec.replicas).collect();
    let mut left = to_add;
    for (rs, size) in active.iter().zip(&mut sizes) {
        let part = clamp(fraction(rs, allowed, total), left);
        *size += part;
        left -= part;
    }
    if let Some(first) = sizes.first_mut() {
        *first = (*first + left).max(0);
    }
    active.iter().zip(sizes).for_each(|(rs, size)| to(rollout, rs, size, ops));
}

/// What a ReplicaSet gains when the whole grows from what it knew to `allowed`, rounded to the nearest.
fn fraction(rs: &ReplicaSet, allowed: i64, total: i64) -> i64 {
    let known = rs.annotation(MAX_REPLICAS).filter(|n| *n > 0).unwrap_or(total).max(1);
    let scaled = rs.spec.replicas * allowed;
    let nearest = (scaled * 2 + known).div_euclid(known * 2);
    nearest - rs.spec.replicas
}

/// A part never exceeds what is left, in either direction.
fn clamp(part: i64, left: i64) -> i64 {
    if left > 0 { part.clamp(0, left) } else { part.clamp(left, 0) }
}
