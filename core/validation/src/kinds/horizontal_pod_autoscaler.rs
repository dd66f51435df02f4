//! HorizontalPodAutoscaler, in its `autoscaling/v2` form; the older form has only the target and the bounds.

use gantry_kinds::{
    FieldName,
    fields::{
        autoscaling_v1::HorizontalPodAutoscalerSpec,
        autoscaling_v2::{
            ContainerResourceMetricSource, CrossVersionObjectReference, HPAScalingPolicy, HPAScalingRules,
            HorizontalPodAutoscaler, HorizontalPodAutoscalerBehavior, HorizontalPodAutoscalerSpec as Spec,
            HorizontalPodAutoscalerStatus as Status, MetricIdentifier, MetricSpec, MetricTarget, ObjectMetricSource,
            PodsMetricSource, ResourceMetricSource,
        },
    },
};

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
const SOURCES: [(FieldName, &str, Check); 5] = [
    (MetricSpec::OBJECT, "Object", object_source),
    (MetricSpec::EXTERNAL, "External", external_source),
    (MetricSpec::PODS, "Pods", pods_source),
    (MetricSpec::RESOURCE, "Resource", resource_source),
    (MetricSpec::CONTAINER_RESOURCE, "ContainerResource", container_resource_source),
];
const TYPES: [&str; 5] = ["ContainerResource", "External", "Object", "Pods", "Resource"];

pub fn create(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member(HorizontalPodAutoscaler::SPEC);
    bounds(&spec, causes);
    scale_target(&spec.member(Spec::SCALE_TARGET_REF), causes);
    cpu_target(&spec, causes);
    let metrics = spec.member(Spec::METRICS);
    metrics.items().for_each(|one| metric(&one, causes));
    scale_to_zero(&spec, causes);
    for direction in [HorizontalPodAutoscalerBehavior::SCALE_UP, HorizontalPodAutoscalerBehavior::SCALE_DOWN] {
        rules(&spec.member(Spec::BEHAVIOR).member(direction), causes);
    }
}

/// The one metric of the older form, which the reference reports as that of the newer one.
fn cpu_target(spec: &Field<'_>, causes: &mut Causes) {
    let percentage = spec.member(HorizontalPodAutoscalerSpec::TARGET_CPU_UTILIZATION_PERCENTAGE);
    if percentage.int().is_some_and(|number| number < 1) {
        let target =
            spec.member(Spec::METRICS).element(0).member(MetricSpec::RESOURCE).member(PodsMetricSource::TARGET);
        causes.invalid(
            &percentage.reported_at(&target.member(MetricTarget::AVERAGE_UTILIZATION)),
            "must be greater than 0",
        );
    }
}

fn bounds(spec: &Field<'_>, causes: &mut Causes) {
    let (least, most) = (spec.member(Spec::MIN_REPLICAS), spec.member(Spec::MAX_REPLICAS));
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
    let metrics = spec.member(Spec::METRICS);
    let from_elsewhere =
        metrics.items().any(|one| matches!(one.member(MetricSpec::TYPE).text(), "Object" | "External"));
    if spec.member(Spec::MIN_REPLICAS).int() == Some(0) && !from_elsewhere {
        causes.forbidden(
            &metrics,
            "must specify at least one Object or External metric to support scaling to zero replicas",
        );
    }
}

/// Kind and name of an object, without a look at its version.
fn object_reference(reference: &Field<'_>, causes: &mut Causes) {
    for member in [CrossVersionObjectReference::KIND, CrossVersionObjectReference::NAME] {
        let field = reference.member(member);
        if causes.require(&field) {
            causes.invalid_each(&field, names::path_segment(field.text()));
        }
    }
}

/// What is scaled has a version of the form `GROUP/VERSION`; replication controllers have no group.
fn scale_target(reference: &Field<'_>, causes: &mut Causes) {
    object_reference(reference, causes);
    let version = reference.member(CrossVersionObjectReference::API_VERSION);
    let is_in_group = match version.text().split('/').collect::<Vec<_>>()[..] {
        [_] => reference.member(CrossVersionObjectReference::KIND).text() == "ReplicationController",
        [group, _] => !group.is_empty(),
        _ => false,
    };
    if !is_in_group {
        causes.invalid(&version, "apiVersion must specify API group");
    }
}

fn metric(metric: &Field<'_>, causes: &mut Causes) {
    let kind = metric.member(MetricSpec::TYPE);
    causes.require(&kind);
    causes.one_of(&kind, &TYPES);
    let mut present: Vec<FieldName> = Vec::new();
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
    let name = source.member(PodsMetricSource::METRIC).member(MetricIdentifier::NAME);
    if causes.require(&name) {
        causes.invalid_each(&name, names::path_segment(name.text()));
    }
}

fn target<'a>(source: &Field<'a>, causes: &mut Causes) -> Field<'a> {
    let target = source.member(PodsMetricSource::TARGET);
    let kind = target.member(MetricTarget::TYPE);
    causes.require(&kind);
    if !matches!(kind.text(), "Utilization" | "Value" | "AverageValue") {
        causes.invalid(&kind, "must be either Utilization, Value, or AverageValue");
    }
    for member in [MetricTarget::VALUE, MetricTarget::AVERAGE_VALUE] {
        if amount(&target.member(member)).is_some_and(|amount| amount.signum() != 1) {
            causes.invalid(&target.member(member), "must be positive");
        }
    }
    if target.member(MetricTarget::AVERAGE_UTILIZATION).int().is_some_and(|n| n < 1) {
        causes.invalid(&target.member(MetricTarget::AVERAGE_UTILIZATION), "must be greater than 0");
    }
    target
}

fn object_source(source: &Field<'_>, causes: &mut Causes) {
    let described = source.member(ObjectMetricSource::DESCRIBED_OBJECT);
    object_reference(&described, causes);
    let version = described.member(CrossVersionObjectReference::API_VERSION);
    if version.text().matches('/').count() > 1 {
        causes.invalid(&version, "unexpected group and version");
    }
    identifier(source, causes);
    value_or_average(source, causes);
}

fn external_source(source: &Field<'_>, causes: &mut Causes) {
    identifier(source, causes);
    let target = value_or_average(source, causes);
    if target.member(MetricTarget::VALUE).is_set() && target.member(MetricTarget::AVERAGE_VALUE).is_set() {
        causes.forbidden(
            &target.member(MetricTarget::VALUE),
            "may not set both a target raw value and a target per-pod value",
        );
    }
}

fn value_or_average<'a>(source: &Field<'a>, causes: &mut Causes) -> Field<'a> {
    let target = target(source, causes);
    if !target.member(MetricTarget::VALUE).is_set() && !target.member(MetricTarget::AVERAGE_VALUE).is_set() {
        causes.required(&target.member(MetricTarget::AVERAGE_VALUE));
    }
    target
}

fn pods_source(source: &Field<'_>, causes: &mut Causes) {
    identifier(source, causes);
    let target = target(source, causes);
    if !target.member(MetricTarget::AVERAGE_VALUE).is_set() {
        causes.required(&target.member(MetricTarget::AVERAGE_VALUE));
    }
}

fn resource_source(source: &Field<'_>, causes: &mut Causes) {
    causes.require(&source.member(ResourceMetricSource::NAME));
    let target = target(source, causes);
    match (
        target.member(MetricTarget::AVERAGE_UTILIZATION).is_set(),
        target.member(MetricTarget::AVERAGE_VALUE).is_set(),
    ) {
        (false, false) => causes.required(&target.member(MetricTarget::AVERAGE_UTILIZATION)),
        (true, true) => {
            causes.forbidden(
                &target.member(MetricTarget::AVERAGE_VALUE),
                "may not set both a target raw value and a target utilization",
            );
        }
        _ => {}
    }
}

fn container_resource_source(source: &Field<'_>, causes: &mut Causes) {
    let (name, container) =
        (source.member(ContainerResourceMetricSource::NAME), source.member(ContainerResourceMetricSource::CONTAINER));
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
    let (window, select, policies) = (
        rules.member(HPAScalingRules::STABILIZATION_WINDOW_SECONDS),
        rules.member(HPAScalingRules::SELECT_POLICY),
        rules.member(HPAScalingRules::POLICIES),
    );
    causes.non_negative(&window);
    let tolerance = rules.member(HPAScalingRules::TOLERANCE);
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
        causes.one_of(&policy.member(HPAScalingPolicy::TYPE), &["Percent", "Pods"]);
        causes.positive(&policy.member(HPAScalingPolicy::VALUE));
        let period = policy.member(HPAScalingPolicy::PERIOD_SECONDS);
        causes.positive(&period);
        if period.int().is_some_and(|seconds| seconds > PERIOD_MAX_SECONDS) {
            causes.invalid(&period, "must be less than or equal to 1800");
        }
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    if update.subresource == Some("status") {
        let status = update.new.member(HorizontalPodAutoscaler::STATUS);
        causes.non_negative(&status.member(Status::CURRENT_REPLICAS));
        causes.non_negative(&status.member(Status::DESIRED_REPLICAS));
    } else {
        create(update.new, causes);
    }
}
