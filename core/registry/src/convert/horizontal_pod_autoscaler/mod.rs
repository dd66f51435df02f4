//! autoscaling/v1 and v2 HorizontalPodAutoscaler: v1 knows one number, the CPU target; the rest rides in annotations.

mod behavior;
mod metrics;
mod text;

use gantry_kinds::{
    FieldChain, FieldName, Members as _,
    fields::{
        autoscaling_v1::{HorizontalPodAutoscalerSpec as OlderSpec, HorizontalPodAutoscalerStatus as OlderStatus},
        autoscaling_v2::{
            HorizontalPodAutoscaler as Autoscaler, HorizontalPodAutoscalerCondition as Condition,
            HorizontalPodAutoscalerSpec as Spec, HorizontalPodAutoscalerStatus as Status, MetricSpec, MetricStatus,
            MetricTarget, MetricValueStatus, ResourceMetricSource, ResourceMetricStatus,
        },
        meta_v1::ObjectMeta,
    },
    object, path,
};
use gantry_meta::{Object, ObjectView, Value};

use self::text::{Form, Text};
use super::Conversion;

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
/// Annotations that are part of `spec`.
pub(crate) const OF_SPEC: [&str; 2] = [METRICS, BEHAVIOR];
/// Annotations that are part of `status`.
pub(crate) const OF_STATUS: [&str; 2] = [CURRENT_METRICS, CONDITIONS];
/// Written by versions that had no better place, and kept by none.
pub(crate) const TOLERANCES: [&str; 2] =
    ["autoscaling.alpha.kubernetes.io/scale-down-tolerance", "autoscaling.alpha.kubernetes.io/scale-up-tolerance"];
const CONDITION: [FieldName; 5] =
    [Condition::TYPE, Condition::STATUS, Condition::LAST_TRANSITION_TIME, Condition::REASON, Condition::MESSAGE];
const CPU_TARGET: FieldChain =
    path![MetricSpec::RESOURCE, ResourceMetricSource::TARGET, MetricTarget::AVERAGE_UTILIZATION];
const CPU_CURRENT: FieldChain =
    path![MetricStatus::RESOURCE, ResourceMetricStatus::CURRENT, MetricValueStatus::AVERAGE_UTILIZATION];

pub(super) struct V1ToV2;

/// Of a specification or a status.
fn is_cpu(metric: &Object) -> bool {
    let name = metric.text_at(path![MetricSpec::RESOURCE, ResourceMetricSource::NAME]);
    metric.text(MetricSpec::TYPE) == "Resource" && name == "cpu"
}

/// What the CPU target or the CPU's use is in percent, if a metric is that.
fn cpu_percent(metric: &Value, percent: FieldChain) -> Option<&Value> {
    metric.as_object().filter(|metric| is_cpu(metric))?.at(percent)
}

fn cpu_metric(percent: Value) -> Value {
    let target = object! { MetricTarget::TYPE => "Utilization", MetricTarget::AVERAGE_UTILIZATION => percent };
    let resource = object! { ResourceMetricSource::NAME => "cpu", ResourceMetricSource::TARGET => target };
    object! { MetricSpec::TYPE => "Resource", MetricSpec::RESOURCE => resource }.into()
}

fn cpu_status(percent: Value) -> Value {
    let current = object! { MetricValueStatus::AVERAGE_UTILIZATION => percent };
    let resource = object! { ResourceMetricStatus::NAME => "cpu", ResourceMetricStatus::CURRENT => current };
    object! { MetricStatus::TYPE => "Resource", MetricStatus::RESOURCE => resource }.into()
}

/// Takes the JSON of an annotation out of the object.
fn take_annotation(object: &mut Object, name: &str) -> Option<Value> {
    let metadata = object.metadata_mut();
    let annotations = metadata.object_mut(ObjectMeta::ANNOTATIONS)?;
    let text = annotations.remove(name)?;
    let empty = annotations.is_empty();
    if empty {
        metadata.unset(ObjectMeta::ANNOTATIONS);
    }
    serde_json::from_str(text.as_str()?).ok()
}

fn take_list(object: &mut Object, name: &str) -> Option<Vec<Value>> {
    take_annotation(object, name)?.as_array().cloned()
}

fn put_annotation(object: &mut Object, name: &str, text: String) {
    if let Some(annotations) = object.metadata_mut().made(ObjectMeta::ANNOTATIONS) {
        annotations.insert(name.into(), text.into());
    }
}

/// A list member taken out; none if it is empty.
fn take_items(part: &mut Object, name: FieldName) -> Option<Vec<Value>> {
    part.unset(name)?.as_array().filter(|items| !items.is_empty()).cloned()
}

fn spec_to_stored(object: &mut Object) {
    let (others, behavior) = (take_list(object, METRICS), take_annotation(object, BEHAVIOR));
    let Some(spec) = object.object_mut(Autoscaler::SPEC) else { return };
    let mut metrics: Vec<Value> = others.unwrap_or_default().iter().map(metrics::newer_spec).collect();
    if let Some(percent) = spec.unset(OlderSpec::TARGET_CPU_UTILIZATION_PERCENTAGE).filter(|percent| !percent.is_null())
    {
        metrics.push(cpu_metric(percent));
    }
    if metrics.is_empty() {
        metrics.push(cpu_metric(OlderSpec::TARGET_CPU_UTILIZATION_PERCENTAGE_DEFAULT.into()));
    }
    spec.set(Spec::METRICS, metrics);
    if let Some(behavior) = behavior.as_ref().and_then(behavior::read) {
        spec.set(Spec::BEHAVIOR, behavior);
    }
}

/// What the annotations say of the status is more than the one number does, and takes its place.
fn status_to_stored(object: &mut Object) {
    let (metrics, conditions) = (take_list(object, CURRENT_METRICS), take_list(object, CONDITIONS));
    if metrics.is_none() && conditions.is_none() && !object.contains_key(Autoscaler::STATUS.as_str()) {
        return;
    }
    let Some(status) = object.made(Autoscaler::STATUS) else { return };
    let percent = status.unset(OlderStatus::CURRENT_CPU_UTILIZATION_PERCENTAGE).filter(|percent| !percent.is_null());
    let percent = percent.map(|percent| vec![cpu_status(percent)]);
    let metrics = metrics.map(|metrics| metrics.iter().map(metrics::newer_status).collect::<Vec<_>>()).or(percent);
    if let Some(metrics) = metrics {
        status.set(Status::CURRENT_METRICS, metrics);
    }
    if let Some(conditions) = conditions {
        status.set(Status::CONDITIONS, conditions);
    }
}

fn spec_to_served(object: &mut Object) {
    let Some(spec) = object.object_mut(Autoscaler::SPEC) else { return };
    let (metrics, behavior) = (take_items(spec, Spec::METRICS).unwrap_or_default(), spec.unset(Spec::BEHAVIOR));
    let target = |metric| cpu_percent(metric, CPU_TARGET);
    if let Some(percent) = metrics.iter().find_map(target) {
        spec.set(OlderSpec::TARGET_CPU_UTILIZATION_PERCENTAGE, percent.clone());
    }
    let others: Vec<String> =
        metrics.iter().filter(|metric| target(metric).is_none()).map(metrics::older_spec).collect();
    if !others.is_empty() {
        put_annotation(object, METRICS, text::list(others));
    }
    if let Some(behavior) = behavior.filter(|behavior| !behavior.is_null()) {
        put_annotation(object, BEHAVIOR, behavior::written(&behavior));
    }
}

fn status_to_served(object: &mut Object) {
    let Some(status) = object.object_mut(Autoscaler::STATUS) else { return };
    let (metrics, conditions) = (take_items(status, Status::CURRENT_METRICS), take_items(status, Status::CONDITIONS));
    let mut current = metrics.iter().flatten().rev();
    if let Some(percent) = current.find_map(|metric| cpu_percent(metric, CPU_CURRENT)) {
        status.set(OlderStatus::CURRENT_CPU_UTILIZATION_PERCENTAGE, percent.clone());
    }
    if let Some(metrics) = metrics {
        put_annotation(object, CURRENT_METRICS, text::list(metrics.iter().map(metrics::older_status)));
    }
    if let Some(conditions) = conditions {
        put_annotation(object, CONDITIONS, text::list(conditions.iter().map(condition_text)));
    }
}

fn condition_text(condition: &Value) -> String {
    let mut text = Text::default();
    for member in CONDITION {
        match condition.get(member.as_str()) {
            Some(value) => text.member(member.as_str(), value, Form::Plain),
            None if member == Condition::LAST_TRANSITION_TIME => text.raw(member.as_str(), "null"),
            None => {}
        }
    }
    text.finish()
}

impl Conversion for V1ToV2 {
    fn to_stored(&self, mut object: Object) -> Object {
        spec_to_stored(&mut object);
        status_to_stored(&mut object);
        TOLERANCES.iter().for_each(|name| drop(take_annotation(&mut object, name)));
        object.set(Autoscaler::API_VERSION, "autoscaling/v2");
        object
    }

    fn to_served(&self, mut object: Object) -> Object {
        for name in OF_SPEC.into_iter().chain(OF_STATUS).chain(TOLERANCES) {
            drop(take_annotation(&mut object, name));
        }
        spec_to_served(&mut object);
        status_to_served(&mut object);
        object.set(Autoscaler::API_VERSION, "autoscaling/v1");
        object
    }

    fn settles_first(&self) -> bool {
        true
    }

    fn checks_stored(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn stored(spec: Value, status: Value) -> Object {
        json!({"kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v2", "metadata": {"name": "h"},
            "spec": spec, "status": status})
        .as_object()
        .cloned()
        .unwrap()
    }

    fn annotation(object: &Object, name: &str) -> String {
        object["metadata"]["annotations"][name].as_str().unwrap_or_default().to_owned()
    }

    #[test]
    fn the_cpu_target_converts_there_and_back() {
        let served = json!({"kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v1", "metadata": {"name": "h"},
            "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 60}});
        let stored = V1ToV2.to_stored(served.as_object().unwrap().clone());
        assert_eq!(stored["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 60);
        assert_eq!(json!(V1ToV2.to_served(stored)), served);
    }

    #[test]
    fn what_annotations_say_is_checked_as_the_newer_form() {
        let metric = json!([{"type": "Resource", "resource": {"name": "memory", "targetAverageUtilization": -5}}]);
        let served = json!({"kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v1",
            "metadata": {"name": "h", "namespace": "n", "annotations": {METRICS: metric.to_string()}},
            "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}}});
        let group = "autoscaling";
        let resource = gantry_validation::Resource { group, resource: "horizontalpodautoscalers", namespaced: true };
        let checked = V1ToV2.to_stored(served.as_object().unwrap().clone());
        let causes = gantry_validation::validate_create(resource, &checked);
        let fields: Vec<&str> = causes.iter().map(|cause| &*cause.field).collect();
        assert_eq!(fields, ["spec.metrics[0].resource.target.averageUtilization"]);
    }

    #[test]
    fn other_metrics_and_the_behavior_ride_in_annotations() {
        let metrics = json!([
            {"type": "Pods", "pods": {"metric": {"name": "m", "selector": {"matchExpressions": [], "matchLabels": {"a": "b"}}},
                "target": {"type": "AverageValue", "averageValue": "5"}}},
            {"type": "Object", "object": {"describedObject": {"apiVersion": "v1", "kind": "Service", "name": "s"},
                "metric": {"name": "n"}, "target": {"type": "Value", "value": "7"}}}]);
        let behavior = json!({"scaleUp": {"policies": [{"periodSeconds": 15, "type": "Pods", "value": 4}], "selectPolicy": "Max"}});
        let newer = stored(json!({"maxReplicas": 3, "metrics": metrics, "behavior": behavior}), json!({}));
        let older = V1ToV2.to_served(newer.clone());
        let pods = r#"{"type":"Pods","pods":{"metricName":"m","targetAverageValue":"5","selector":{"matchLabels":{"a":"b"},"matchExpressions":[]}}}"#;
        let object = r#"{"type":"Object","object":{"target":{"kind":"Service","name":"s","apiVersion":"v1"},"metricName":"n","targetValue":"7"}}"#;
        assert_eq!(annotation(&older, METRICS), format!("[{pods},{object}]"));
        let rules = r#"{"StabilizationWindowSeconds":null,"SelectPolicy":"Max","Policies":[{"Type":"Pods","Value":4,"PeriodSeconds":15}],"Tolerance":null}"#;
        assert_eq!(annotation(&older, BEHAVIOR), format!(r#"{{"ScaleUp":{rules},"ScaleDown":null}}"#));
        assert_eq!(V1ToV2.to_stored(older), newer);
    }

    #[test]
    fn all_that_is_measured_survives_the_one_number() {
        let current = json!([{"type": "Resource", "resource": {"name": "cpu",
            "current": {"averageUtilization": 20, "averageValue": "3m"}}}]);
        let conditions =
            json!([{"type": "AbleToScale", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
        let spec = json!({"maxReplicas": 1, "metrics": [cpu_metric(OlderSpec::TARGET_CPU_UTILIZATION_PERCENTAGE_DEFAULT.into())]});
        let newer = stored(spec, json!({"currentMetrics": current, "conditions": conditions}));
        let mut older = V1ToV2.to_served(newer.clone());
        assert_eq!(older["status"], json!({"currentCPUUtilizationPercentage": 20}));
        older.insert("status".into(), json!({"currentCPUUtilizationPercentage": 99}));
        assert_eq!(V1ToV2.to_stored(older), newer);
    }
}
