//! Persistent volumes are born Pending.

use gantry_meta::{Object, time};
use jiff::Timestamp;
use serde_json::json;

use super::Strategy;

pub(super) struct PersistentVolumes;

impl Strategy for PersistentVolumes {
    fn prepare_create(&self, volume: &mut Object) {
        let now = time::format_time(Timestamp::now());
        volume.insert("status".into(), json!({"phase": "Pending", "lastPhaseTransitionTime": now}));
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}
