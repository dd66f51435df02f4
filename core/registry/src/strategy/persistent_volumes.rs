//! Persistent volumes are born Pending.

use gantry_meta::{Object, Value, time};
use jiff::Timestamp;
use serde_json::json;

use super::Strategy;

pub(super) struct PersistentVolumes;

fn now() -> Value {
    time::format_time(Timestamp::now()).into()
}

impl Strategy for PersistentVolumes {
    fn prepare_create(&self, volume: &mut Object) {
        volume.insert("status".into(), json!({"phase": "Pending", "lastPhaseTransitionTime": now()}));
    }

    /// Who moves a volume to another phase need not say when.
    fn prepare_update(&self, subresource: &str, new: &mut Object, old: &Object) {
        const MOVED: &str = "lastPhaseTransitionTime";
        let of = |volume: &Object, member: &str| volume.get("status").and_then(|status| status.get(member)).cloned();
        if subresource != "status" || of(new, "phase") == of(old, "phase") || of(new, MOVED) != of(old, MOVED) {
            return;
        }
        if let Some(status) = new.entry("status").or_insert_with(|| json!({})).as_object_mut() {
            status.insert(MOVED.into(), now());
        }
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}
