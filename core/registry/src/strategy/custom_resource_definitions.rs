//! Definitions of custom resources: the version that is stored is noted before the first object is.

use gantry_meta::{Object, Value};
use serde_json::json;

use super::Strategy;

pub(super) struct CustomResourceDefinitions;

impl Strategy for CustomResourceDefinitions {
    fn prepare_create(&self, definition: &mut Object) {
        note_stored_version(definition);
    }

    fn prepare_update(&self, subresource: &str, new: &mut Object, _old: &Object) {
        if subresource.is_empty() {
            note_stored_version(new);
        }
    }
}

/// Adds the first version marked `storage` to `status.storedVersions`.
fn note_stored_version(definition: &mut Object) {
    let versions = definition.get("spec").and_then(|spec| spec.get("versions")).and_then(Value::as_array);
    let stored = versions.into_iter().flatten().find(|version| version.get("storage") == Some(&Value::Bool(true)));
    let name = stored.and_then(|version| version.get("name").cloned());
    let Some(status) = definition.entry("status").or_insert_with(|| json!({})).as_object_mut() else { return };
    let noted = status.entry("storedVersions").or_insert(Value::Null);
    if noted.is_null() {
        *noted = json!([]);
    }
    if let (Some(noted), Some(name)) = (noted.as_array_mut(), name)
        && !noted.contains(&name)
    {
        noted.push(name);
    }
}
