//! Kinds whose status is written without touching what else clients may set in metadata.

use gantry_kinds::{FieldName, fields::meta_v1::ObjectMeta};

use super::Strategy;

/// What clients set in metadata.
pub(super) const SET_BY_CLIENTS: &[FieldName] = &[
    ObjectMeta::LABELS,
    ObjectMeta::ANNOTATIONS,
    ObjectMeta::FINALIZERS,
    ObjectMeta::OWNER_REFERENCES,
    ObjectMeta::DELETION_TIMESTAMP,
];
/// [`SET_BY_CLIENTS`], and what they may state as they please.
const ALL_OF_CLIENTS: &[FieldName] = &[
    ObjectMeta::LABELS,
    ObjectMeta::ANNOTATIONS,
    ObjectMeta::FINALIZERS,
    ObjectMeta::OWNER_REFERENCES,
    ObjectMeta::DELETION_TIMESTAMP,
    ObjectMeta::DELETION_GRACE_PERIOD_SECONDS,
    ObjectMeta::GENERATE_NAME,
];

/// Nothing of metadata is written with the status.
pub(super) struct FlowControl;

impl Strategy for FlowControl {
    fn kept_by_status(&self) -> &'static [FieldName] {
        ALL_OF_CLIENTS
    }
}

pub(super) struct StatusAlone;

impl Strategy for StatusAlone {
    fn kept_by_status(&self) -> &'static [FieldName] {
        SET_BY_CLIENTS
    }
}

/// As [`StatusAlone`], and deletions answer with the object.
pub(super) struct VolumeAttachments;

impl Strategy for VolumeAttachments {
    fn kept_by_status(&self) -> &'static [FieldName] {
        SET_BY_CLIENTS
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

/// As [`StatusAlone`]; an apply of the status makes the object that it is of.
pub(super) struct AdmissionPolicies;

impl Strategy for AdmissionPolicies {
    fn kept_by_status(&self) -> &'static [FieldName] {
        SET_BY_CLIENTS
    }

    fn applied_status_creates(&self) -> bool {
        true
    }
}
