//! Pods: born Pending, deleted with a grace period, changed in few places.

mod app_armor;
mod label_keys;
mod observed;
mod qos;

use gantry_kinds::{
    FieldName, Members as _,
    fields::{
        AnyObject,
        core_v1::{Container, Pod, PodCondition, PodOS, PodSpec, PodStatus},
        meta_v1::ObjectMeta,
    },
    object, path,
};
use gantry_meta::{Cause, Object, ObjectView, Value};

use self::qos::qos_class;
use super::{Strategy, keep, keep_all_but, keep_in_metadata};

pub(super) struct Pods;

fn spec(pod: &Object) -> Option<&Object> {
    pod.object(Pod::SPEC)
}

/// Upstream's rules: what was asked for, else the pod's own; nothing to wait for where no node runs it.
fn grace_seconds(pod: &Object, asked: Option<i64>) -> i64 {
    let own = spec(pod).and_then(|spec| spec.int(PodSpec::TERMINATION_GRACE_PERIOD_SECONDS));
    let unbound = pod.text_at(path![Pod::SPEC, PodSpec::NODE_NAME]).is_empty();
    let finished = matches!(pod.text_at(path![Pod::STATUS, PodStatus::PHASE]), "Succeeded" | "Failed");
    match asked.or(own).unwrap_or(PodSpec::TERMINATION_GRACE_PERIOD_SECONDS_DEFAULT) {
        _ if unbound || finished => 0,
        negative if negative < 0 => 1,
        seconds => seconds,
    }
}

/// The condition of a pod that nobody may schedule yet.
fn gated() -> Object {
    object! {
        PodCondition::TYPE => "PodScheduled",
        PodCondition::STATUS => "False",
        PodCondition::REASON => "SchedulingGated",
        PodCondition::MESSAGE => "Scheduling is blocked due to non-empty scheduling gates",
        PodCondition::LAST_PROBE_TIME => Value::Null,
        PodCondition::LAST_TRANSITION_TIME => gantry_meta::time::format_time(jiff::Timestamp::now()),
    }
}

impl Strategy for Pods {
    fn modernise(&self, pod: &mut Object) -> Vec<String> {
        app_armor::annotations_to_fields(pod)
    }

    fn prepare_create(&self, pod: &mut Object) {
        let mut status = object! {
            PodStatus::PHASE => "Pending",
            PodStatus::QOS_CLASS => qos_class(pod),
        };
        if !pod.items_at(path![Pod::SPEC, PodSpec::SCHEDULING_GATES]).is_empty() {
            status.set(PodStatus::CONDITIONS, vec![Value::from(gated())]);
        }
        pod.set(Pod::STATUS, status);
        label_keys::merge(pod);
    }

    fn prepare_update(&self, subresource: &str, new: &mut Object, old: &Object) {
        forget_empty_overhead(new);
        match subresource {
            "status" => {
                keep_in_metadata(&[ObjectMeta::OWNER_REFERENCES, ObjectMeta::DELETION_TIMESTAMP], new, old);
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
        let spec = path![Pod::SPEC].field_path();
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
    let class = old.at(path![Pod::STATUS, PodStatus::QOS_CLASS]).cloned();
    if let (Some(class), Some(status)) = (class, new.made(Pod::STATUS))
        && status.text(PodStatus::QOS_CLASS).is_empty()
    {
        status.set(PodStatus::QOS_CLASS, class);
    }
}

/// Pods that are refused for what they are, whatever is asked for.
fn is_resizable(pod: &Object) -> bool {
    let is_windows = pod.text_at(path![Pod::SPEC, PodSpec::OS, PodOS::NAME]) == "windows";
    !is_windows && pod.annotations().is_none_or(|annotations| !annotations.contains_key("kubernetes.io/config.mirror"))
}

/// Only a new pod may not state that it has none.
fn forget_empty_overhead(pod: &mut Object) {
    if let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut)
        && spec.get("overhead").and_then(Value::as_object).is_some_and(Object::is_empty)
    {
        spec.remove("overhead");
    }
}

/// Only the list of ephemeral containers is taken from the request, and an empty one too.
fn keep_all_but_ephemeral_containers(new: &mut Object, old: &Object) {
    let wanted = spec(new).cloned().unwrap_or_default();
    keep_all_but(&[AnyObject::METADATA], new, old);
    keep_metadata(new, old);
    if let Some(spec) = new.object_mut(Pod::SPEC) {
        keep(PodSpec::EPHEMERAL_CONTAINERS, spec, &wanted);
    }
}

/// Only resources, of containers and of the pod, and resize policies are taken from the request. One that adds, removes,
/// renames or reorders containers is left as it is, for validation to refuse.
fn keep_all_but_resources(new: &mut Object, old: &Object) {
    let wanted = spec(new).cloned().unwrap_or_default();
    let count = |pod: &Object, list: FieldName| spec(pod).map_or(0, |spec| spec.items(list).len());
    if LISTS.iter().any(|list| count(new, *list) != count(old, *list)) {
        return;
    }
    keep_all_but(&[AnyObject::METADATA], new, old);
    keep_metadata(new, old);
    let Some(spec) = new.object_mut(Pod::SPEC) else { return };
    keep(PodSpec::RESOURCES, spec, &wanted);
    for list in LISTS {
        resized(spec.member_mut(list), wanted.member(list));
    }
}

const LISTS: [FieldName; 2] = [PodSpec::CONTAINERS, PodSpec::INIT_CONTAINERS];

/// The containers with the resources that are wanted for them, or as they are wanted if they are not the same ones.
fn resized(containers: Option<&mut Value>, wanted: Option<&Value>) {
    let (Some(Value::Array(containers)), Some(Value::Array(wanted))) = (containers, wanted) else { return };
    fn name(container: &Value) -> Option<&str> {
        container.as_object().map(|container| container.text(Container::NAME))
    }
    if containers.iter().zip(wanted).any(|(container, wanted)| name(container) != name(wanted)) {
        return containers.clone_from(wanted);
    }
    for (container, wanted) in containers.iter_mut().zip(wanted) {
        if let (Some(container), Some(wanted)) = (container.as_object_mut(), wanted.as_object()) {
            keep(Container::RESOURCES, container, wanted);
            keep(Container::RESIZE_POLICY, container, wanted);
        }
    }
}

/// What a subresource that changes the spec leaves of metadata: its managers and the version it was read at.
fn keep_metadata(new: &mut Object, old: &Object) {
    let wanted = std::mem::take(new.metadata_mut());
    let mut metadata = old.metadata().cloned().unwrap_or_default();
    for member in [ObjectMeta::RESOURCE_VERSION, ObjectMeta::UID, ObjectMeta::MANAGED_FIELDS] {
        if let Some(value) = wanted.get(member.as_str()) {
            metadata.set(member, value.clone());
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
