//! Pods: born Pending, deleted with a grace period, changed in few places.

mod app_armor;
mod label_keys;
mod observed;
mod qos;

use gantry_meta::{Cause, FieldPath, Object, ObjectView, Value};

use self::qos::qos_class;
use super::{Strategy, keep, keep_all_but, keep_in_metadata};

pub(super) struct Pods;

const DEFAULT_GRACE_SECONDS: i64 = 30;

fn spec(pod: &Object) -> Option<&Object> {
    pod.get("spec")?.as_object()
}

fn spec_text<'a>(pod: &'a Object, member: &str) -> &'a str {
    spec(pod).and_then(|spec| spec.get(member)).and_then(Value::as_str).unwrap_or_default()
}

fn phase(pod: &Object) -> &str {
    pod.get("status").and_then(|s| s.get("phase")).and_then(Value::as_str).unwrap_or_default()
}

/// Upstream's rules: what was asked for, else the pod's own; nothing to wait for where no node runs it.
fn grace_seconds(pod: &Object, asked: Option<i64>) -> i64 {
    let own = spec(pod).and_then(|spec| spec.get("terminationGracePeriodSeconds")).and_then(Value::as_i64);
    let unbound = spec_text(pod, "nodeName").is_empty();
    let finished = matches!(phase(pod), "Succeeded" | "Failed");
    match asked.or(own).unwrap_or(DEFAULT_GRACE_SECONDS) {
        _ if unbound || finished => 0,
        negative if negative < 0 => 1,
        seconds => seconds,
    }
}

impl Strategy for Pods {
    fn modernise(&self, pod: &mut Object) -> Vec<String> {
        app_armor::annotations_to_fields(pod)
    }

    fn prepare_create(&self, pod: &mut Object) {
        let mut status = Object::new();
        status.insert("phase".into(), "Pending".into());
        status.insert("qosClass".into(), qos_class(pod).into());
        if spec(pod)
            .and_then(|spec| spec.get("schedulingGates"))
            .and_then(Value::as_array)
            .is_some_and(|g| !g.is_empty())
        {
            let now = gantry_meta::time::format_time(jiff::Timestamp::now());
            let gated = serde_json::json!([{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
                "lastProbeTime": null, "lastTransitionTime": now}]);
            status.insert("conditions".into(), gated);
        }
        pod.insert("status".into(), Value::Object(status));
        label_keys::merge(pod);
    }

    fn prepare_update(&self, subresource: &str, new: &mut Object, old: &Object) {
        match subresource {
            "status" => {
                keep_in_metadata(&["ownerReferences", "deletionTimestamp"], new, old);
                keep_qos_class(new, old);
                observed::keep(new, old);
            }
            "ephemeralcontainers" => keep_all_but_ephemeral_containers(new, old),
            "resize" => keep_all_but_resources(new, old),
            _ => {}
        }
    }

    fn validate_update(&self, subresource: &str, new: &Object, old: &Object) -> Vec<Cause> {
        if subresource != "resize" || !is_resizable(old) || qos_class(new) == qos_class(old) {
            return Vec::new();
        }
        let spec = FieldPath::root().field("spec");
        vec![Cause::invalid(&spec, "Pod QOS Class may not change as a result of resizing")]
    }

    fn grace_seconds(&self, pod: &Object, asked: Option<i64>) -> Option<i64> {
        Some(grace_seconds(pod, asked))
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

/// The class follows from the spec, which does not change: who leaves it out means what it is.
fn keep_qos_class(new: &mut Object, old: &Object) {
    let class = old.get("status").and_then(|status| status.get("qosClass")).cloned();
    let status = new.entry("status").or_insert_with(|| Value::Object(Object::new())).as_object_mut();
    if let (Some(class), Some(status)) = (class, status)
        && status.get("qosClass").and_then(Value::as_str).unwrap_or_default().is_empty()
    {
        status.insert("qosClass".into(), class);
    }
}

/// Pods that are refused for what they are, whatever is asked for.
fn is_resizable(pod: &Object) -> bool {
    let is_windows = spec(pod).and_then(|spec| spec.get("os")?.get("name")).is_some_and(|name| name == "windows");
    let annotations = pod.metadata().and_then(|metadata| metadata.get("annotations")?.as_object());
    !is_windows && annotations.is_none_or(|annotations| !annotations.contains_key("kubernetes.io/config.mirror"))
}

/// Only the list of ephemeral containers is taken from the request, and an empty one too.
fn keep_all_but_ephemeral_containers(new: &mut Object, old: &Object) {
    let wanted = spec(new).cloned().unwrap_or_default();
    keep_all_but(&["metadata"], new, old);
    keep_metadata(new, old);
    if let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut) {
        keep("ephemeralContainers", spec, &wanted);
    }
}

/// Only resources, of containers and of the pod, and resize policies are taken from the request. One that adds, removes,
/// renames or reorders containers is left as it is, for validation to refuse.
fn keep_all_but_resources(new: &mut Object, old: &Object) {
    let wanted = spec(new).cloned().unwrap_or_default();
    let list = |pod: &Object, list: &str| spec(pod).and_then(|spec| spec.get(list)?.as_array()).map_or(0, Vec::len);
    if LISTS.iter().any(|name| list(new, name) != list(old, name)) {
        return;
    }
    keep_all_but(&["metadata"], new, old);
    keep_metadata(new, old);
    let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut) else { return };
    keep("resources", spec, &wanted);
    for list in LISTS {
        resized(spec.get_mut(list), wanted.get(list));
    }
}

const LISTS: [&str; 2] = ["containers", "initContainers"];

/// The containers with the resources that are wanted for them, or as they are wanted if they are not the same ones.
fn resized(containers: Option<&mut Value>, wanted: Option<&Value>) {
    let (Some(Value::Array(containers)), Some(Value::Array(wanted))) = (containers, wanted) else { return };
    if containers.iter().zip(wanted).any(|(container, wanted)| container.get("name") != wanted.get("name")) {
        return containers.clone_from(wanted);
    }
    for (container, wanted) in containers.iter_mut().zip(wanted) {
        if let (Some(container), Some(wanted)) = (container.as_object_mut(), wanted.as_object()) {
            keep("resources", container, wanted);
            keep("resizePolicy", container, wanted);
        }
    }
}

/// What a subresource that changes the spec leaves of metadata: its managers and the version it was read at.
fn keep_metadata(new: &mut Object, old: &Object) {
    let wanted = std::mem::take(new.metadata_mut());
    let mut metadata = old.metadata().cloned().unwrap_or_default();
    for member in ["resourceVersion", "uid", "managedFields"] {
        if let Some(value) = wanted.get(member) {
            metadata.insert(member.into(), value.clone());
        }
    }
    *new.metadata_mut() = metadata;
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn grace(pod: Value, asked: Option<i64>) -> i64 {
        grace_seconds(pod.as_object().unwrap(), asked)
    }

    #[test]
    fn a_running_pod_gets_its_grace_and_others_none() {
        let bound =
            json!({"spec": {"nodeName": "n", "terminationGracePeriodSeconds": 7}, "status": {"phase": "Running"}});
        assert_eq!(grace(bound.clone(), None), 7);
        assert_eq!(grace(bound.clone(), Some(60)), 60);
        assert_eq!(grace(bound, Some(-1)), 1);
        assert_eq!(grace(json!({"spec": {"terminationGracePeriodSeconds": 7}}), None), 0);
        assert_eq!(grace(json!({"spec": {"nodeName": "n"}, "status": {"phase": "Failed"}}), Some(30)), 0);
    }

    #[test]
    fn a_subresource_takes_its_own_part_of_the_spec() {
        let of = |value: Value| value.as_object().cloned().unwrap();
        let container = |cpu: &str| json!({"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}});
        let old = of(json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container("1")],
            "ephemeralContainers": [{"name": "e"}]}}));
        let asked = of(json!({"metadata": {}, "spec": {"nodeName": "n", "containers": [container("2")],
            "resources": {"requests": {"cpu": "4"}}}}));
        let mut emptied = asked.clone();
        Pods.prepare_update("ephemeralcontainers", &mut emptied, &old);
        assert_eq!(
            emptied["spec"],
            json!({"containers": [container("1")]}),
            "an empty list is for validation to refuse"
        );
        assert_eq!(emptied["metadata"], old["metadata"]);
        let mut resized = asked.clone();
        Pods.prepare_update("resize", &mut resized, &old);
        let expected = json!({"containers": [container("2")], "ephemeralContainers": [{"name": "e"}],
            "resources": {"requests": {"cpu": "4"}}});
        assert_eq!(resized["spec"], expected);
        let mut renamed = asked;
        renamed["spec"]["containers"][0]["name"] = "d".into();
        Pods.prepare_update("resize", &mut renamed, &old);
        assert_eq!(renamed["spec"]["containers"][0]["name"], "d", "another name is for validation to refuse");
    }
}
