//! What of a job may change.

use gantry_kinds::fields::{
    batch_v1::{Job, JobSpec, JobStatus},
    core_v1::PodTemplateSpec,
    meta_v1::ObjectMeta,
};
use gantry_meta::{Object, Value};

use super::{LABELS, spec_with_selector, status, whole};
use crate::{
    field::{Causes, Field, Root},
    table::{Look, Update},
};

pub fn update(update: Update<'_>, causes: &mut Causes) {
    if update.subresource == Some("status") {
        return status::update(update, causes);
    }
    let (new, old) = (update.new.member(Job::SPEC), update.old.member(Job::SPEC));
    // The reference runs all rules of a new job, and then those of its spec once more.
    update.look(Look::Whole, causes);
    whole(update.new, has_prefixed_labels(&old), causes);
    update.look(Look::Changes, causes);
    spec_with_selector(&new, causes);
    completions(&new, &old, causes);
    causes.immutable(&new.member(JobSpec::SELECTOR), &old.member(JobSpec::SELECTOR));
    template(update, causes);
    for member in [
        JobSpec::COMPLETION_MODE,
        JobSpec::POD_FAILURE_POLICY,
        JobSpec::BACKOFF_LIMIT_PER_INDEX,
        JobSpec::MANAGED_BY,
        JobSpec::SUCCESS_POLICY,
    ] {
        causes.immutable(&new.member(member), &old.member(member));
    }
}

/// Jobs from before the labels got their prefix go without those.
fn has_prefixed_labels(spec: &Field<'_>) -> bool {
    let labels = spec.member(JobSpec::TEMPLATE).member(PodTemplateSpec::METADATA).member(ObjectMeta::LABELS);
    LABELS[2..].iter().all(|(key, _)| labels.property(key).is_some())
}

/// An indexed job may grow and shrink with its parallelism.
fn completions(new: &Field<'_>, old: &Field<'_>, causes: &mut Causes) {
    let (new_number, old_number) = (new.member(JobSpec::COMPLETIONS), old.member(JobSpec::COMPLETIONS));
    let is_indexed = new.member(JobSpec::COMPLETION_MODE).text() == "Indexed";
    // That an indexed job needs the number is said elsewhere.
    if new_number.value() == old_number.value() || (is_indexed && !new_number.is_set()) {
        return;
    }
    if !is_indexed || new_number.int() != new.member(JobSpec::PARALLELISM).int() {
        causes.invalid(&new_number, "field is immutable");
    }
}

/// A job that is suspended, and has no pods, may still be told where its pods run and what they need.
fn template(update: Update<'_>, causes: &mut Causes) {
    let (new, old) = (
        update.new.member(Job::SPEC).member(JobSpec::TEMPLATE),
        update.old.member(Job::SPEC).member(JobSpec::TEMPLATE),
    );
    if !waits(update.old) {
        return causes.immutable(&new, &old);
    }
    let none = Object::new();
    let spec = |template: &Field<'_>| template.member(PodTemplateSpec::SPEC).object().unwrap_or(&none).clone();
    let (new_spec, mut allowed) = (spec(&new), spec(&old));
    take_changeable(&mut allowed, &new_spec);
    if allowed != new_spec {
        causes.invalid(
            &new.member(PodTemplateSpec::SPEC),
            "field is immutable but for resources and scheduling directives",
        );
    }
}

fn waits(job: Root<'_>) -> bool {
    let status = job.member(Job::STATUS);
    let has_stopped = status::is_true(&status, "Suspended");
    let not_begun = !status.member(JobStatus::START_TIME).is_set() || has_stopped;
    job.member(Job::SPEC).member(JobSpec::SUSPEND).flag()
        && not_begun
        && status.member(JobStatus::ACTIVE).int().unwrap_or_default() == 0
}

/// Copies into the old spec what may be changed of it.
fn take_changeable(old: &mut Object, new: &Object) {
    for member in ["nodeSelector", "tolerations", "schedulingGates"] {
        copy(member, old, new);
    }
    take_node_affinity(old, new);
    for list in ["containers", "initContainers"] {
        let new = new.get(list).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let Some(old) = old.get_mut(list).and_then(Value::as_array_mut).filter(|old| old.len() == new.len()) else {
            continue;
        };
        for (old, new) in old.iter_mut().zip(new).filter(|(old, new)| old.get("name") == new.get("name")) {
            if let (Some(old), Some(new)) = (old.as_object_mut(), new.as_object()) {
                copy("resources", old, new);
            }
        }
    }
}

fn copy(member: &str, old: &mut Object, new: &Object) {
    match new.get(member) {
        Some(value) => _ = old.insert(member.to_owned(), value.clone()),
        None => _ = old.remove(member),
    }
}

/// Affinity to nodes may change, affinity to pods may not.
fn take_node_affinity(old: &mut Object, new: &Object) {
    const NODES: &str = "nodeAffinity";
    let wanted = new.get("affinity").and_then(Value::as_object);
    let mut affinity = old.get("affinity").and_then(Value::as_object).cloned().unwrap_or_default();
    copy(NODES, &mut affinity, wanted.unwrap_or(&Object::new()));
    if wanted.is_none() && affinity.is_empty() {
        old.remove("affinity");
    } else {
        old.insert("affinity".to_owned(), Value::Object(affinity));
    }
}
