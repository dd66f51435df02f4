//! What a Deployment says of itself: counts, Available, Progressing, ReplicaFailure.

use std::time::Duration;

use gantry_plugin::{Ops, Outcome, resource::DEPLOYMENTS};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Rollout;
use crate::{
    conditions,
    model::{Condition, DeploymentStatus, ReplicaSet, ReplicaSetStatus},
};

/// The counts, and the conditions as they stand.
pub fn observe(rollout: &Rollout) -> DeploymentStatus {
    let deployment = &rollout.deployment;
    let sum = |of: fn(&ReplicaSetStatus) -> i64| rollout.all().map(|rs| of(&rs.status)).sum::<i64>();
    let available = sum(|s| s.available_replicas);
    DeploymentStatus {
        observed_generation: deployment.metadata.generation,
        replicas: sum(|s| s.replicas),
        updated_replicas: rollout.new.as_ref().map_or(0, |rs| rs.status.replicas),
        ready_replicas: sum(|s| s.ready_replicas),
        available_replicas: available,
        unavailable_replicas: (rollout.desired_pods() - available).max(0),
        terminating_replicas: Some(sum(|s| s.terminating_replicas.unwrap_or(0))),
        collision_count: deployment.status.collision_count,
        conditions: deployment.status.conditions.clone(),
    }
}

/// Every pod is of the current template, and available.
pub fn is_complete(rollout: &Rollout, status: &DeploymentStatus) -> bool {
    let desired = rollout.deployment.spec.replicas;
    status.updated_replicas == desired && status.replicas == desired && status.available_replicas == desired
}

pub fn report(rollout: &Rollout, now: Timestamp, ops: &mut Ops) -> Outcome {
    report_with(rollout, None, now, ops)
}

/// Writes the status if it changed. `progress`: what the caller knows better than the counts. Comes back at the deadline.
pub fn report_with(rollout: &Rollout, progress: Option<Condition>, now: Timestamp, ops: &mut Ops) -> Outcome {
    let mut status = observe(rollout);
    if let Some(known) = progress {
        conditions::set(&mut status.conditions, known);
        set_available(rollout, &mut status, now);
    } else {
        set_available(rollout, &mut status, now);
        set_progressing(rollout, &mut status, now);
    }
    set_failure(rollout, &mut status);
    let deployment = &rollout.deployment;
    if status != deployment.status {
        let meta = &deployment.metadata;
        let patch = json!({"metadata": {"resourceVersion": meta.resource_version}, "status": wire(&status)});
        ops.patch_status(&DEPLOYMENTS, &meta.namespace, &meta.name, &patch).ignore_not_found().done();
    }
    until_deadline(rollout, &status, now).map_or(Outcome::Done, Outcome::RequeueAfter)
}

fn set_available(rollout: &Rollout, status: &mut DeploymentStatus, now: Timestamp) {
    let deployment = &rollout.deployment;
    let enough = status.available_replicas >= deployment.spec.replicas - deployment.max_unavailable();
    let condition = if enough {
        conditions::deployment(
            "Available",
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
            now,
        )
    } else {
        let text = "Deployment does not have minimum availability.";
        conditions::deployment("Available", "False", "MinimumReplicasUnavailable", text, now)
    };
    conditions::set(&mut status.conditions, condition);
}

fn set_progressing(rollout: &Rollout, status: &mut DeploymentStatus, now: Timestamp) {
    let deployment = &rollout.deployment;
    if deployment.progress_deadline().is_none() {
        return conditions::remove(&mut status.conditions, "Progressing");
    }
    let current = conditions::find(&status.conditions, "Progressing").cloned();
    let reason = current.as_ref().map(|c| c.reason.as_str()).unwrap_or_default();
    if deployment.spec.paused {
        return set(status, "Unknown", "DeploymentPaused", "Deployment is paused", now);
    }
    if reason == "DeploymentPaused" {
        return set(status, "Unknown", "DeploymentResumed", "Deployment is resumed", now);
    }
    let settled = reason == "NewReplicaSetAvailable" && status.replicas == status.updated_replicas;
    if settled {
        return;
    }
    if is_complete(rollout, status) {
        return set(status, "True", "NewReplicaSetAvailable", &subject(rollout, "has successfully progressed"), now);
    }
    if has_progressed(&deployment.status, status) {
        // Progress counts from now on, even where reason and status stay.
        conditions::touch(&mut status.conditions, "Progressing", "ReplicaSetUpdated");
        return set(status, "True", "ReplicaSetUpdated", &subject(rollout, "is progressing"), now);
    }
    if current.is_some_and(|c| is_late(rollout, &c, now)) {
        set(status, "False", "ProgressDeadlineExceeded", &subject(rollout, "has timed out progressing"), now);
    }
}

fn set(status: &mut DeploymentStatus, value: &str, reason: &str, message: &str, now: Timestamp) {
    conditions::set(&mut status.conditions, conditions::deployment("Progressing", value, reason, message, now));
}

fn subject(rollout: &Rollout, what: &str) -> String {
    match &rollout.new {
        Some(rs) => format!("ReplicaSet \"{}\" {what}.", rs.metadata.name),
        None => format!("Deployment \"{}\" {what}.", rollout.deployment.metadata.name),
    }
}

fn has_progressed(before: &DeploymentStatus, now: &DeploymentStatus) -> bool {
    now.updated_replicas > before.updated_replicas
        || now.replicas - now.updated_replicas < before.replicas - before.updated_replicas
        || now.ready_replicas > before.ready_replicas
        || now.available_replicas > before.available_replicas
}

fn deadline_of(rollout: &Rollout, progressing: &Condition) -> Option<Timestamp> {
    let seconds = SignedDuration::from_secs(rollout.deployment.progress_deadline()?);
    progressing.last_update_time?.checked_add(seconds).ok()
}

fn is_late(rollout: &Rollout, progressing: &Condition, now: Timestamp) -> bool {
    progressing.reason == "ProgressDeadlineExceeded" || deadline_of(rollout, progressing).is_some_and(|at| at <= now)
}

/// When to look whether the deadline has passed.
fn until_deadline(rollout: &Rollout, status: &DeploymentStatus, now: Timestamp) -> Option<Duration> {
    if is_complete(rollout, status) || rollout.deployment.spec.paused {
        return None;
    }
    let progressing = conditions::find(&status.conditions, "Progressing").filter(|c| c.status != "False")?;
    let left = deadline_of(rollout, progressing)?.duration_since(now);
    Some(Duration::try_from(left).unwrap_or_default().max(Duration::from_millis(10)))
}

/// The failure of any ReplicaSet, the new one's first.
fn set_failure(rollout: &Rollout, status: &mut DeploymentStatus) {
    let failing = |rs: &ReplicaSet| conditions::find(&rs.status.conditions, "ReplicaFailure").cloned();
    let found = rollout.new.as_ref().and_then(failing).or_else(|| rollout.old.iter().find_map(failing));
    match found {
        Some(mut condition) => {
            condition.last_update_time = condition.last_transition_time;
            conditions::set(&mut status.conditions, condition);
        }
        None => conditions::remove(&mut status.conditions, "ReplicaFailure"),
    }
}

/// The whole status as a merge patch: what is zero is removed.
fn wire(status: &DeploymentStatus) -> Value {
    let some = |n: i64| if n == 0 { Value::Null } else { n.into() };
    json!({
        "observedGeneration": some(status.observed_generation),
        "replicas": some(status.replicas),
        "updatedReplicas": some(status.updated_replicas),
        "readyReplicas": some(status.ready_replicas),
        "availableReplicas": some(status.available_replicas),
        "unavailableReplicas": some(status.unavailable_replicas),
        "terminatingReplicas": status.terminating_replicas,
        "collisionCount": status.collision_count,
        "conditions": status.conditions,
    })
}
