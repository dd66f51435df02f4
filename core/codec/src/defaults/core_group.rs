//! Conditional defaults of the core group, pods and services aside.

use super::{Rule, Surroundings, labels_from_template, member, set_if_absent, text};
use base64::{Engine, prelude::BASE64_STANDARD};
use gantry_meta::{Object, ObjectView, Value};

pub(super) fn rule(short_name: &str) -> Option<Rule> {
    match short_name {
        "LimitRangeItem" => Some(limit_range_item),
        "Namespace" => Some(namespace),
        "NodeStatus" => Some(node_status),
        "ReplicationController" => Some(|controller, _| labels_from_template(controller)),
        "ReplicationControllerSpec" => Some(replication_controller_spec),
        "Secret" => Some(secret),
        "Volume" => Some(volume),
        _ => None,
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
