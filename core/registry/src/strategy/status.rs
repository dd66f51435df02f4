//! Kinds whose status is written without touching what else clients may set in metadata.

use super::Strategy;

/// What clients set in metadata.
const SET_BY_CLIENTS: &[&str] = &["labels", "annotations", "finalizers", "ownerReferences", "deletionTimestamp"];
/// [`SET_BY_CLIENTS`], and what they may state as they please.
const ALL_OF_CLIENTS: &[&str] = &[
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generateName",
];

/// Nothing of metadata is written with the status.
pub(super) struct FlowControl;

impl Strategy for FlowControl {
    fn kept_by_status(&self) -> &'static [&'static str] {
        ALL_OF_CLIENTS
    }
}

pub(super) struct StatusAlone;

impl Strategy for StatusAlone {
    fn kept_by_status(&self) -> &'static [&'static str] {
        SET_BY_CLIENTS
    }
}

/// As [`StatusAlone`], and deletions answer with the object.
pub(super) struct DevicesAndVolumes;

impl Strategy for DevicesAndVolumes {
    fn kept_by_status(&self) -> &'static [&'static str] {
        SET_BY_CLIENTS
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

/// As [`StatusAlone`]; an apply of the status makes the object that it is of.
pub(super) struct AdmissionPolicies;

impl Strategy for AdmissionPolicies {
    fn kept_by_status(&self) -> &'static [&'static str] {
        SET_BY_CLIENTS
    }

    fn applied_status_creates(&self) -> bool {
        true
    }
}
