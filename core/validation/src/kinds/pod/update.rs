//! What of a pod may change: images, deadline, tolerations that come, gates that go; more through its subresources.

use gantry_kinds::{
    FieldName,
    fields::core_v1::{Affinity, Container, NodeAffinity, NodeSelector, Pod, PodSchedulingGate, PodSpec, Toleration},
};
use gantry_meta::{Object, Value};

use super::{affinity, annotations, ephemeral, image_is_trimmed, metadata_and_spec, resize, status};
use crate::{
    field::{Causes, Field, objects_alike},
    table::Update,
};

pub fn update(update: Update<'_>, causes: &mut Causes) {
    match update.subresource {
        Some("status") => status::update(update, causes),
        Some("ephemeralcontainers") => ephemeral::update(update, causes),
        Some("resize") => resize::update(update, causes),
        _ => pod(update, causes),
    }
}

fn pod(update: Update<'_>, causes: &mut Causes) {
    metadata_and_spec(update.new, causes);
    annotations::changes(update, causes);
    let (new, old) = (update.new.member(Pod::SPEC), update.old.member(Pod::SPEC));
    for list in [PodSpec::CONTAINERS, PodSpec::INIT_CONTAINERS] {
        if !same_number(&new.member(list), &old.member(list), causes) {
            return;
        }
    }
    if !deadline(&new.member(PodSpec::ACTIVE_DEADLINE_SECONDS), &old.member(PodSpec::ACTIVE_DEADLINE_SECONDS), causes) {
        return;
    }
    only_added_tolerations(&new.member(PodSpec::TOLERATIONS), &old.member(PodSpec::TOLERATIONS), causes);
    only_removed_gates(&new.member(PodSpec::SCHEDULING_GATES), &old.member(PodSpec::SCHEDULING_GATES), causes);
    let (Some(new_spec), Some(old_spec)) = (new.object(), old.object()) else { return };
    if objects_alike(new_spec, old_spec) {
        return;
    }
    if !old.member(PodSpec::SCHEDULING_GATES).is_empty() {
        gated_placement(&new, &old, causes);
    }
    if !objects_alike(&with_changeable_put_back(new_spec, old_spec), old_spec) {
        causes.forbidden(&new, "pod updates may not change fields other than `spec.containers[*].image`, `spec.initContainers[*].image`, `spec.activeDeadlineSeconds`, `spec.tolerations` (only additions to existing tolerations), `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)");
    }
}

fn same_number(new: &Field<'_>, old: &Field<'_>, causes: &mut Causes) -> bool {
    if new.len() != old.len() {
        causes.forbidden(new, "pod updates may not add or remove containers");
        return false;
    }
    for container in new.items() {
        causes.require(&container.member(Container::IMAGE));
        image_is_trimmed(&container, causes);
    }
    true
}

/// The deadline may be set and may shrink.
fn deadline(new: &Field<'_>, old: &Field<'_>, causes: &mut Causes) -> bool {
    match (new.int(), old.int()) {
        (Some(seconds), _) if !(0..=i32::MAX.into()).contains(&seconds) => causes.invalid(new, "is out of range"),
        (Some(new_seconds), Some(old_seconds)) if new_seconds > old_seconds => {
            causes.invalid(new, "must be less than or equal to previous value");
        }
        (None, Some(_)) => {
            causes.invalid(new, "must not update from a positive integer to nil value");
            return true;
        }
        _ => return true,
    }
    false
}

/// Tolerations come; those that are there change in their seconds alone.
fn only_added_tolerations(new: &Field<'_>, old: &Field<'_>, causes: &mut Causes) {
    let identity = |toleration: &Field<'_>| {
        [Toleration::KEY, Toleration::OPERATOR, Toleration::VALUE, Toleration::EFFECT]
            .map(|member| toleration.member(member).text().to_owned())
    };
    if old.items().any(|old| !new.items().any(|new| identity(&new) == identity(&old))) {
        return causes.forbidden(new, "existing toleration can not be modified except its tolerationSeconds");
    }
    affinity::tolerations(new, causes);
}

/// Gates go. One that is new is reported where its name stands last.
fn only_removed_gates(new: &Field<'_>, old: &Field<'_>, causes: &mut Causes) {
    let names: Vec<&str> = new.items().map(|gate| gate.member(PodSchedulingGate::NAME).text()).collect();
    let is_old = |name: &str| old.items().any(|gate| gate.member(PodSchedulingGate::NAME).text() == name);
    for (at, gate) in new.items().enumerate() {
        if !is_old(names[at]) && !names[at + 1..].contains(&names[at]) {
            causes.forbidden(
                &gate.member(PodSchedulingGate::NAME),
                "only deletion is allowed, but found new scheduling gate",
            );
        }
    }
}

/// A gated pod's node selector may grow, and its required node affinity narrow.
fn gated_placement(new: &Field<'_>, old: &Field<'_>, causes: &mut Causes) {
    let selector = new.member(PodSpec::NODE_SELECTOR);
    let kept =
        |(key, value): (&str, Field<'_>)| selector.entries().any(|(k, v)| k == key && v.value() == value.value());
    if !old.member(PodSpec::NODE_SELECTOR).entries().all(kept) {
        causes.invalid(&selector, "only additions are allowed (no mutations or deletions)");
    }
    let terms = |spec: &Field<'_>| terms_of(spec).items().map(|term| term.object().cloned()).collect::<Vec<_>>();
    let (new_terms, old_terms) = (terms(new), terms(old));
    let field = terms_of(new);
    if !old_terms.is_empty() && new_terms.len() != old_terms.len() {
        return causes.invalid(&field, "no additions/deletions to non-empty NodeSelectorTerms list are allowed");
    }
    for (term, (new, old)) in field.items().zip(new_terms.into_iter().zip(old_terms)) {
        if !only_grew(new.unwrap_or_default(), old.unwrap_or_default()) {
            causes.invalid(&term, "only additions are allowed (no mutations or deletions)");
        }
    }
}

fn terms_of<'a>(spec: &Field<'a>) -> Field<'a> {
    let node = spec.member(PodSpec::AFFINITY).member(Affinity::NODE_AFFINITY);
    node.member(NodeAffinity::REQUIRED_DURING_SCHEDULING_IGNORED_DURING_EXECUTION)
        .member(NodeSelector::NODE_SELECTOR_TERMS)
}

/// Each list of requirements starts with the old one. A term that asked for nothing matched nothing, and goes on so.
fn only_grew(new: Object, old: Object) -> bool {
    if old.is_empty() && !new.is_empty() {
        return false;
    }
    old.iter().all(|(member, old)| match (new.get(member), old) {
        (Some(Value::Array(new)), Value::Array(old)) => new.starts_with(old),
        (new, old) => new == Some(old),
    })
}

/// The new spec with the old values of everything that may change.
fn with_changeable_put_back(new: &Object, old: &Object) -> Object {
    let mut spec = new.clone();
    let mut put_back = |member: FieldName| match old.get(member.as_str()) {
        Some(value) => drop(spec.insert(member.as_str().to_owned(), value.clone())),
        None => drop(spec.remove(member.as_str())),
    };
    [PodSpec::ACTIVE_DEADLINE_SECONDS, PodSpec::SCHEDULING_GATES, PodSpec::TOLERATIONS]
        .into_iter()
        .for_each(&mut put_back);
    let grace = |spec: &Object| spec.get(PodSpec::TERMINATION_GRACE_PERIOD_SECONDS.as_str()).and_then(Value::as_i64);
    if grace(old).is_some_and(|seconds| seconds < 0) && grace(new) == Some(1) {
        put_back(PodSpec::TERMINATION_GRACE_PERIOD_SECONDS);
    }
    if old.get(PodSpec::SCHEDULING_GATES.as_str()).and_then(Value::as_array).is_some_and(|gates| !gates.is_empty()) {
        put_back(PodSpec::NODE_SELECTOR);
        put_back_node_affinity(&mut spec, old);
    }
    for list in [PodSpec::CONTAINERS, PodSpec::INIT_CONTAINERS] {
        put_back_images(spec.get_mut(list.as_str()), old.get(list.as_str()));
    }
    spec
}

fn put_back_images(new: Option<&mut Value>, old: Option<&Value>) {
    let (Some(Value::Array(new)), Some(Value::Array(old))) = (new, old) else { return };
    for (new, old) in new.iter_mut().zip(old) {
        if let (Some(new), Some(image)) = (new.as_object_mut(), old.get("image")) {
            new.insert("image".to_owned(), image.clone());
        }
    }
}

fn put_back_node_affinity(spec: &mut Object, old: &Object) {
    let node_affinity = |spec: &Object| spec.get("affinity").and_then(|affinity| affinity.get("nodeAffinity")).cloned();
    let old_node = node_affinity(old);
    if node_affinity(spec) == old_node {
        return;
    }
    let affinity = spec.entry("affinity").or_insert_with(|| Value::Object(Object::new()));
    if let Some(affinity) = affinity.as_object_mut() {
        match old_node {
            Some(node) => drop(affinity.insert("nodeAffinity".to_owned(), node)),
            None => drop(affinity.remove("nodeAffinity")),
        }
    }
    if old.get("affinity").is_none() && spec["affinity"].as_object().is_some_and(Object::is_empty) {
        spec.remove("affinity");
    }
}
