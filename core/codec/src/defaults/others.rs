//! Conditional defaults of the smaller groups.

use super::{Rule, Surroundings, member, set_if_absent, text};
use gantry_meta::{Object, ObjectView, Value, time};
use serde_json::json;

pub(super) fn rule(package: &str, short_name: &str) -> Option<Rule> {
    match (package, short_name) {
        ("io.k8s.api.autoscaling.v1", "HorizontalPodAutoscaler") => Some(autoscaler_v1),
        ("io.k8s.api.autoscaling.v2", "HorizontalPodAutoscalerSpec") => Some(autoscaler_v2),
        ("io.k8s.api.autoscaling.v2", "HorizontalPodAutoscalerBehavior") => Some(behavior),
        ("io.k8s.api.rbac.v1", "Subject") => Some(subject),
        ("io.k8s.api.resource.v1", "DeviceSubRequest" | "ExactDeviceRequest") => Some(device_request),
        ("io.k8s.api.resource.v1", "DeviceTaint") => {
            Some(|taint, at| set_if_absent(taint, "timeAdded", time::format_time(at.now)))
        }
        ("io.k8s.api.storage.v1", "CSIDriverSpec") => {
            Some(|spec, _| set_if_absent(spec, "volumeLifecycleModes", json!(["Persistent"])))
        }
        ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1", "CustomResourceDefinitionSpec") => {
            Some(definition_spec)
        }
        _ => None,
    }
}

/// The older version has a CPU target only; metrics of the newer one travel in an annotation.
fn autoscaler_v1(autoscaler: &mut Object, _: &Surroundings) {
    let annotations = autoscaler.annotations();
    let stated =
        annotations.and_then(|annotations| annotations.get("autoscaling.alpha.kubernetes.io/metrics")?.as_str());
    let metrics = stated.and_then(|text| serde_json::from_str::<Vec<Value>>(text).ok());
    if metrics.is_some_and(|metrics| !metrics.is_empty()) {
        return;
    }
    if let Some(spec) = member(autoscaler, "spec") {
        set_if_absent(spec, "targetCPUUtilizationPercentage", 80);
    }
}

fn autoscaler_v2(spec: &mut Object, _: &Surroundings) {
    let target = json!({"type": "Utilization", "averageUtilization": 80});
    set_if_absent(spec, "metrics", json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]));
}

fn behavior(behavior: &mut Object, _: &Surroundings) {
    let policy = |kind: &str, value: i32| json!({"type": kind, "value": value, "periodSeconds": 15});
    if let Some(up) = member(behavior, "scaleUp") {
        set_if_absent(up, "stabilizationWindowSeconds", 0);
        set_if_absent(up, "selectPolicy", "Max");
        set_if_absent(up, "policies", json!([policy("Pods", 4), policy("Percent", 100)]));
    }
    if let Some(down) = member(behavior, "scaleDown") {
        set_if_absent(down, "selectPolicy", "Max");
        set_if_absent(down, "policies", json!([policy("Percent", 100)]));
    }
}

/// Users and groups belong to the authorisation group, accounts to the core group.
fn subject(subject: &mut Object, _: &Surroundings) {
    if matches!(text(subject, "kind"), "User" | "Group") && text(subject, "apiGroup").is_empty() {
        subject.insert("apiGroup".to_owned(), "rbac.authorization.k8s.io".into());
    }
}

fn device_request(request: &mut Object, _: &Surroundings) {
    if text(request, "allocationMode") == "ExactCount" {
        set_if_absent(request, "count", 1);
    }
}

fn definition_spec(spec: &mut Object, _: &Surroundings) {
    if let Some(names) = member(spec, "names") {
        let kind = text(names, "kind").to_owned();
        if !kind.is_empty() {
            set_if_absent(names, "singular", kind.to_lowercase());
            set_if_absent(names, "listKind", format!("{kind}List"));
        }
    }
    set_if_absent(spec, "conversion", json!({"strategy": "None"}));
}
