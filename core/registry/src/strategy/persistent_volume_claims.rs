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

/// `dataSource` knows claims and snapshots alone and drops the rest, unless it is stored; `dataSource` and `dataSourceRef`
/// mirror each other.
fn settle_sources(claim: &mut Object, old: Option<&Object>) {
    let stored = old.and_then(|old| old.get("spec")?.get("dataSource")).is_some_and(|source| !source.is_null());
    let Some(spec) = claim.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if !stored && !spec.get("dataSource").is_some_and(is_claim_or_snapshot) {
        spec.remove("dataSource");
    }
    let set = |member: &str| spec.get(member).filter(|source| !source.is_null()).cloned();
    match (set("dataSource"), set("dataSourceRef")) {
        (Some(source), None) => _ = spec.insert("dataSourceRef".into(), source),
        (None, Some(reference)) if reference.get("namespace").is_none_or(|name| name.as_str() == Some("")) => {
            spec.insert("dataSource".into(), reference);
        }
        _ => {}
    }
}

fn is_claim_or_snapshot(source: &Value) -> bool {
    let text = |member: &str| source.get(member).and_then(Value::as_str).unwrap_or_default();
    matches!(
        (text("apiGroup"), text("kind")),
        ("", "PersistentVolumeClaim") | ("snapshot.storage.k8s.io", "VolumeSnapshot")
    )
}
