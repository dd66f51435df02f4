//! Who asks for devices as an administrator works in a namespace that allows it.

use gantry_meta::{Cause, FieldPath, Object, ObjectView as _, Value};
use gantry_storage::Key;
use serde::Deserialize;

use super::Write;

/// The label of such a namespace; its value is `true`.
const LABEL: &str = "resource.kubernetes.io/admin-access";

/// The first request for administrator's access of a claim, of a template or of an allocation that is refused.
pub(super) fn admin_access(write: &Write<'_>, new: &Object, old: Option<&Object>) -> Option<Cause> {
    let resource = &write.served.resource;
    if resource.group != "resource.k8s.io" {
        return None;
    }
    let path = match (&*resource.plural, write.subresource, old) {
        ("resourceclaims", "", None) => requested(new.get("spec")),
        ("resourceclaimtemplates", "", None) => requested(new.get("spec").and_then(|spec| spec.get("spec"))),
        ("resourceclaims", "status", Some(old)) if granted(old).is_none() => granted(new),
        _ => None,
    }?;
    (!is_allowed(write, new.namespace()))
        .then(|| Cause::forbidden(&path, format!("needs the label {LABEL}=true on the namespace")))
}

/// The reference reports templates as it does claims, and leaves `exactly` out.
fn requested(spec: Option<&Value>) -> Option<FieldPath> {
    let at = first_true(spec?.pointer("/devices/requests")?, "/exactly/adminAccess")?;
    Some(FieldPath::of("spec.devices.requests").index(at).field("adminAccess"))
}

fn granted(claim: &Object) -> Option<FieldPath> {
    let at = first_true(claim.get("status")?.pointer("/allocation/devices/results")?, "/adminAccess")?;
    Some(FieldPath::of("status.allocation.devices.results").index(at).field("adminAccess"))
}

fn first_true(list: &Value, pointer: &str) -> Option<usize> {
    list.as_array()?.iter().position(|item| item.pointer(pointer) == Some(&Value::Bool(true)))
}

#[derive(Deserialize)]
struct Namespace {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    labels: std::collections::BTreeMap<String, String>,
}

fn is_allowed(write: &Write<'_>, namespace: &str) -> bool {
    let found = write.state.cache.get(&Key::new("", "namespaces", "", namespace));
    let read = found.and_then(|object| serde_json::from_slice::<Namespace>(&object.wire()).ok());
    read.is_some_and(|namespace| namespace.metadata.labels.get(LABEL).is_some_and(|value| value == "true"))
}
