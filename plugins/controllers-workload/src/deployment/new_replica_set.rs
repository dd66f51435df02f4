//! The ReplicaSet of the current template: finding, making, and keeping its annotations right.

use std::collections::BTreeMap;

use gantry_plugin::{
    EventType, Failure, Ops, Outcome, Reader,
    resource::{DEPLOYMENTS, REPLICA_SETS},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Rollout, rolling, scale, status};
use crate::{
    claim::Claimant,
    conditions,
    model::{Deployment, POD_TEMPLATE_HASH, REVISION, REVISION_HISTORY, ReplicaSet},
};

/// Annotations of a deployment that are its own business.
const NOT_COPIED: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    crate::model::DESIRED_REPLICAS,
    crate::model::MAX_REPLICAS,
    "deprecated.deployment.rollback.to",
];

/// True if the ReplicaSet's template is this one, the hash label aside.
pub fn has_template(rs: &ReplicaSet, template: &Value) -> bool {
    let mut own = rs.spec.template.clone();
    let labels = own.pointer_mut("/metadata/labels").and_then(Value::as_object_mut);
    let emptied = labels.is_some_and(|labels| labels.remove(POD_TEMPLATE_HASH).is_some() && labels.is_empty());
    if emptied && let Some(metadata) = own.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("labels");
    }
    own == *template
}

/// Makes the ReplicaSet of the current template.
pub fn create(rollout: &Rollout, read: &Reader<'_>, now: Timestamp, ops: &mut Ops) -> Result<Outcome, Failure> {
    let deployment = &rollout.deployment;
    let hash = template_hash(&deployment.spec.template, deployment.status.collision_count);
    let name = format!("{}-{hash}", deployment.metadata.name);
    if read.find(&REPLICA_SETS, &deployment.metadata.namespace, &name)?.is_some() {
        return Ok(count_collision(rollout, ops));
    }
    let replicas = rolling::new_replicas(rollout, 0);
    let object = object(rollout, &name, &hash, replicas);
    let made = ops.create(&REPLICA_SETS, &deployment.metadata.namespace, &object).id();
    let message = format!("Scaled up replica set {name} from 0 to {replicas}");
    if replicas > 0 {
        ops.event(&rollout.reference(), EventType::Normal, "ScalingReplicaSet", &message).if_succeeded(made).done();
    }
    let failed = "Failed to create new replica set: {error}";
    ops.event(&rollout.reference(), EventType::Warning, "ReplicaSetCreateError", failed).if_failed(made).done();
    let text = format!("Created new replica set \"{name}\"");
    let condition = conditions::deployment("Progressing", "True", "NewReplicaSetCreated", &text, now);
    Ok(status::report_with(rollout, deployment.progress_deadline().map(|_| condition), now, ops))
}

/// Keeps revision, copied annotations and minReadySeconds of the new ReplicaSet as the deployment says, and the
/// deployment's own revision. Returns whether that changes anything.
pub fn follow(rollout: &Rollout, ops: &mut Ops) -> bool {
    let (deployment, Some(new)) = (&rollout.deployment, &rollout.new) else { return false };
    let revision = next_revision(rollout).max(new.revision());
    let mut wanted = copied_annotations(deployment);
    if revision > new.revision() {
        wanted.insert(REVISION.into(), revision.to_string());
        if new.revision() > 0 {
            wanted.insert(REVISION_HISTORY.into(), history_with(new));
        }
    }
    let differs = wanted.iter().any(|(k, v)| new.metadata.annotations.get(k) != Some(v));
    let differs = differs || new.spec.min_ready_seconds != deployment.spec.min_ready_seconds;
    if differs {
        let patch = json!({"metadata": {"annotations": wanted}, "spec": {"minReadySeconds": deployment.spec.min_ready_seconds}});
        ops.patch_merge(&REPLICA_SETS, &new.metadata.namespace, &new.metadata.name, &patch)
            .expect_uid(&new.metadata.uid)
            .done();
    }
    annotate_revision(deployment, revision, ops) || differs
}

/// Through the status: annotations of the object itself count as a new wish, and raise its generation.
fn annotate_revision(deployment: &Deployment, revision: i64, ops: &mut Ops) -> bool {
    let revision = revision.to_string();
    let differs = deployment.metadata.annotations.get(REVISION) != Some(&revision);
    if differs {
        let patch = json!({"metadata": {"annotations": {REVISION: revision}}});
        ops.patch_status(&DEPLOYMENTS, &deployment.metadata.namespace, &deployment.metadata.name, &patch)
            .expect_uid(&deployment.metadata.uid)
            .done();
    }
    differs
}

/// One above every older ReplicaSet's.
fn next_revision(rollout: &Rollout) -> i64 {
    rollout.old.iter().map(ReplicaSet::revision).max().unwrap_or(0) + 1
}

fn history_with(rs: &ReplicaSet) -> String {
    let before = rs.metadata.annotations.get(REVISION_HISTORY).filter(|h| !h.is_empty());
    before.map_or_else(|| rs.revision().to_string(), |h| format!("{h},{}", rs.revision()))
}

fn copied_annotations(deployment: &Deployment) -> BTreeMap<String, String> {
    let all = deployment.metadata.annotations.iter();
    all.filter(|(k, _)| !NOT_COPIED.contains(&k.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect()
}

fn object(rollout: &Rollout, name: &str, hash: &str, replicas: i64) -> Value {
    let deployment = &rollout.deployment;
    let mut annotations = copied_annotations(deployment);
    annotations.insert(REVISION.into(), next_revision(rollout).to_string());
    annotations.extend(scale::annotations(deployment));
    let mut template = deployment.spec.template.clone();
    template["metadata"]["labels"][POD_TEMPLATE_HASH] = hash.into();
    let mut selector = deployment.spec.selector.clone();
    selector.match_labels.insert(POD_TEMPLATE_HASH.into(), hash.into());
    let claimant =
        Claimant { resource: DEPLOYMENTS, metadata: &deployment.metadata, selector: &deployment.spec.selector };
    json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "namespace": deployment.metadata.namespace,
            "labels": template["metadata"]["labels"],
            "annotations": annotations,
            "ownerReferences": [claimant.owner_reference()],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": deployment.spec.min_ready_seconds,
            "selector": selector,
            "template": template,
        },
    })
}

/// Another template has our hash: the next try mixes the count into it.
fn count_collision(rollout: &Rollout, ops: &mut Ops) -> Outcome {
    let meta = &rollout.deployment.metadata;
    let count = rollout.deployment.status.collision_count.unwrap_or(0) + 1;
    let patch = json!({"metadata": {"resourceVersion": meta.resource_version}, "status": {"collisionCount": count}});
    ops.patch_status(&DEPLOYMENTS, &meta.namespace, &meta.name, &patch).done();
    Outcome::Done
}

/// FNV-1a over the template's JSON (members are in name order) and the collision count, in letters that spell no words.
fn template_hash(template: &Value, collisions: Option<i64>) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let text = template.to_string();
    let salt = collisions.map(i64::to_le_bytes);
    let bytes = text.bytes().chain(salt.into_iter().flatten());
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, b| (hash ^ u32::from(b)).wrapping_mul(0x0100_0193));
    hash.to_string().bytes().map(|digit| char::from(LETTERS[usize::from(digit) % LETTERS.len()])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_label_does_not_make_a_template_another() {
        let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}});
        let mut rs = ReplicaSet::default();
        rs.spec.template = template.clone();
        rs.spec.template["metadata"]["labels"][POD_TEMPLATE_HASH] = "x".into();
        assert!(has_template(&rs, &template));
        rs.spec.template["spec"]["dnsPolicy"] = "None".into();
        assert!(!has_template(&rs, &template));
    }

    #[test]
    fn hashes_differ_by_template_and_by_collision() {
        let (a, b) = (json!({"spec": 1}), json!({"spec": 2}));
        assert_eq!(template_hash(&a, None), template_hash(&a, None));
        assert_ne!(template_hash(&a, None), template_hash(&b, None));
        assert_ne!(template_hash(&a, None), template_hash(&a, Some(1)));
    }
}
