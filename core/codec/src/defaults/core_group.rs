//! Conditional defaults of the core group, pods and services aside.

use super::{Rule, Surroundings, labels_from_template, member, set_if_absent, text};
use base64::{Engine, prelude::BASE64_STANDARD};
use gantry_meta::{Object, ObjectView, Value};
use serde_json::json;

pub(super) fn rule(short_name: &str) -> Option<Rule> {
    match short_name {
        "LimitRangeItem" => Some(limit_range_item),
        "Namespace" => Some(namespace),
        "NodeSpec" => Some(|spec, _| pair(spec, "podCIDR", "podCIDRs", |text| text.into(), Value::as_str)),
        "NodeStatus" => Some(node_status),
        "PodStatus" => Some(|status, _| {
            pair(status, "podIP", "podIPs", |ip| json!({"ip": ip}), |item| item.get("ip").and_then(Value::as_str));
        }),
        "ReplicationController" => Some(|controller, _| labels_from_template(controller)),
        "ReplicationControllerSpec" => Some(replication_controller_spec),
        "Secret" => Some(secret),
        "Volume" => Some(volume),
        _ => None,
    }
}

/// A field and the list that came after it say the same: where both are given, the field wins over the list's first.
fn pair(
    object: &mut Object,
    one: &str,
    many: &str,
    item: impl Fn(&str) -> Value,
    text_of: impl Fn(&Value) -> Option<&str>,
) {
    let items = object.get(many).and_then(Value::as_array);
    let first = items.and_then(|items| text_of(items.first()?)).unwrap_or_default().to_owned();
    let given = text(object, one).to_owned();
    if given.is_empty() && !first.is_empty() {
        object.insert(one.to_owned(), first.into());
    } else if given != first {
        object.insert(many.to_owned(), Value::Array(vec![item(&given)]));
    }
}

/// A container's defaults follow from its maximum, its default requests from its defaults and then its minimum.
fn limit_range_item(item: &mut Object, _: &Surroundings) {
    if text(item, "type") != "Container" {
        return;
    }
    copy_missing(item, "max", "default");
    copy_missing(item, "default", "defaultRequest");
    copy_missing(item, "min", "defaultRequest");
}

/// Copies the members of one map that the other lacks.
pub(super) fn copy_missing(parent: &mut Object, from: &str, to: &str) {
    let Some(source) = parent.get(from).and_then(Value::as_object).filter(|m| !m.is_empty()).cloned() else { return };
    if let Some(target) = member(parent, to) {
        for (key, value) in source {
            target.entry(key).or_insert(value);
        }
    }
}

/// Selectors of namespaces find them by name through this label; a client's value is overwritten.
fn namespace(namespace: &mut Object, _: &Surroundings) {
    let name = namespace.name().to_owned();
    if name.is_empty() {
        return;
    }
    if let Some(labels) = member(namespace.metadata_mut(), "labels") {
        labels.insert("kubernetes.io/metadata.name".to_owned(), name.into());
    }
}

fn node_status(status: &mut Object, _: &Surroundings) {
    if let Some(capacity) = status.get("capacity").cloned() {
        set_if_absent(status, "allocatable", capacity);
    }
}

fn replication_controller_spec(spec: &mut Object, _: &Surroundings) {
    let labels = spec.get("template").and_then(|t| t.pointer("/metadata/labels")).cloned();
    if let Some(labels) = labels {
        set_if_absent(spec, "selector", labels);
    }
}

/// `stringData` is write only: its texts become data and win over data of the same key.
fn secret(secret: &mut Object, _: &Surroundings) {
    let Some(Value::Object(texts)) = secret.remove("stringData") else { return };
    if let Some(data) = member(secret, "data") {
        for (key, text) in texts {
            let encoded = BASE64_STANDARD.encode(text.as_str().unwrap_or_default());
            data.insert(key, encoded.into());
        }
    }
}

/// A volume without a source is an empty directory.
fn volume(volume: &mut Object, _: &Surroundings) {
    if volume.keys().all(|member| member == "name") {
        volume.insert("emptyDir".to_owned(), Value::Object(Object::new()));
    }
}
