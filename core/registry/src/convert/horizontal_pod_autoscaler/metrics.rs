//! Metrics in the form of autoscaling/v1, which lives in annotations, and in that of autoscaling/v2.

use gantry_kinds::{
    FieldChain, FieldName, Members as _,
    fields::{
        autoscaling_v2::{
            ContainerResourceMetricSource, ContainerResourceMetricStatus, CrossVersionObjectReference,
            ExternalMetricSource, ExternalMetricStatus, MetricIdentifier, MetricSpec, MetricStatus, MetricTarget,
            MetricValueStatus, ObjectMetricSource, ObjectMetricStatus, PodsMetricSource, PodsMetricStatus,
            ResourceMetricSource, ResourceMetricStatus,
        },
        meta_v1::LabelSelector,
    },
    path,
};
use gantry_meta::{Object, Value};
use serde_json::json;

use super::text::{Form, Text};

const REFERENCE: Form = Form::Ordered(&[
    CrossVersionObjectReference::KIND,
    CrossVersionObjectReference::NAME,
    CrossVersionObjectReference::API_VERSION,
]);
const SELECTOR: Form = Form::Ordered(&[LabelSelector::MATCH_LABELS, LabelSelector::MATCH_EXPRESSIONS]);

/// A member of the older form, whose types no table has, in their order; and where the newer one has it.
struct Member {
    older: &'static str,
    newer: FieldChain,
    form: Form,
    /// An amount that is written as `"0"` where it is absent.
    always: bool,
}

const fn plain(older: &'static str, newer: FieldChain) -> Member {
    Member { older, newer, form: Form::Plain, always: false }
}

const fn amount(older: &'static str, newer: FieldChain) -> Member {
    Member { older, newer, form: Form::Plain, always: true }
}

const fn of_form(older: &'static str, newer: FieldChain, form: Form) -> Member {
    Member { older, newer, form, always: false }
}

/// A metric or what is measured of it: the member of both forms that holds it, with its own members.
type Source = (FieldName, &'static [Member]);

static SPECS: [Source; 5] = [
    (
        MetricSpec::OBJECT,
        &[
            of_form("target", path![ObjectMetricSource::DESCRIBED_OBJECT], REFERENCE),
            plain("metricName", path![ObjectMetricSource::METRIC, MetricIdentifier::NAME]),
            amount("targetValue", path![ObjectMetricSource::TARGET, MetricTarget::VALUE]),
            of_form("selector", path![ObjectMetricSource::METRIC, MetricIdentifier::SELECTOR], SELECTOR),
            plain("averageValue", path![ObjectMetricSource::TARGET, MetricTarget::AVERAGE_VALUE]),
        ],
    ),
    (
        MetricSpec::PODS,
        &[
            plain("metricName", path![PodsMetricSource::METRIC, MetricIdentifier::NAME]),
            amount("targetAverageValue", path![PodsMetricSource::TARGET, MetricTarget::AVERAGE_VALUE]),
            of_form("selector", path![PodsMetricSource::METRIC, MetricIdentifier::SELECTOR], SELECTOR),
        ],
    ),
    (
        MetricSpec::RESOURCE,
        &[
            plain("name", path![ResourceMetricSource::NAME]),
            plain("targetAverageUtilization", path![ResourceMetricSource::TARGET, MetricTarget::AVERAGE_UTILIZATION]),
            plain("targetAverageValue", path![ResourceMetricSource::TARGET, MetricTarget::AVERAGE_VALUE]),
        ],
    ),
    (
        MetricSpec::CONTAINER_RESOURCE,
        &[
            plain("name", path![ContainerResourceMetricSource::NAME]),
            plain(
                "targetAverageUtilization",
                path![ContainerResourceMetricSource::TARGET, MetricTarget::AVERAGE_UTILIZATION],
            ),
            plain("targetAverageValue", path![ContainerResourceMetricSource::TARGET, MetricTarget::AVERAGE_VALUE]),
            plain("container", path![ContainerResourceMetricSource::CONTAINER]),
        ],
    ),
    (
        MetricSpec::EXTERNAL,
        &[
            plain("metricName", path![ExternalMetricSource::METRIC, MetricIdentifier::NAME]),
            of_form("metricSelector", path![ExternalMetricSource::METRIC, MetricIdentifier::SELECTOR], SELECTOR),
            plain("targetValue", path![ExternalMetricSource::TARGET, MetricTarget::VALUE]),
            plain("targetAverageValue", path![ExternalMetricSource::TARGET, MetricTarget::AVERAGE_VALUE]),
        ],
    ),
];

static STATUSES: [Source; 5] = [
    (
        MetricStatus::OBJECT,
        &[
            of_form("target", path![ObjectMetricStatus::DESCRIBED_OBJECT], REFERENCE),
            plain("metricName", path![ObjectMetricStatus::METRIC, MetricIdentifier::NAME]),
            amount("currentValue", path![ObjectMetricStatus::CURRENT, MetricValueStatus::VALUE]),
            of_form("selector", path![ObjectMetricStatus::METRIC, MetricIdentifier::SELECTOR], SELECTOR),
            plain("averageValue", path![ObjectMetricStatus::CURRENT, MetricValueStatus::AVERAGE_VALUE]),
        ],
    ),
    (
        MetricStatus::PODS,
        &[
            plain("metricName", path![PodsMetricStatus::METRIC, MetricIdentifier::NAME]),
            amount("currentAverageValue", path![PodsMetricStatus::CURRENT, MetricValueStatus::AVERAGE_VALUE]),
            of_form("selector", path![PodsMetricStatus::METRIC, MetricIdentifier::SELECTOR], SELECTOR),
        ],
    ),
    (
        MetricStatus::RESOURCE,
        &[
            plain("name", path![ResourceMetricStatus::NAME]),
            plain(
                "currentAverageUtilization",
                path![ResourceMetricStatus::CURRENT, MetricValueStatus::AVERAGE_UTILIZATION],
            ),
            amount("currentAverageValue", path![ResourceMetricStatus::CURRENT, MetricValueStatus::AVERAGE_VALUE]),
        ],
    ),
    (
        MetricStatus::CONTAINER_RESOURCE,
        &[
            plain("name", path![ContainerResourceMetricStatus::NAME]),
            plain(
                "currentAverageUtilization",
                path![ContainerResourceMetricStatus::CURRENT, MetricValueStatus::AVERAGE_UTILIZATION],
            ),
            amount(
                "currentAverageValue",
                path![ContainerResourceMetricStatus::CURRENT, MetricValueStatus::AVERAGE_VALUE],
            ),
            plain("container", path![ContainerResourceMetricStatus::CONTAINER]),
        ],
    ),
    (
        MetricStatus::EXTERNAL,
        &[
            plain("metricName", path![ExternalMetricStatus::METRIC, MetricIdentifier::NAME]),
            of_form("metricSelector", path![ExternalMetricStatus::METRIC, MetricIdentifier::SELECTOR], SELECTOR),
            amount("currentValue", path![ExternalMetricStatus::CURRENT, MetricValueStatus::VALUE]),
            plain("currentAverageValue", path![ExternalMetricStatus::CURRENT, MetricValueStatus::AVERAGE_VALUE]),
        ],
    ),
];

/// `spec.metrics[i]` as text of the older form.
pub(super) fn older_spec(metric: &Value) -> String {
    older(metric, &SPECS)
}

/// `status.currentMetrics[i]` as text of the older form.
pub(super) fn older_status(metric: &Value) -> String {
    older(metric, &STATUSES)
}

fn older(metric: &Value, sources: &[Source]) -> String {
    let (mut text, nothing) = (Text::default(), Object::new());
    let metric = metric.as_object().unwrap_or(&nothing);
    text.member(TYPE, metric.member(MetricSpec::TYPE).unwrap_or(&json!("")), Form::Plain);
    for (member, members) in sources {
        if let Some(source) = metric.object(*member) {
            text.raw(member.as_str(), &older_source(source, members));
        }
    }
    text.finish()
}

/// Of metrics in both forms.
const TYPE: &str = MetricSpec::TYPE.as_str();

fn older_source(source: &Object, members: &[Member]) -> String {
    let (mut text, none) = (Text::default(), json!("0"));
    for member in members {
        if let Some(value) = source.at(member.newer).or(member.always.then_some(&none)) {
            text.member(member.older, value, member.form);
        }
    }
    text.finish()
}

/// `spec.metrics[i]` of the older form in the newer one, which says what type its target is of.
pub(super) fn newer_spec(metric: &Value) -> Value {
    let mut newer = newer(metric, &SPECS);
    for (member, _) in &SPECS {
        let source = newer.object_mut(*member);
        let Some(target) = source.and_then(|source| source.object_mut(ObjectMetricSource::TARGET)) else { continue };
        let kind = target_type(*member, target);
        target.set(MetricTarget::TYPE, kind);
        if *member == MetricSpec::OBJECT && kind == "AverageValue" && target.text(MetricTarget::VALUE) == "0" {
            target.unset(MetricTarget::VALUE);
        }
    }
    newer.into()
}

fn target_type(member: FieldName, target: &Object) -> &'static str {
    match member {
        MetricSpec::OBJECT if !target.has(MetricTarget::AVERAGE_VALUE) => "Value",
        MetricSpec::EXTERNAL if target.has(MetricTarget::VALUE) => "Value",
        MetricSpec::RESOURCE | MetricSpec::CONTAINER_RESOURCE if target.has(MetricTarget::AVERAGE_UTILIZATION) => {
            "Utilization"
        }
        _ => "AverageValue",
    }
}

/// `status.currentMetrics[i]` of the older form in the newer one.
pub(super) fn newer_status(metric: &Value) -> Value {
    newer(metric, &STATUSES).into()
}

fn newer(metric: &Value, sources: &[Source]) -> Object {
    let mut newer = Object::new();
    newer.set(MetricSpec::TYPE, metric.get(TYPE).cloned().unwrap_or_default());
    for (member, members) in sources {
        let Some(source) = metric.get(member.as_str()).and_then(Value::as_object) else { continue };
        let mut made = Object::new();
        for of in *members {
            if let Some(value) = source.get(of.older).filter(|value| !value.is_null()) {
                put(&mut made, of.newer.fields(), value.clone());
            }
        }
        newer.set(*member, made);
    }
    newer
}

/// Sets what stands at the end of a way down, with the objects on it.
fn put(object: &mut Object, path: &[FieldName], value: Value) {
    match path {
        [] => {}
        [last] => object.set(*last, value),
        [first, rest @ ..] => {
            if let Some(below) = object.made(*first) {
                put(below, rest, value);
            }
        }
    }
}
