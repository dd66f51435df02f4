//! Kinds whose status is written without touching what else clients may set in metadata.

use super::Strategy;

/// What clients set in metadata.
const SET_BY_CLIENTS: &[&str] = &["labels", "annotations", "finalizers", "ownerReferences"];

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
