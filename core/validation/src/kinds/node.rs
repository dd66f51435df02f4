//! Node. The reference reports taints under `metadata`.

use gantry_kinds::fields::{
    core_v1::{Node, NodeAddress, NodeSpec, NodeStatus, NodeSwapStatus, NodeSystemInfo, Taint},
    meta_v1::{ObjectMeta, OwnerReference},
};
use gantry_meta::{Object, Value};

use crate::{
    field::{Causes, Field, Root},
    names,
    rules::{net, resources},
    table::Update,
};

const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
/// Taints as they were set before there was the field.
const TAINTS: &str = "scheduler.alpha.kubernetes.io/taints";
const AVOIDED_PODS: &str = "scheduler.alpha.kubernetes.io/preferAvoidPods";
const FEATURE_MAX_BYTES: usize = 253;

pub fn create(object: Root<'_>, causes: &mut Causes) {
    annotations(object, causes);
    taints(&spec_taints(object), causes);
    capacities(object, causes);
    let swap = object
        .member(Node::STATUS)
        .member(NodeStatus::NODE_INFO)
        .member(NodeSystemInfo::SWAP)
        .member(NodeSwapStatus::CAPACITY);
    // The reference reports this one under `metadata`.
    causes.positive(
        &swap.reported_at(&object.member(Node::METADATA).untyped_member("nodeSwapStatus").member(NodeStatus::CAPACITY)),
    );
    declared_features(&object.member(Node::STATUS).member(NodeStatus::DECLARED_FEATURES), causes);
    pod_ranges(&object.member(Node::SPEC).member(NodeSpec::POD_CIDRS), causes);
}

fn pod_ranges(ranges: &Field<'_>, causes: &mut Causes) {
    for range in ranges.items() {
        net::cidr(&range, causes);
    }
    if ranges.len() < 2 {
        return;
    }
    let families: Vec<_> = ranges.items().map(|range| net::is_ipv4_range(range.text())).collect();
    if families.contains(&None) {
        causes.internal(ranges, "the families of the ranges cannot be told");
    }
    let both = families.contains(&Some(true)) && families.contains(&Some(false)) && !families.contains(&None);
    if !both || families.len() > 2 {
        causes.invalid(ranges, "may specify no more than one CIDR for each IP family");
    }
}

fn spec_taints(object: Root<'_>) -> Field<'_> {
    object
        .member(Node::SPEC)
        .member(NodeSpec::TAINTS)
        .reported_at(&object.member(Node::METADATA).member(NodeSpec::TAINTS))
}

fn taints(taints: &Field<'_>, causes: &mut Causes) {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for taint in taints.items() {
        let (key, value, effect) = (taint.member(Taint::KEY), taint.member(Taint::VALUE), taint.member(Taint::EFFECT));
        causes.invalid_each(&key, names::qualified_name(key.text()));
        causes.invalid_each(&value, names::label_value(value.text()));
        causes.require_one_of(&effect, &EFFECTS);
        let one = (key.text(), effect.text());
        if seen.contains(&one) {
            causes.duplicate(&taint);
        }
        seen.push(one);
    }
}

fn annotations(object: Root<'_>, causes: &mut Causes) {
    let annotations = object.member(Node::METADATA).member(ObjectMeta::ANNOTATIONS);
    if !annotations.entry(TAINTS).is_empty() {
        match serde_json::from_str::<Vec<Object>>(annotations.entry(TAINTS).text()) {
            Ok(list) => with_list(list, &annotations.untyped_member(TAINTS), |list| taints(list, causes)),
            Err(_) => causes.invalid(&annotations, "must hold a JSON list of taints"),
        }
    }
    let avoided = annotations.entry(AVOIDED_PODS);
    if avoided.is_empty() {
        return;
    }
    match read_avoided(avoided.text()) {
        Some(list) => with_list(list, &annotations.untyped_member(AVOIDED_PODS), |list| avoided_pods(list, causes)),
        None => causes.invalid(&annotations.untyped_member("AvoidPods"), "must hold what pods to avoid, in JSON"),
    }
}

fn read_avoided(text: &str) -> Option<Vec<Object>> {
    match serde_json::from_str::<Object>(text).ok()?.remove("preferAvoidPods") {
        Some(entries) => serde_json::from_value(entries).ok(),
        None => Some(Vec::new()),
    }
}

/// Calls `check` with a list that was read from an annotation, reported at `place`.
fn with_list(list: Vec<Object>, place: &Field<'_>, check: impl FnOnce(&Field<'_>)) {
    let list: Value = list.into_iter().map(Value::Object).collect();
    check(&place.holding(&list));
}

/// Pods to avoid are named by their controller.
fn avoided_pods(entries: &Field<'_>, causes: &mut Causes) {
    for entry in entries.items() {
        let controller = entry.untyped_member("podSignature").untyped_member("podController");
        let place = entry.untyped_member("PodSignature");
        if !controller.is_set() {
            causes.required(&place);
        } else if !controller.member(OwnerReference::CONTROLLER).flag() {
            let place = place.untyped_member("PodController").untyped_member("Controller");
            causes.invalid(
                &controller.member(OwnerReference::CONTROLLER).reported_at(&place),
                "must point to a controller",
            );
        }
    }
}

/// Amounts are reported as members, without brackets.
fn capacities(object: Root<'_>, causes: &mut Causes) {
    for list in [NodeStatus::CAPACITY, NodeStatus::ALLOCATABLE] {
        let list = object.member(Node::STATUS).member(list);
        for (name, field) in list.entries() {
            resources::resource_amount(name, &field.reported_at(&list.untyped_member(name)), causes);
        }
    }
}

/// Names of features, in their order and each once.
fn declared_features(features: &Field<'_>, causes: &mut Causes) {
    let mut before: Option<&str> = None;
    for feature in features.items() {
        match before {
            Some(before) if before == feature.text() => causes.duplicate(&feature),
            Some(before) if before > feature.text() => causes.invalid(&feature, "list must be sorted alphabetically"),
            _ => {}
        }
        if !is_feature(feature.text()) {
            causes.invalid(&feature, "must be UpperCamelCase segments separated by '/'");
        }
        before = Some(feature.text());
    }
}

/// Segments of letters and digits between slashes, the first one capitalised.
fn is_feature(name: &str) -> bool {
    let is_segment = |segment: &str| {
        segment.starts_with(|c: char| c.is_ascii_alphabetic()) && segment.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let is_capital = name.starts_with(|c: char| c.is_ascii_uppercase());
    name.len() <= FEATURE_MAX_BYTES && is_capital && name.split('/').all(is_segment)
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    let (new, old) = (update.new.member(Node::SPEC), update.old.member(Node::SPEC));
    if update.subresource.is_none() {
        update.as_created(create, causes);
    }
    annotations(update.new, causes);
    capacities(update.new, causes);
    declared_features(&update.new.member(Node::STATUS).member(NodeStatus::DECLARED_FEATURES), causes);
    let mut seen: Vec<[&str; 2]> = Vec::new();
    for address in update.new.member(Node::STATUS).member(NodeStatus::ADDRESSES).items() {
        let one = [NodeAddress::TYPE, NodeAddress::ADDRESS].map(|member| address.member(member).text());
        if seen.contains(&one) {
            causes.duplicate(&address);
        }
        seen.push(one);
    }
    ranges_once(&new.member(NodeSpec::POD_CIDRS), &old.member(NodeSpec::POD_CIDRS), causes);
    let (id, was) = (new.member(NodeSpec::PROVIDER_ID), old.member(NodeSpec::PROVIDER_ID));
    if !was.is_empty() && id.text() != was.text() {
        causes.forbidden(&id, "node updates may not change providerID except from \"\" to valid");
    }
    taints(&spec_taints(update.new), causes);
    if new.member(NodeSpec::EXTERNAL_ID).text() != old.member(NodeSpec::EXTERNAL_ID).text() {
        causes.forbidden(&new.member(NodeSpec::EXTERNAL_ID), "may not be updated");
    }
}

/// Ranges may be set, and not changed once set: each that differs is reported.
fn ranges_once(new: &Field<'_>, old: &Field<'_>, causes: &mut Causes) {
    let differ = match old.len() {
        0 => 0,
        len if len != new.len() => 1,
        _ => new.items().zip(old.items()).filter(|(new, old)| new.text() != old.text()).count(),
    };
    for _ in 0..differ {
        causes.forbidden(new, "node updates may not change podCIDR except from \"\" to valid");
    }
}
