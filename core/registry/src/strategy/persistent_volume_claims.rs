//! Claims are born Pending, and say in two fields what they are filled from.

use gantry_meta::{Object, Value};
use serde_json::json;

use super::Strategy;

pub(super) struct PersistentVolumeClaims;

impl Strategy for PersistentVolumeClaims {
    fn prepare_create(&self, claim: &mut Object) {
        claim.insert("status".into(), json!({"phase": "Pending"}));
        settle_sources(claim, None);
    }

    fn prepare_update(&self, subresource: &str, new: &mut Object, old: &Object) {
        if subresource.is_empty() {
            settle_sources(new, Some(old));
        }
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

/// `dataSource` by itself knows claims and snapshots alone and drops the rest; `dataSource` and `dataSourceRef` mirror each
/// other. A reference into another namespace is behind a feature gate that is off. What is stored stays.
fn settle_sources(claim: &mut Object, old: Option<&Object>) {
    let stored =
        |member: &str| old.and_then(|old| old.get("spec")?.get(member)).is_some_and(|source| !source.is_null());
    let (has_source, has_reference) = (stored("dataSource"), stored("dataSourceRef"));
    let Some(spec) = claim.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if !has_reference && spec.get("dataSourceRef").is_some_and(is_elsewhere) {
        spec.remove("dataSourceRef");
    }
    let set = |spec: &Object, member: &str| spec.get(member).filter(|source| !source.is_null()).cloned();
    let alone = set(spec, "dataSourceRef").is_none();
    if alone && !has_source && !has_reference && !spec.get("dataSource").is_some_and(is_claim_or_snapshot) {
        spec.remove("dataSource");
    }
    match (set(spec, "dataSource"), set(spec, "dataSourceRef")) {
        (Some(source), None) => _ = spec.insert("dataSourceRef".into(), source),
        (None, Some(mut reference)) if !is_elsewhere(&reference) => {
            reference.as_object_mut().map(|reference| reference.remove("namespace"));
            spec.insert("dataSource".into(), reference);
        }
        _ => {}
    }
}

fn is_elsewhere(reference: &Value) -> bool {
    reference.get("namespace").and_then(Value::as_str).is_some_and(|namespace| !namespace.is_empty())
}

fn is_claim_or_snapshot(source: &Value) -> bool {
    let text = |member: &str| source.get(member).and_then(Value::as_str).unwrap_or_default();
    matches!(
        (text("apiGroup"), text("kind")),
        ("", "PersistentVolumeClaim") | ("snapshot.storage.k8s.io", "VolumeSnapshot")
    )
}
