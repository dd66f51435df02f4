//! What a ReplicaSet says of itself.

use std::time::Duration;

use gantry_plugin::{Ops, Outcome, Resource, resource::REPLICA_SETS};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    conditions,
    model::{Condition, Pod, ReplicaSet, ReplicaSetStatus, template_labels},
};

/// Writes the status if it changed. Comes back when a ready pod will count as available.
pub fn report(resource: &Resource<'_>, rs: &ReplicaSet, pods: &[Pod], now: Timestamp, ops: &mut Ops) -> Outcome {
    let mut status = observe(rs, pods, now, ops);
    if resource.kind != REPLICA_SETS.kind {
        // A ReplicationController has no such field.
        status.terminating_replicas = None;
    }
    if status != rs.status {
        let patch = json!({"metadata": {"resourceVersion": rs.metadata.resource_version}, "status": wire(&status)});
        ops.patch_status(resource, &rs.metadata.namespace, &rs.metadata.name, &patch).ignore_not_found().done();
    }
    next_availability(rs, pods, now).map_or(Outcome::Done, Outcome::RequeueAfter)
}

fn observe(rs: &ReplicaSet, pods: &[Pod], now: Timestamp, ops: &Ops) -> ReplicaSetStatus {
    let labels = template_labels(&rs.spec.template);
    let count = |holds: &dyn Fn(&Pod) -> bool| pods.iter().filter(|p| p.is_active() && holds(p)).count() as i64;
    let available = |p: &Pod| p.available_from(rs.spec.min_ready_seconds).is_some_and(|from| from <= now);
    ReplicaSetStatus {
        replicas: count(&|_| true),
        fully_labeled_replicas: count(&|p| labels.iter().all(|(k, v)| p.metadata.labels.get(k) == Some(v))),
        ready_replicas: count(&|p| p.ready_since().is_some()),
        available_replicas: count(&available),
        terminating_replicas: Some(
            pods.iter().filter(|p| p.metadata.is_terminating() && !p.is_finished()).count() as i64
        ),
        observed_generation: rs.metadata.generation,
        conditions: with_failure(rs, now, ops),
    }
}

/// ReplicaFailure stands as long as the last try to make or delete pods failed.
fn with_failure(rs: &ReplicaSet, now: Timestamp, ops: &Ops) -> Vec<Condition> {
    let mut all = rs.status.conditions.clone();
    let Some(failed) = ops.failures().iter().find(|f| f.resource == "pods") else {
        if ops.attempt() == 0 {
            conditions::remove(&mut all, "ReplicaFailure");
        }
        return all;
    };
    let reason = if failed.verb == "delete" { "FailedDelete" } else { "FailedCreate" };
    let condition = Condition {
        kind: "ReplicaFailure".into(),
        status: "True".into(),
        last_update_time: None,
        last_transition_time: Some(now),
        reason: reason.into(),
        message: failed.message.clone(),
    };
    conditions::set(&mut all, condition);
    all
}

/// The whole status as a merge patch: what is zero is removed.
fn wire(status: &ReplicaSetStatus) -> Value {
    let some = |n: i64| if n == 0 { Value::Null } else { n.into() };
    json!({
        "replicas": status.replicas,
        "fullyLabeledReplicas": some(status.fully_labeled_replicas),
        "readyReplicas": some(status.ready_replicas),
        "availableReplicas": some(status.available_replicas),
        "terminatingReplicas": status.terminating_replicas,
        "observedGeneration": status.observed_generation,
        "conditions": if status.conditions.is_empty() { Value::Null } else { json!(status.conditions) },
    })
}

fn next_availability(rs: &ReplicaSet, pods: &[Pod], now: Timestamp) -> Option<Duration> {
    let from = pods.iter().filter(|p| p.is_active()).filter_map(|p| p.available_from(rs.spec.min_ready_seconds));
    let next = from.filter(|from| *from > now).min()?;
    Duration::try_from(next.duration_since(now)).ok()
}
