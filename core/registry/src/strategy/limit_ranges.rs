//! Limit ranges: one without a name gets one.

use gantry_meta::{Object, ObjectView};

use super::Strategy;

pub(super) struct LimitRanges;

impl Strategy for LimitRanges {
    fn prepare_create(&self, limits: &mut Object) {
        if limits.name().is_empty() {
            limits.metadata_mut().insert("name".into(), uuid::Uuid::new_v4().to_string().into());
        }
    }
}
