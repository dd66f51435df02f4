//! HorizontalPodAutoscaler, in its `autoscaling/v2` form; the older form has only the target and the bounds.

use crate::{
    field::{Causes, Field, Root},
    names,
    rules::resources::{amount, container_resource_name},
    table::Update,
};

const WINDOW_MAX_SECONDS: i64 = 3600;
const PERIOD_MAX_SECONDS: i64 = 1800;

type Check = fn(&Field<'_>, &mut Causes);

/// Member, type and check of each source of a metric, in the reference's order.
const SOURCES: [(&str, &str, Check); 5] = [
    ("object", "Object", object_source),
    ("external", "External", external_source),
    ("pods", "Pods", pods_source),
    ("resource", "Resource", resource_source),
    ("containerResource", "ContainerResource", container_resource_source),
];
const TYPES: [&str; 5] = ["ContainerResource", "External", "Object", "Pods", "Resource"];

pub fn create(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member("spec");
    bounds(&spec, causes);
    scale_target(&spec.member("scaleTargetRef"), causes);
    cpu_target(&spec, causes);
    let metrics = spec.member("metrics");
    metrics.items().for_each(|one| metric(&one, causes));
    scale_to_zero(&spec, causes);
    for direction in ["scaleUp", "scaleDown"] {
        rules(&spec.member("behavior").member(direction), causes);
    }
}

/// The one metric of the older form, which the reference reports as that of the newer one.
fn cpu_target(spec: &Field<'_>, causes: &mut Causes) {
    let percentage = spec.member("targetCPUUtilizationPercentage");
    if percentage.int().is_some_and(|number| number < 1) {
        let target = spec.member("metrics").element(0).member("resource").member("target");
        causes.invalid(&percentage.reported_at(&target.member("averageUtilization")), "must be greater than 0");
    }
}

fn bounds(spec: &Field<'_>, causes: &mut Causes) {
    let (least, most) = (spec.member("minReplicas"), spec.member("maxReplicas"));
    if least.int().is_some_and(|n| n < 1) {
        causes.invalid(&least, "must be greater than or equal to 1");
    }
    let number = most.int().unwrap_or_default();
    if number == 0 {
        causes.required(&most);
    } else if number < 0 {
        causes.invalid(&most, "must be greater than 0");
    }
    if least.int().is_some_and(|least| number < least) {
        causes.invalid(&most, "must be greater than or equal to `minReplicas`");
    }
}

/// Only metrics from elsewhere can wake what has no pods.
fn scale_to_zero(spec: &Field<'_>, causes: &mut Causes) {
    let metrics = spec.member("metrics");
    let from_elsewhere = metrics.items().any(|one| matches!(one.member("type").text(), "Object" | "External"));
    if spec.member("minReplicas").int() == Some(0) && !from_elsewhere {
        causes.forbidden(
            &metrics,
            "must specify at least one Object or External metric to support scaling to zero replicas",
        );
    }
}

/// Kind and name of an object, without a look at its version.
fn object_reference(reference: &Field<'_>, causes: &mut Causes) {
    for member in ["kind", "name"] {
        let field = reference.member(member);
        if causes.require(&field) {
            causes.invalid_each(&field, names::path_segment(field.text()));
        }
    }
}

/// What is scaled has a version of the form `GROUP/VERSION`; replication controllers have no group.
fn scale_target(reference: &Field<'_>, causes: &mut Causes) {
    object_reference(reference, causes);
    let version = reference.member("apiVersion");
    let is_in_group = match version.text().split('/').collect::<Vec<_>>()[..] {
        [_] => reference.member("kind").text() == "ReplicationController",
        [group, _] => !group.is_empty(),
        _ => false,
    };
    if !is_in_group {
        causes.invalid(&version, "apiVersion must specify API group");
    }
}

fn metric(metric: &Field<'_>, causes: &mut Causes) {
    let kind = metric.member("type");
    causes.require(&kind);
    causes.one_of(&kind, &TYPES);
    let mut present: Vec<&str> = Vec::new();
    for (member, _, check) in SOURCES {
        let source = metric.member(member);
        if source.is_set() {
            present.push(member);
            if present.len() == 1 {
                check(&source, causes);
            }
        }
    }
    let expected = SOURCES.iter().find(|(_, name, _)| *name == kind.text()).map(|(member, ..)| *member);
    match expected {
        Some(member) if !present.contains(&member) => causes.required(&metric.member(member)),
        Some(_) => {}
        None => causes.not_supported(&kind, &TYPES),
    }
    if present.len() > 1 {
        for member in present.into_iter().filter(|member| Some(*member) != expected) {
            causes.forbidden(&metric.member(member), "must populate the given metric source only");
        }
    }
}

fn identifier(source: &Field<'_>, causes: &mut Causes) {
    let name = source.member("metric").member("name");
    if causes.require(&name) {
        causes.invalid_each(&name, names::path_segment(name.text()));
    }
}

fn target<'a>(source: &Field<'a>, causes: &mut Causes) -> Field<'a> {
    let target = source.member("target");
    let kind = target.member("type");
    causes.require(&kind);
    if !matches!(kind.text(), "Utilization" | "Value" | "AverageValue") {
        causes.invalid(&kind, "must be either Utilization, Value, or AverageValue");
    }
    for member in ["value", "averageValue"] {
        if amount(&target.member(member)).is_some_and(|amount| amount.signum() != 1) {
            causes.invalid(&target.member(member), "must be positive");
        }
    }
    if target.member("averageUtilization").int().is_some_and(|n| n < 1) {
        causes.invalid(&target.member("averageUtilization"), "must be greater than 0");
    }
    target
}

fn object_source(source: &Field<'_>, causes: &mut Causes) {
    let described = source.member("describedObject");
    object_reference(&described, causes);
    let version = described.member("apiVersion");
    if version.text().matches('/').count() > 1 {
        causes.invalid(&version, "unexpected group and version");
    }
    identifier(source, causes);
    value_or_average(source, causes);
}

fn external_source(source: &Field<'_>, causes: &mut Causes) {
    identifier(source, causes);
    let target = value_or_average(source, causes);
    if target.member("value").is_set() && target.member("averageValue").is_set() {
        causes.forbidden(&target.member("value"), "may not set both a target raw value and a target per-pod value");
    }
}

fn value_or_average<'a>(source: &Field<'a>, causes: &mut Causes) -> Field<'a> {
    let target = target(source, causes);
    if !target.member("value").is_set() && !target.member("averageValue").is_set() {
        causes.required(&target.member("averageValue"));
    }
    target
}

fn pods_source(source: &Field<'_>, causes: &mut Causes) {
    identifier(source, causes);
    let target = target(source, causes);
    if !target.member("averageValue").is_set() {
        causes.required(&target.member("averageValue"));
    }
}

fn resource_source(source: &Field<'_>, causes: &mut Causes) {
    causes.require(&source.member("name"));
    let target = target(source, causes);
    match (target.member("averageUtilization").is_set(), target.member("averageValue").is_set()) {
        (false, false) => causes.required(&target.member("averageUtilization")),
        (true, true) => {
            causes.forbidden(
                &target.member("averageValue"),
                "may not set both a target raw value and a target utilization",
            );
        }
        _ => {}
    }
}

fn container_resource_source(source: &Field<'_>, causes: &mut Causes) {
    let (name, container) = (source.member("name"), source.member("container"));
    if !name.is_empty() {
        container_resource_name(name.text(), &name, causes);
    }
    if causes.require(&container) {
        causes.invalid_each(&container, names::dns_label(container.text()));
    }
    resource_source(source, causes);
}

fn rules(rules: &Field<'_>, causes: &mut Causes) {
    if !rules.is_set() {
        return;
    }
    let (window, select, policies) =
        (rules.member("stabilizationWindowSeconds"), rules.member("selectPolicy"), rules.member("policies"));
    causes.non_negative(&window);
    let tolerance = rules.member("tolerance");
    if amount(&tolerance).is_some_and(|amount| amount.signum() < 0) {
        causes.invalid(&tolerance, "must be greater than or equal to 0");
    }
    if window.int().is_some_and(|seconds| seconds > WINDOW_MAX_SECONDS) {
        causes.invalid(&window, "must be less than or equal to 3600");
    }
    if select.is_set() {
        causes.one_of(&select, &["Disabled", "Max", "Min"]);
    }
    causes.require(&policies);
    for policy in policies.items() {
        causes.one_of(&policy.member("type"), &["Percent", "Pods"]);
        causes.positive(&policy.member("value"));
        let period = policy.member("periodSeconds");
        causes.positive(&period);
        if period.int().is_some_and(|seconds| seconds > PERIOD_MAX_SECONDS) {
            causes.invalid(&period, "must be less than or equal to 1800");
        }
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    if update.subresource == Some("status") {
        let status = update.new.member("status");
        causes.non_negative(&status.member("currentReplicas"));
        causes.non_negative(&status.member("desiredReplicas"));
    } else {
        create(update.new, causes);
    }
}
