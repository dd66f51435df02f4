//! Conditional defaults of the `apps` group.

use super::{Rule, Surroundings, items, member, set_if_absent, text};
use gantry_meta::{Object, ObjectView as _, Value};

pub(super) fn rule(short_name: &str) -> Option<Rule> {
    match short_name {
        "DaemonSet" => Some(daemon_set),
        "DaemonSetUpdateStrategy" => Some(|strategy, _| rolling_update(strategy, 1.into(), 0.into())),
        "DeploymentStrategy" => Some(|strategy, _| rolling_update(strategy, "25%".into(), "25%".into())),
        "RollingUpdateStatefulSetStrategy" => Some(|rolling, _| set_if_absent(rolling, "partition", 0)),
        "StatefulSetSpec" => Some(stateful_set_spec),
        _ => None,
    }
}

/// The count of template changes is written as an annotation; whoever writes the object owns it.
fn daemon_set(set: &mut Object, _: &Surroundings) {
    if let Some(annotations) = member(set.metadata_mut(), "annotations") {
        set_if_absent(annotations, "deprecated.daemonset.template.generation", "0");
    }
}

/// The struct is made when the strategy is a rolling update; one of another type has none.
fn rolling_update(strategy: &mut Object, max_unavailable: Value, max_surge: Value) {
    if text(strategy, "type") != "RollingUpdate" {
        return;
    }
    if let Some(rolling) = member(strategy, "rollingUpdate") {
        set_if_absent(rolling, "maxUnavailable", max_unavailable);
        set_if_absent(rolling, "maxSurge", max_surge);
    }
}

/// Only a strategy without a type gets the `rollingUpdate` struct; an explicit `RollingUpdate` stays bare.
pub(super) fn stateful_set_update_strategy(strategy: &mut Object, _: &Surroundings) {
    if text(strategy, "type").is_empty()
        && let Some(rolling) = member(strategy, "rollingUpdate")
    {
        set_if_absent(rolling, "partition", 0);
    }
}

fn stateful_set_spec(spec: &mut Object, _: &Surroundings) {
    if let Some(policy) = member(spec, "persistentVolumeClaimRetentionPolicy") {
        set_if_absent(policy, "whenDeleted", "Retain");
        set_if_absent(policy, "whenScaled", "Retain");
    }
    for claim in items(spec, "volumeClaimTemplates") {
        claim.insert("apiVersion".to_owned(), "v1".into());
        claim.insert("kind".to_owned(), "PersistentVolumeClaim".into());
    }
}
