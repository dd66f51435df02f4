//! Deployments: parts of metadata that count as what is wanted.

use gantry_kinds::{FieldName, fields::meta_v1::ObjectMeta};

use super::Strategy;

/// A status update leaves the labels alone. Annotations count: rollouts note their cause there.
pub(super) struct Deployments;

impl Strategy for Deployments {
    fn counted_metadata(&self) -> &'static [FieldName] {
        &[ObjectMeta::ANNOTATIONS]
    }

    fn kept_by_status(&self) -> &'static [FieldName] {
        &[ObjectMeta::LABELS]
    }
}
