//! Claims are born Pending.

use gantry_meta::Object;
use serde_json::json;

use super::Strategy;

pub(super) struct PersistentVolumeClaims;

impl Strategy for PersistentVolumeClaims {
    fn prepare_create(&self, claim: &mut Object) {
        claim.insert("status".into(), json!({"phase": "Pending"}));
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}
