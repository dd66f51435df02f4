//! Limit ranges: one without a name gets one.

use gantry_kinds::{Members as _, fields::meta_v1::ObjectMeta};
use gantry_meta::{Object, ObjectView as _};

use super::Strategy;

pub(super) struct LimitRanges;

impl Strategy for LimitRanges {
    fn prepare_create(&self, limits: &mut Object) {
        if limits.name().is_empty() {
            limits.metadata_mut().set(ObjectMeta::NAME, uuid::Uuid::new_v4().to_string());
        }
    }
}
