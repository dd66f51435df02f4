//! autoscaling/v1 and v2 HorizontalPodAutoscaler: v1 knows one number, the CPU target; the rest rides in annotations.

use gantry_meta::{Object, ObjectView, Value};
use serde_json::json;

use super::Conversion;

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

pub(super) struct V1ToV2;

fn is_cpu_utilization(metric: &Value) -> bool {
    metric.pointer("/type") == Some(&json!("Resource"))
        && metric.pointer("/resource/name") == Some(&json!("cpu"))
        && metric.pointer("/resource/target/averageUtilization").is_some()
}

fn cpu_metric(percent: Value) -> Value {
    json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": percent}}})
}

/// Takes the JSON of an annotation out of the object.
fn take_annotation(object: &mut Object, name: &str) -> Option<Value> {
    let metadata = object.metadata_mut();
    let annotations = metadata.get_mut("annotations")?.as_object_mut()?;
    let text = annotations.remove(name)?;
    let empty = annotations.is_empty();
    if empty {
        metadata.remove("annotations");
    }
    serde_json::from_str(text.as_str()?).ok()
}

fn put_annotation(object: &mut Object, name: &str, value: &Value) {
    let annotations = object.metadata_mut().entry("annotations").or_insert_with(|| json!({}));
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.insert(name.into(), value.to_string().into());
    }
}

fn spec_mut(object: &mut Object) -> Option<&mut Object> {
    object.get_mut("spec")?.as_object_mut()
}

impl Conversion for V1ToV2 {
    fn to_stored(&self, mut object: Object) -> Object {
        let metrics = take_annotation(&mut object, METRICS);
        let behavior = take_annotation(&mut object, BEHAVIOR);
        if let Some(spec) = spec_mut(&mut object) {
            let mut all: Vec<Value> = metrics.and_then(|m| m.as_array().cloned()).unwrap_or_default();
            if let Some(percent) = spec.remove("targetCPUUtilizationPercentage").filter(|p| !p.is_null()) {
                all.insert(0, cpu_metric(percent));
            }
            if !all.is_empty() {
                spec.insert("metrics".into(), all.into());
            }
            if let Some(behavior) = behavior {
                spec.insert("behavior".into(), behavior);
            }
        }
        let current = object.get_mut("status").and_then(Value::as_object_mut);
        if let Some(status) = current
            && let Some(percent) = status.remove("currentCPUUtilizationPercentage")
        {
            let metric =
                json!({"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": percent}}});
            status.insert("currentMetrics".into(), json!([metric]));
        }
        object.insert("apiVersion".into(), "autoscaling/v2".into());
        object
    }

    fn to_served(&self, mut object: Object) -> Object {
        let (mut others, mut behavior) = (Vec::new(), None);
        if let Some(spec) = spec_mut(&mut object) {
            let metrics = spec.remove("metrics").and_then(|m| m.as_array().cloned()).unwrap_or_default();
            for metric in metrics {
                let percent = metric.pointer("/resource/target/averageUtilization").cloned();
                match percent.filter(|_| is_cpu_utilization(&metric)) {
                    Some(percent) => _ = spec.insert("targetCPUUtilizationPercentage".into(), percent),
                    None => others.push(metric),
                }
            }
            behavior = spec.remove("behavior");
        }
        if !others.is_empty() {
            put_annotation(&mut object, METRICS, &others.into());
        }
        if let Some(behavior) = behavior {
            put_annotation(&mut object, BEHAVIOR, &behavior);
        }
        if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
            let metrics = status.remove("currentMetrics");
            status.remove("conditions");
            if let Some(percent) = metrics.as_ref().and_then(|m| m.pointer("/0/resource/current/averageUtilization")) {
                status.insert("currentCPUUtilizationPercentage".into(), percent.clone());
            }
        }
        object.insert("apiVersion".into(), "autoscaling/v1".into());
        object
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_target_converts_there_and_back() {
        let served = json!({"kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v1", "metadata": {"name": "h"},
            "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 60}});
        let stored = V1ToV2.to_stored(served.as_object().unwrap().clone());
        assert_eq!(stored["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 60);
        assert_eq!(json!(V1ToV2.to_served(stored)), served);
    }
}
