//! Deployment, ReplicaSet, ReplicationController, DaemonSet, StatefulSet, PodTemplate: a selector and a template that fit.

use gantry_meta::{LabelSelector, Object, Value};
use serde_json::json;

use super::{persistent_volume_claim, pod};
use crate::{
    field::{Causes, Field, Root},
    names,
    rules::{numbers, selector},
    table::{Look, Update},
};

/// The selector is there and selects something, and the template's labels match it.
fn selector_and_template(spec: &Field<'_>, causes: &mut Causes, template: fn(&Field<'_>, &mut Causes)) {
    let selected = spec.member("selector");
    if !selected.is_set() {
        causes.required(&selected);
    } else {
        selector::label_selector(&selected, causes);
        if selector::is_empty(&selected) {
            causes.invalid(&selected, "empty selector is invalid");
        }
    }
    match selector::parse(&selected) {
        Err(_) => causes.invalid(&selected, "invalid label selector"),
        Ok(parsed) => matching_template(&spec.member("template"), parsed.as_ref(), causes, template),
    }
}

fn matching_template(
    template: &Field<'_>,
    selector: Option<&LabelSelector>,
    causes: &mut Causes,
    check: fn(&Field<'_>, &mut Causes),
) {
    let labels = template.member("metadata").member("labels");
    if selector::misses(selector, labels.object()) {
        causes.invalid(&labels, "`selector` does not match template `labels`");
    }
    check(template, causes);
}

/// A template whose pods run for ever.
fn restarting_template(template: &Field<'_>, causes: &mut Causes) {
    pod::pod_template(template, causes);
    restarts_for_ever(&template.member("spec"), causes);
}

fn restarts_for_ever(spec: &Field<'_>, causes: &mut Causes) {
    if spec.member("restartPolicy").text() != "Always" {
        causes.not_supported(&spec.member("restartPolicy"), &["Always"]);
    }
    if spec.member("activeDeadlineSeconds").is_set() {
        causes.forbidden(&spec.member("activeDeadlineSeconds"), "activeDeadlineSeconds is not supported here");
    }
}

pub mod deployment {
    use super::*;

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        let spec = object.member("spec");
        causes.non_negative(&spec.member("replicas"));
        selector_and_template(&spec, causes, restarting_template);
        strategy(&spec.member("strategy"), causes);
        causes.non_negative(&spec.member("minReadySeconds"));
        causes.non_negative(&spec.member("revisionHistoryLimit"));
        let deadline = spec.member("progressDeadlineSeconds");
        causes.non_negative(&deadline);
        if deadline.int().is_some_and(|n| n <= spec.member("minReadySeconds").int().unwrap_or_default()) {
            causes.invalid(&deadline, "must be greater than minReadySeconds");
        }
    }

    fn strategy(strategy: &Field<'_>, causes: &mut Causes) {
        let rolling = strategy.member("rollingUpdate");
        match strategy.member("type").text() {
            "Recreate" if rolling.is_set() => {
                causes.forbidden(&rolling, "may not be specified when strategy `type` is 'Recreate'");
            }
            "Recreate" => {}
            "RollingUpdate" if !rolling.is_set() => causes.required(&rolling),
            "RollingUpdate" => rolling_update(&rolling, causes),
            _ => causes.not_supported(strategy, &["Recreate", "RollingUpdate"]),
        }
    }

    fn rolling_update(rolling: &Field<'_>, causes: &mut Causes) {
        let (unavailable, surge) = (rolling.member("maxUnavailable"), rolling.member("maxSurge"));
        numbers::non_negative_or_percent(&unavailable, causes);
        numbers::non_negative_or_percent(&surge, causes);
        if numbers::int_or_percent(&unavailable) == 0 && numbers::int_or_percent(&surge) == 0 {
            causes.invalid(&unavailable, "may not be 0 when `maxSurge` is 0");
        }
        numbers::at_most_100_percent(&unavailable, causes);
    }

    pub fn update(update: Update<'_>, causes: &mut Causes) {
        if update.subresource == Some("status") {
            return status_counters(update, &STATUS, causes);
        }
        create(update.new, causes);
        immutable_selector(update, causes);
    }

    const STATUS: [&str; 7] = [
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
        "terminatingReplicas",
    ];
}

pub mod replica_set {
    use super::*;

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        let spec = object.member("spec");
        causes.non_negative(&spec.member("replicas"));
        causes.non_negative(&spec.member("minReadySeconds"));
        selector_and_template(&spec, causes, restarting_template);
    }

    pub fn update(update: Update<'_>, causes: &mut Causes) {
        if update.subresource == Some("status") {
            return status_counters(update, &STATUS, causes);
        }
        create(update.new, causes);
        immutable_selector(update, causes);
    }

    const STATUS: [&str; 6] = [
        "replicas",
        "fullyLabeledReplicas",
        "readyReplicas",
        "availableReplicas",
        "observedGeneration",
        "terminatingReplicas",
    ];
}

pub mod replication_controller {
    use super::*;

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        let spec = object.member("spec");
        causes.non_negative(&spec.member("minReadySeconds"));
        let selected = spec.member("selector");
        causes.require(&selected);
        causes.non_negative(&spec.member("replicas"));
        let template = spec.member("template");
        if !template.is_set() {
            return causes.required(&template);
        }
        let empty = Object::new();
        let labels = selected.object().unwrap_or(&empty);
        let labels = labels.iter().map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()));
        matching_template(&template, Some(&LabelSelector::from_equalities(labels)), causes, restarting_template);
    }

    pub fn update(update: Update<'_>, causes: &mut Causes) {
        match update.subresource {
            Some("status") => status_counters(update, &STATUS, causes),
            _ => create(update.new, causes),
        }
    }

    const STATUS: [&str; 5] =
        ["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration"];
}

pub mod daemon_set {
    use super::*;

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        let spec = object.member("spec");
        let selected = spec.member("selector");
        selector::label_selector(&selected, causes);
        if let Ok(parsed) = selector::parse(&selected) {
            let labels = spec.member("template").member("metadata").member("labels");
            if selector::misses(parsed.as_ref(), labels.object()) {
                causes.invalid(&labels, "`selector` does not match template `labels`");
            }
        }
        if selected.is_set() && selector::is_empty(&selected) {
            causes.invalid(&selected, "empty selector is invalid for daemonset");
        }
        let template = spec.member("template");
        pod::pod_template(&template, causes);
        let restart = template.member("spec").member("restartPolicy");
        if restart.text() != "Always" {
            causes.not_supported(&restart, &["Always"]);
        }
        let deadline = template.member("spec").member("activeDeadlineSeconds");
        if deadline.is_set() {
            causes.forbidden(&deadline, "activeDeadlineSeconds is not supported here");
        }
        causes.non_negative(&spec.member("minReadySeconds"));
        strategy(&spec.member("updateStrategy"), causes);
        causes.non_negative(&spec.member("revisionHistoryLimit"));
    }

    fn strategy(strategy: &Field<'_>, causes: &mut Causes) {
        let rolling = strategy.member("rollingUpdate");
        match strategy.member("type").text() {
            "OnDelete" => {}
            "RollingUpdate" if !rolling.is_set() => causes.required(&rolling),
            "RollingUpdate" => rolling_update(&rolling, causes),
            _ => causes.not_supported(strategy, &["RollingUpdate", "OnDelete"]),
        }
    }

    fn rolling_update(rolling: &Field<'_>, causes: &mut Causes) {
        let (unavailable, surge) = (rolling.member("maxUnavailable"), rolling.member("maxSurge"));
        numbers::non_negative_or_percent(&unavailable, causes);
        numbers::non_negative_or_percent(&surge, causes);
        let zero = |field: &Field<'_>| numbers::int_or_percent(field) == 0;
        if zero(&unavailable) && zero(&surge) {
            causes.required(&unavailable);
        } else if !zero(&unavailable) && !zero(&surge) {
            causes.invalid(&surge, "may not be set when maxUnavailable is non-zero");
        }
        numbers::at_most_100_percent(&unavailable, causes);
        numbers::at_most_100_percent(&surge, causes);
    }

    pub fn update(update: Update<'_>, causes: &mut Causes) {
        if update.subresource == Some("status") {
            return status_counters(update, &STATUS, causes);
        }
        immutable_selector(update, causes);
        create(update.new, causes);
    }

    const STATUS: [&str; 8] = [
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
    ];
}

pub mod stateful_set {
    use super::*;

    const CHANGEABLE: [&str; 7] = [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        let spec = object.member("spec");
        let claims = spec.member("volumeClaimTemplates");
        claims.items().for_each(|claim| persistent_volume_claim::spec(&claim.member("spec"), causes));
        let service = spec.member("serviceName");
        if !service.is_empty() {
            causes.invalid_each(&service, names::dns_label(service.text()));
        }
        changeable(&spec, causes);
    }

    /// What holds on create and update alike: claims and service stay as they are once they are stored.
    fn changeable(spec: &Field<'_>, causes: &mut Causes) {
        let management = spec.member("podManagementPolicy");
        match management.text() {
            "" => causes.required(&management),
            "OrderedReady" | "Parallel" => {}
            _ => causes.invalid(&management, "must be 'OrderedReady' or 'Parallel'"),
        }
        strategy(&spec.member("updateStrategy"), causes);
        retention(&spec.member("persistentVolumeClaimRetentionPolicy"), causes);
        causes.non_negative(&spec.member("replicas"));
        causes.non_negative(&spec.member("minReadySeconds"));
        causes.non_negative(&spec.member("ordinals").member("start"));
        selector_and_template(spec, causes, |_, _| {});
        if selector::parse(&spec.member("selector")).is_ok() {
            let pods = as_controlled(spec);
            template(&spec.member("template"), &Field::root_member(&pods, "spec"), causes);
        }
        restarts_for_ever(&spec.member("template").member("spec"), causes);
    }

    /// The reference checks labels and annotations twice.
    fn template(template: &Field<'_>, pods: &Field<'_>, causes: &mut Causes) {
        pod::template_metadata(template, causes);
        pod::template_metadata(template, causes);
        pod::template_spec(&pods.reported_at(&template.member("spec")), causes);
        pod::template_annotations(template, causes);
    }

    /// The template's `spec` as pods get it, below `spec`: the controller names them, and mounts the set's claims.
    fn as_controlled(spec: &Field<'_>) -> Object {
        let mut pod = spec.member("template").member("spec").object().cloned().unwrap_or_default();
        pod.remove("hostname");
        pod.remove("subdomain");
        let mut names: Vec<&str> = spec.member("volumeClaimTemplates").items().map(|claim| name_of(&claim)).collect();
        names.sort_unstable();
        names.dedup();
        if !names.is_empty() {
            let claimed = |name: &&str| json!({"name": name, "persistentVolumeClaim": {"claimName": name}});
            let mut volumes: Vec<Value> = names.iter().map(claimed).collect();
            let own = pod.get("volumes").and_then(Value::as_array).into_iter().flatten();
            let is_own =
                |volume: &&Value| !volume.get("name").and_then(Value::as_str).is_some_and(|n| names.contains(&n));
            volumes.extend(own.filter(is_own).cloned());
            pod.insert("volumes".into(), volumes.into());
        }
        Object::from_iter([("spec".to_owned(), Value::Object(pod))])
    }

    fn name_of<'a>(claim: &Field<'a>) -> &'a str {
        claim.member("metadata").member("name").text()
    }

    fn strategy(strategy: &Field<'_>, causes: &mut Causes) {
        let rolling = strategy.member("rollingUpdate");
        match strategy.member("type").text() {
            "" => causes.required(strategy),
            "OnDelete" if rolling.is_set() => {
                causes.invalid(&rolling, "only allowed for updateStrategy 'RollingUpdate'");
            }
            "OnDelete" => {}
            "RollingUpdate" => causes.non_negative(&rolling.member("partition")),
            _ => causes.invalid(strategy, "must be 'RollingUpdate' or 'OnDelete'"),
        }
    }

    fn retention(policy: &Field<'_>, causes: &mut Causes) {
        if policy.is_set() {
            for member in ["whenDeleted", "whenScaled"] {
                causes.one_of(&policy.member(member), &["Retain", "Delete"]);
            }
        }
    }

    pub fn update(update: Update<'_>, causes: &mut Causes) {
        if update.subresource == Some("status") {
            counters(update, &STATUS, causes);
            update.look(Look::Changes, causes);
            return collisions(update, causes);
        }
        changeable(&update.new.member("spec"), causes);
        let (new, old) = (update.new.member("spec"), update.old.member("spec"));
        let rest = |spec: &Field<'_>| {
            let mut rest = spec.object().cloned().unwrap_or_default();
            rest.retain(|member, _| !CHANGEABLE.contains(&member.as_str()));
            rest
        };
        if rest(&new) != rest(&old) {
            causes.forbidden(&new, "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden");
        }
    }

    const STATUS: [&str; 6] =
        ["replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas", "observedGeneration"];
}

pub mod pod_template {
    use super::*;

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        pod::pod_template(&object.member("template"), causes);
    }

    pub fn update(update: Update<'_>, causes: &mut Causes) {
        create(update.new, causes);
    }
}

fn immutable_selector(update: Update<'_>, causes: &mut Causes) {
    let selector = |root: Root<'_>| root.member("spec").member("selector").value().cloned();
    if selector(update.new) != selector(update.old) {
        causes.invalid(&update.new.member("spec").member("selector"), "field is immutable");
    }
}

/// Counters that are part of `replicas`.
const PARTS: [&str; 5] =
    ["currentReplicas", "updatedReplicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas"];

/// Counters are not negative, and no part counts more than the whole.
fn status_counters(update: Update<'_>, members: &[&'static str], causes: &mut Causes) {
    counters(update, members, causes);
    collisions(update, causes);
}

fn counters(update: Update<'_>, members: &[&'static str], causes: &mut Causes) {
    let status = update.new.member("status");
    for member in members.iter().copied().chain(["collisionCount"]) {
        causes.non_negative(&status.member(member));
    }
    let count = |member| status.member(member).int().unwrap_or_default();
    for part in PARTS {
        if members.contains(&part) && members.contains(&"replicas") && count(part) > count("replicas") {
            causes.invalid(&status.member(part), "cannot be greater than status.replicas");
        }
    }
    if members.contains(&"availableReplicas") && count("availableReplicas") > count("readyReplicas") {
        causes.invalid(&status.member("availableReplicas"), "cannot be greater than readyReplicas");
    }
}

/// Collisions of names are counted up alone.
fn collisions(update: Update<'_>, causes: &mut Causes) {
    let status = update.new.member("status");
    let (collisions, before) = (status.member("collisionCount"), update.old.member("status").member("collisionCount"));
    if before.int().is_some_and(|before| collisions.int().unwrap_or_default() < before) {
        causes.invalid(&collisions, "cannot be decremented");
    }
}
