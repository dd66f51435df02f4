//! Deployment, ReplicaSet, ReplicationController, DaemonSet, StatefulSet, PodTemplate: a selector and a template that fit.

use gantry_kinds::{
    FieldName,
    fields::{
        AnyObject,
        apps_v1::{
            DaemonSet, DaemonSetSpec, DaemonSetStatus, DaemonSetUpdateStrategy, Deployment, DeploymentSpec,
            DeploymentStatus, DeploymentStrategy, ReplicaSet, ReplicaSetSpec, ReplicaSetStatus, RollingUpdateDaemonSet,
            RollingUpdateDeployment, RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetOrdinals,
            StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec, StatefulSetStatus,
            StatefulSetUpdateStrategy,
        },
        core_v1::{
            PersistentVolumeClaim, PodSpec, PodTemplate, PodTemplateSpec, ReplicationController,
            ReplicationControllerSpec as Spec, ReplicationControllerStatus,
        },
        meta_v1::ObjectMeta,
    },
};
use gantry_meta::{LabelSelector, Object, Value};
use serde_json::json;

use super::{persistent_volume_claim, pod};
use crate::{
    field::{Causes, Field, Root, objects_alike},
    names,
    ratchet::Ratchet,
    rules::{numbers, selector},
    table::{Look, Update},
};

/// The selector is there and selects something, and the template's labels match it.
fn selector_and_template(spec: &Field<'_>, causes: &mut Causes, template: fn(&Field<'_>, &mut Causes)) {
    let selected = spec.member(DeploymentSpec::SELECTOR);
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
        Ok(parsed) => matching_template(&spec.member(DeploymentSpec::TEMPLATE), parsed.as_ref(), causes, template),
    }
}

fn matching_template(
    template: &Field<'_>,
    selector: Option<&LabelSelector>,
    causes: &mut Causes,
    check: fn(&Field<'_>, &mut Causes),
) {
    let labels = template.member(PodTemplateSpec::METADATA).member(ObjectMeta::LABELS);
    if selector::misses(selector, labels.object()) {
        causes.invalid(&labels, "`selector` does not match template `labels`");
    }
    check(template, causes);
}

/// A template whose pods run for ever.
fn restarting_template(template: &Field<'_>, causes: &mut Causes) {
    pod::pod_template(template, causes);
    restarts_for_ever(&template.member(PodTemplateSpec::SPEC), causes);
}

fn restarts_for_ever(spec: &Field<'_>, causes: &mut Causes) {
    if spec.member(PodSpec::RESTART_POLICY).text() != "Always" {
        causes.not_supported(&spec.member(PodSpec::RESTART_POLICY), &["Always"]);
    }
    if spec.member(PodSpec::ACTIVE_DEADLINE_SECONDS).is_set() {
        causes.forbidden(&spec.member(PodSpec::ACTIVE_DEADLINE_SECONDS), "activeDeadlineSeconds is not supported here");
    }
}

pub mod deployment {
    use super::*;

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        let spec = object.member(Deployment::SPEC);
        causes.non_negative(&spec.member(DeploymentSpec::REPLICAS));
        selector_and_template(&spec, causes, restarting_template);
        strategy(&spec.member(DeploymentSpec::STRATEGY), causes);
        causes.non_negative(&spec.member(DeploymentSpec::MIN_READY_SECONDS));
        causes.non_negative(&spec.member(DeploymentSpec::REVISION_HISTORY_LIMIT));
        let deadline = spec.member(DeploymentSpec::PROGRESS_DEADLINE_SECONDS);
        causes.non_negative(&deadline);
        if deadline.int().is_some_and(|n| n <= spec.member(DeploymentSpec::MIN_READY_SECONDS).int().unwrap_or_default())
        {
            causes.invalid(&deadline, "must be greater than minReadySeconds");
        }
    }

    fn strategy(strategy: &Field<'_>, causes: &mut Causes) {
        let rolling = strategy.member(DeploymentStrategy::ROLLING_UPDATE);
        match strategy.member(DeploymentStrategy::TYPE).text() {
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
        let (unavailable, surge) = (
            rolling.member(RollingUpdateDeployment::MAX_UNAVAILABLE),
            rolling.member(RollingUpdateDeployment::MAX_SURGE),
        );
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

    const STATUS: [FieldName; 7] = [
        DeploymentStatus::OBSERVED_GENERATION,
        DeploymentStatus::REPLICAS,
        DeploymentStatus::UPDATED_REPLICAS,
        DeploymentStatus::READY_REPLICAS,
        DeploymentStatus::AVAILABLE_REPLICAS,
        DeploymentStatus::UNAVAILABLE_REPLICAS,
        DeploymentStatus::TERMINATING_REPLICAS,
    ];
}

pub mod replica_set {
    use super::*;

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        let spec = object.member(ReplicaSet::SPEC);
        causes.non_negative(&spec.member(ReplicaSetSpec::REPLICAS));
        causes.non_negative(&spec.member(ReplicaSetSpec::MIN_READY_SECONDS));
        selector_and_template(&spec, causes, restarting_template);
    }

    pub fn update(update: Update<'_>, causes: &mut Causes) {
        if update.subresource == Some("status") {
            return status_counters(update, &STATUS, causes);
        }
        create(update.new, causes);
        immutable_selector(update, causes);
    }

    const STATUS: [FieldName; 6] = [
        ReplicaSetStatus::REPLICAS,
        ReplicaSetStatus::FULLY_LABELED_REPLICAS,
        ReplicaSetStatus::READY_REPLICAS,
        ReplicaSetStatus::AVAILABLE_REPLICAS,
        ReplicaSetStatus::OBSERVED_GENERATION,
        ReplicaSetStatus::TERMINATING_REPLICAS,
    ];
}

pub mod replication_controller {
    use super::*;

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        let spec = object.member(ReplicationController::SPEC);
        causes.non_negative(&spec.member(Spec::MIN_READY_SECONDS));
        let selected = spec.member(Spec::SELECTOR);
        causes.require(&selected);
        causes.non_negative(&spec.member(Spec::REPLICAS));
        let template = spec.member(Spec::TEMPLATE);
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

    const STATUS: [FieldName; 5] = [
        ReplicationControllerStatus::REPLICAS,
        ReplicationControllerStatus::FULLY_LABELED_REPLICAS,
        ReplicationControllerStatus::READY_REPLICAS,
        ReplicationControllerStatus::AVAILABLE_REPLICAS,
        ReplicationControllerStatus::OBSERVED_GENERATION,
    ];
}

pub mod daemon_set {
    use super::*;

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        let spec = object.member(DaemonSet::SPEC);
        let selected = spec.member(DaemonSetSpec::SELECTOR);
        selector::label_selector(&selected, causes);
        if let Ok(parsed) = selector::parse(&selected) {
            let labels =
                spec.member(DaemonSetSpec::TEMPLATE).member(PodTemplateSpec::METADATA).member(ObjectMeta::LABELS);
            if selector::misses(parsed.as_ref(), labels.object()) {
                causes.invalid(&labels, "`selector` does not match template `labels`");
            }
        }
        if selected.is_set() && selector::is_empty(&selected) {
            causes.invalid(&selected, "empty selector is invalid for daemonset");
        }
        let template = spec.member(DaemonSetSpec::TEMPLATE);
        pod::pod_template(&template, causes);
        let restart = template.member(PodTemplateSpec::SPEC).member(PodSpec::RESTART_POLICY);
        if restart.text() != "Always" {
            causes.not_supported(&restart, &["Always"]);
        }
        let deadline = template.member(PodTemplateSpec::SPEC).member(PodSpec::ACTIVE_DEADLINE_SECONDS);
        if deadline.is_set() {
            causes.forbidden(&deadline, "activeDeadlineSeconds is not supported here");
        }
        causes.non_negative(&spec.member(DaemonSetSpec::MIN_READY_SECONDS));
        strategy(&spec.member(DaemonSetSpec::UPDATE_STRATEGY), causes);
        causes.non_negative(&spec.member(DaemonSetSpec::REVISION_HISTORY_LIMIT));
    }

    fn strategy(strategy: &Field<'_>, causes: &mut Causes) {
        let rolling = strategy.member(DaemonSetUpdateStrategy::ROLLING_UPDATE);
        match strategy.member(DaemonSetUpdateStrategy::TYPE).text() {
            "OnDelete" => {}
            "RollingUpdate" if !rolling.is_set() => causes.required(&rolling),
            "RollingUpdate" => rolling_update(&rolling, causes),
            _ => causes.not_supported(strategy, &["RollingUpdate", "OnDelete"]),
        }
    }

    fn rolling_update(rolling: &Field<'_>, causes: &mut Causes) {
        let (unavailable, surge) = (
            rolling.member(RollingUpdateDaemonSet::MAX_UNAVAILABLE),
            rolling.member(RollingUpdateDaemonSet::MAX_SURGE),
        );
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

    const STATUS: [FieldName; 8] = [
        DaemonSetStatus::CURRENT_NUMBER_SCHEDULED,
        DaemonSetStatus::NUMBER_MISSCHEDULED,
        DaemonSetStatus::DESIRED_NUMBER_SCHEDULED,
        DaemonSetStatus::NUMBER_READY,
        DaemonSetStatus::OBSERVED_GENERATION,
        DaemonSetStatus::UPDATED_NUMBER_SCHEDULED,
        DaemonSetStatus::NUMBER_AVAILABLE,
        DaemonSetStatus::NUMBER_UNAVAILABLE,
    ];
}

pub mod stateful_set {
    use super::*;

    const CHANGEABLE: [FieldName; 7] = [
        StatefulSetSpec::REPLICAS,
        StatefulSetSpec::ORDINALS,
        StatefulSetSpec::TEMPLATE,
        StatefulSetSpec::UPDATE_STRATEGY,
        StatefulSetSpec::REVISION_HISTORY_LIMIT,
        StatefulSetSpec::PERSISTENT_VOLUME_CLAIM_RETENTION_POLICY,
        StatefulSetSpec::MIN_READY_SECONDS,
    ];

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        let spec = object.member(StatefulSet::SPEC);
        modes(&spec, causes);
        let claims = spec.member(StatefulSetSpec::VOLUME_CLAIM_TEMPLATES);
        claims
            .items()
            .for_each(|claim| persistent_volume_claim::spec(&claim.member(PersistentVolumeClaim::SPEC), causes));
        numbers(&spec, causes);
        let service = spec.member(StatefulSetSpec::SERVICE_NAME);
        if !service.is_empty() {
            causes.invalid_each(&service, names::dns_label(service.text()));
        }
        pods(&spec, causes);
    }

    /// How pods come, go and leave their claims.
    fn modes(spec: &Field<'_>, causes: &mut Causes) {
        let management = spec.member(StatefulSetSpec::POD_MANAGEMENT_POLICY);
        match management.text() {
            "" => causes.required(&management),
            "OrderedReady" | "Parallel" => {}
            _ => causes.invalid(&management, "must be 'OrderedReady' or 'Parallel'"),
        }
        strategy(&spec.member(StatefulSetSpec::UPDATE_STRATEGY), causes);
        retention(&spec.member(StatefulSetSpec::PERSISTENT_VOLUME_CLAIM_RETENTION_POLICY), causes);
    }

    fn numbers(spec: &Field<'_>, causes: &mut Causes) {
        causes.non_negative(&spec.member(StatefulSetSpec::REPLICAS));
        causes.non_negative(&spec.member(StatefulSetSpec::MIN_READY_SECONDS));
        causes.non_negative(&spec.member(StatefulSetSpec::ORDINALS).member(StatefulSetOrdinals::START));
    }

    fn pods(spec: &Field<'_>, causes: &mut Causes) {
        selector_and_template(spec, causes, |_, _| {});
        if selector::parse(&spec.member(StatefulSetSpec::SELECTOR)).is_ok() {
            let pods = as_controlled(spec);
            template(
                &spec.member(StatefulSetSpec::TEMPLATE),
                &Field::root_member(&pods, PodTemplateSpec::SPEC),
                causes,
            );
        }
        restarts_for_ever(&spec.member(StatefulSetSpec::TEMPLATE).member(PodTemplateSpec::SPEC), causes);
    }

    /// The reference checks labels and annotations twice.
    fn template(template: &Field<'_>, pods: &Field<'_>, causes: &mut Causes) {
        let whole = |causes: &mut Causes| {
            pod::template_metadata(template, causes);
            pod::template_metadata(template, causes);
            pod::template_spec(&pods.reported_at(&template.member(PodTemplateSpec::SPEC)), causes);
            pod::template_annotations(template, causes);
        };
        causes.ratcheted(Ratchet::StatefulTemplate, whole);
    }

    /// The template's `spec` as pods get it, below `spec`: the controller names them, and mounts the set's claims.
    fn as_controlled(spec: &Field<'_>) -> Object {
        let mut pod =
            spec.member(StatefulSetSpec::TEMPLATE).member(PodTemplateSpec::SPEC).object().cloned().unwrap_or_default();
        pod.remove("hostname");
        pod.remove("subdomain");
        let mut names: Vec<&str> =
            spec.member(StatefulSetSpec::VOLUME_CLAIM_TEMPLATES).items().map(|claim| name_of(&claim)).collect();
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
        claim.member(PersistentVolumeClaim::METADATA).member(ObjectMeta::NAME).text()
    }

    fn strategy(strategy: &Field<'_>, causes: &mut Causes) {
        let rolling = strategy.member(StatefulSetUpdateStrategy::ROLLING_UPDATE);
        match strategy.member(StatefulSetUpdateStrategy::TYPE).text() {
            "" => causes.required(strategy),
            "OnDelete" if rolling.is_set() => {
                causes.invalid(&rolling, "only allowed for updateStrategy 'RollingUpdate'");
            }
            "OnDelete" => {}
            "RollingUpdate" => causes.non_negative(&rolling.member(RollingUpdateStatefulSetStrategy::PARTITION)),
            _ => causes.invalid(strategy, "must be 'RollingUpdate' or 'OnDelete'"),
        }
    }

    fn retention(policy: &Field<'_>, causes: &mut Causes) {
        if policy.is_set() {
            for member in [
                StatefulSetPersistentVolumeClaimRetentionPolicy::WHEN_DELETED,
                StatefulSetPersistentVolumeClaimRetentionPolicy::WHEN_SCALED,
            ] {
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
        // Claims and service stay as they are once they are stored.
        [modes, numbers, pods].into_iter().for_each(|part| part(&update.new.member(StatefulSet::SPEC), causes));
        let (new, old) = (update.new.member(StatefulSet::SPEC), update.old.member(StatefulSet::SPEC));
        let rest = |spec: &Field<'_>| {
            let mut rest = spec.object().cloned().unwrap_or_default();
            rest.retain(|member, _| !CHANGEABLE.iter().any(|changeable| changeable.as_str() == member));
            rest
        };
        if !objects_alike(&rest(&new), &rest(&old)) {
            causes.forbidden(&new, "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden");
        }
    }

    const STATUS: [FieldName; 6] = [
        StatefulSetStatus::REPLICAS,
        StatefulSetStatus::READY_REPLICAS,
        StatefulSetStatus::CURRENT_REPLICAS,
        StatefulSetStatus::UPDATED_REPLICAS,
        StatefulSetStatus::AVAILABLE_REPLICAS,
        StatefulSetStatus::OBSERVED_GENERATION,
    ];
}

pub mod pod_template {
    use super::*;

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        pod::pod_template(&object.member(PodTemplate::TEMPLATE), causes);
    }

    pub fn update(update: Update<'_>, causes: &mut Causes) {
        create(update.new, causes);
    }
}

fn immutable_selector(update: Update<'_>, causes: &mut Causes) {
    let selector = |root: Root<'_>| root.member(Deployment::SPEC).member(DeploymentSpec::SELECTOR).value().cloned();
    if selector(update.new) != selector(update.old) {
        causes.invalid(&update.new.member(Deployment::SPEC).member(DeploymentSpec::SELECTOR), "field is immutable");
    }
}

/// Counters that are part of `replicas`.
const PARTS: [FieldName; 5] = [
    StatefulSetStatus::CURRENT_REPLICAS,
    DeploymentStatus::UPDATED_REPLICAS,
    ReplicaSetStatus::FULLY_LABELED_REPLICAS,
    DeploymentStatus::READY_REPLICAS,
    DeploymentStatus::AVAILABLE_REPLICAS,
];

/// Counters are not negative, and no part counts more than the whole.
fn status_counters(update: Update<'_>, members: &[FieldName], causes: &mut Causes) {
    counters(update, members, causes);
    collisions(update, causes);
}

fn counters(update: Update<'_>, members: &[FieldName], causes: &mut Causes) {
    let status = update.new.member(AnyObject::STATUS);
    for member in members.iter().copied().chain([DaemonSetStatus::COLLISION_COUNT]) {
        causes.non_negative(&status.member(member));
    }
    let count = |member| status.member(member).int().unwrap_or_default();
    // Counters have one name in the statuses of all kinds, whichever type a name is taken from.
    let is_among = |names: &[FieldName], name: FieldName| names.iter().any(|one| one.as_str() == name.as_str());
    let has_whole = is_among(members, DeploymentStatus::REPLICAS);
    for part in members.iter().filter(|member| has_whole && is_among(&PARTS, **member)) {
        if count(*part) > count(DeploymentStatus::REPLICAS) {
            causes.invalid(&status.member(*part), "cannot be greater than status.replicas");
        }
    }
    if is_among(members, DeploymentStatus::AVAILABLE_REPLICAS)
        && count(DeploymentStatus::AVAILABLE_REPLICAS) > count(DeploymentStatus::READY_REPLICAS)
    {
        causes.invalid(&status.member(DeploymentStatus::AVAILABLE_REPLICAS), "cannot be greater than readyReplicas");
    }
}

/// Collisions of names are counted up alone.
fn collisions(update: Update<'_>, causes: &mut Causes) {
    let status = update.new.member(AnyObject::STATUS);
    let (collisions, before) = (
        status.member(DaemonSetStatus::COLLISION_COUNT),
        update.old.member(AnyObject::STATUS).member(DaemonSetStatus::COLLISION_COUNT),
    );
    if before.int().is_some_and(|before| collisions.int().unwrap_or_default() < before) {
        causes.invalid(&collisions, "cannot be decremented");
    }
}
