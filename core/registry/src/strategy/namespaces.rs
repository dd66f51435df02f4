//! Namespaces: held by `spec.finalizers` until their contents are gone.

use gantry_meta::{Object, ObjectView, Value};
use serde_json::json;

use super::{Strategy, keep, keep_all_but};

pub(super) struct Namespaces;

const NAME_LABEL: &str = "kubernetes.io/metadata.name";
const FINALIZER: &str = "kubernetes";

fn label_with_name(namespace: &mut Object) {
    let name = namespace.name().to_owned();
    if name.is_empty() {
        return;
    }
    let labels = namespace.metadata_mut().entry("labels").or_insert_with(|| json!({}));
    if let Some(labels) = labels.as_object_mut() {
        labels.insert(NAME_LABEL.into(), name.into());
    }
}

impl Strategy for Namespaces {
    fn prepare_create(&self, namespace: &mut Object) {
        label_with_name(namespace);
        let spec = namespace.entry("spec").or_insert_with(|| json!({}));
        if let Some(finalizers) = spec.as_object_mut().map(|spec| spec.entry("finalizers").or_insert_with(|| json!([])))
            && let Some(finalizers) = finalizers.as_array_mut()
            && !finalizers.iter().any(|f| f.as_str() == Some(FINALIZER))
        {
            finalizers.push(FINALIZER.into());
        }
        namespace.insert("status".into(), json!({"phase": "Active"}));
    }

    fn prepare_update(&self, subresource: &str, new: &mut Object, old: &Object) {
        match subresource {
            "finalize" => keep_all_but(&["metadata", "spec"], new, old),
            "status" => {}
            _ => keep("spec", new, old),
        }
        label_with_name(new);
    }

    fn is_held(&self, namespace: &Object) -> bool {
        let finalizers = namespace.get("spec").and_then(|spec| spec.get("finalizers")).and_then(Value::as_array);
        finalizers.is_some_and(|finalizers| !finalizers.is_empty())
    }

    fn mark_deleting(&self, namespace: &mut Object) {
        namespace.metadata_mut().remove("deletionGracePeriodSeconds");
        namespace.insert("status".into(), {
            let mut status = namespace.get("status").and_then(Value::as_object).cloned().unwrap_or_default();
            status.insert("phase".into(), "Terminating".into());
            Value::Object(status)
        });
    }

    fn applied_status_creates(&self) -> bool {
        true
    }

    fn names_itself_in_plural(&self) -> bool {
        true
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}
