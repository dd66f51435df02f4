//! Operations in one of the two dialects.

use super::{
    operation::{Action, Operation, PathItem, Payload},
    parameters,
    schema::{Dialect, Schemas},
};
use gantry_meta::{Object, Value};
use serde_json::json;

const OBJECT_MEDIA: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
const STREAM_MEDIA: [&str; 2] = ["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];
const PATCH_MEDIA: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

pub(super) fn paths(items: &[PathItem], schemas: &mut Schemas<'_>) -> Object {
    items.iter().map(|item| (item.path.clone(), path_item(item, schemas))).collect()
}

fn path_item(item: &PathItem, schemas: &mut Schemas<'_>) -> Value {
    let mut written = Object::new();
    for operation in &item.operations {
        written.insert(operation.method.to_owned(), write(operation, schemas));
    }
    let parameter = if schemas.dialect() == Dialect::V3 { parameters::v3 } else { parameters::v2 };
    let named: Vec<Value> = parameters::in_path(&item.path).map(|name| parameter(name, true)).collect();
    if !named.is_empty() {
        written.insert("parameters".to_owned(), Value::Array(named));
    }
    Value::Object(written)
}

fn write(operation: &Operation, schemas: &mut Schemas<'_>) -> Value {
    let mut written = json!({
        "operationId": operation.id,
        "tags": [operation.tag],
        "description": operation.description,
    });
    if let Some((group, version, kind)) = &operation.kind {
        written["x-kubernetes-action"] = operation.action.name().into();
        written["x-kubernetes-group-version-kind"] = json!({"group": group, "version": version, "kind": kind});
    }
    match schemas.dialect() {
        Dialect::V3 => write_v3(operation, schemas, &mut written),
        Dialect::V2 => write_v2(operation, schemas, &mut written),
    }
    written
}

/// Media types of the answers.
fn produces(operation: &Operation) -> Vec<&'static str> {
    match operation.produces {
        // A log may be refused with a Status in any of the usual forms.
        ["text/plain"] => ["text/plain"].into_iter().chain(OBJECT_MEDIA).collect(),
        [] if operation.action.streams() => OBJECT_MEDIA.into_iter().chain(STREAM_MEDIA).collect(),
        [] => OBJECT_MEDIA.to_vec(),
        own => own.to_vec(),
    }
}

fn codes(action: Action) -> &'static [(&'static str, &'static str)] {
    const OK: (&str, &str) = ("200", "OK");
    const CREATED: (&str, &str) = ("201", "Created");
    const ACCEPTED: (&str, &str) = ("202", "Accepted");
    match action {
        Action::Post => &[OK, CREATED, ACCEPTED],
        Action::Put | Action::Patch => &[OK, CREATED],
        Action::Delete => &[OK, ACCEPTED],
        _ => &[OK],
    }
}

fn write_v3(operation: &Operation, schemas: &mut Schemas<'_>, written: &mut Value) {
    let parameters: Vec<Value> = operation.query.iter().map(|name| parameters::v3(name, false)).collect();
    if !parameters.is_empty() {
        written["parameters"] = Value::Array(parameters);
    }
    if let Some(schema) = payload(&operation.body, schemas) {
        let media: &[&str] = if operation.action == Action::Patch { &PATCH_MEDIA } else { &["*/*"] };
        let is_needed = !matches!(operation.action, Action::Delete | Action::DeleteCollection);
        written["requestBody"] = json!({"content": content(media, &schema)});
        if is_needed {
            written["requestBody"]["required"] = true.into();
        }
    }
    let mut responses = json!({"401": {"description": "Unauthorized"}});
    for (code, text) in codes(operation.action) {
        responses[code] = json!({ "description": text });
        if let Some(schema) = payload(&operation.answer, schemas) {
            responses[code]["content"] = content(&produces(operation), &schema);
        }
    }
    written["responses"] = responses;
}

fn content(media: &[&str], schema: &Value) -> Value {
    media.iter().map(|media| ((*media).to_owned(), json!({ "schema": schema }))).collect::<Object>().into()
}

fn write_v2(operation: &Operation, schemas: &mut Schemas<'_>, written: &mut Value) {
    written["schemes"] = json!(["https"]);
    written["produces"] = json!(produces(operation));
    if operation.action != Action::Plain {
        let consumes: &[&str] = if operation.action == Action::Patch { &PATCH_MEDIA } else { &["*/*"] };
        written["consumes"] = json!(consumes);
    }
    let mut parameters: Vec<Value> = operation.query.iter().map(|name| parameters::v2(name, false)).collect();
    if let Some(schema) = payload(&operation.body, schemas) {
        let is_needed = !matches!(operation.action, Action::Delete | Action::DeleteCollection);
        parameters.insert(0, json!({"name": "body", "in": "body", "required": is_needed, "schema": schema}));
    }
    if !parameters.is_empty() {
        written["parameters"] = Value::Array(parameters);
    }
    let mut responses = json!({"401": {"description": "Unauthorized"}});
    for (code, text) in codes(operation.action) {
        responses[code] = json!({ "description": text });
        if let Some(schema) = payload(&operation.answer, schemas) {
            responses[code]["schema"] = schema;
        }
    }
    written["responses"] = responses;
}

fn payload(payload: &Payload, schemas: &mut Schemas<'_>) -> Option<Value> {
    match payload {
        Payload::Type(name) => Some(schemas.reference(name)),
        Payload::Text => Some(json!({"type": "string"})),
        Payload::Nothing => None,
    }
}
