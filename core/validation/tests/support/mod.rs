//! Objects as they reach validation: decoded, with the defaults of their kind.

use gantry_codec::{Format, Strictness, Surroundings, apply_defaults, decode};
use gantry_kinds::{Resource, catalog};
use gantry_meta::{Cause, Object, Value};
use gantry_validation as validation;

pub fn resource(path: &str) -> &'static Resource {
    let (group, plural) = path.rsplit_once('/').unwrap_or(("", path));
    catalog().preferred(group, plural).unwrap_or_else(|| panic!("{path} is no resource"))
}

pub fn named(resource: &Resource) -> validation::Resource<'_> {
    validation::Resource { group: &resource.group, resource: &resource.plural, namespaced: resource.namespaced }
}

/// The object of a body, named `x` unless it says otherwise, in namespace `ns`.
pub fn object(path: &str, body: &Value) -> Object {
    let resource = resource(path);
    let mut body = body.clone();
    let metadata = body.as_object_mut().unwrap().entry("metadata").or_insert_with(|| serde_json::json!({}));
    metadata.as_object_mut().unwrap().entry("name").or_insert_with(|| "x".into());
    if resource.namespaced {
        metadata["namespace"] = "ns".into();
    }
    let bytes = serde_json::to_vec(&body).unwrap();
    let mut object = decode(resource.into(), &bytes, Format::Json, Strictness::Strict).unwrap().object;
    apply_defaults(&resource.root, &mut object, &Surroundings { now: "2026-11-21T14:20:00Z".parse().unwrap() });
    object
}

/// `Reason:field` of each.
pub fn texts(causes: Vec<Cause>) -> Vec<String> {
    let text = |cause: Cause| format!("{:?}:{}", cause.reason.unwrap(), cause.field).replacen("FieldValue", "", 1);
    causes.into_iter().map(text).collect()
}

/// `Reason:field` of each cause against a new object.
#[track_caller]
pub fn create(path: &str, body: Value) -> Vec<String> {
    texts(validation::validate_create(named(resource(path)), &object(path, &body)))
}

/// `Reason:field` of each cause against a change.
#[track_caller]
pub fn update(path: &str, old: Value, new: Value) -> Vec<String> {
    let (old, new) = (object(path, &old), object(path, &new));
    texts(validation::validate_update(named(resource(path)), &new, &old, None))
}

/// `Reason:field` of each cause against a change through a subresource, both objects whole.
#[track_caller]
pub fn update_through(path: &str, subresource: &str, old: Value, new: Value) -> Vec<String> {
    let (old, new) = (object(path, &old), object(path, &new));
    texts(validation::validate_update(named(resource(path)), &new, &old, Some(subresource)))
}

/// `Reason:field` of each cause against a change from one status to another.
#[track_caller]
pub fn update_status_of(path: &str, body: &Value, old: Value, new: Value) -> Vec<String> {
    let with = |status: Value| {
        let mut whole = body.clone();
        whole["status"] = status;
        whole
    };
    update_through(path, "status", with(old), with(new))
}

/// `Reason:field` of each cause against a change of the status.
#[track_caller]
pub fn update_status(path: &str, spec: Value, status: Value) -> Vec<String> {
    let mut new = serde_json::json!({ "spec": spec });
    let old = object(path, &new);
    new["status"] = status;
    texts(validation::validate_update(named(resource(path)), &object(path, &new), &old, Some("status")))
}
