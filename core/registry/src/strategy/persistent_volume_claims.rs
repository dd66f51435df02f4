//! Claims are born Pending, and say in two fields what they are filled from.

use gantry_kinds::{
    FieldName, Members as _,
    fields::core_v1::{
        PersistentVolumeClaim, PersistentVolumeClaimSpec, PersistentVolumeClaimStatus, TypedLocalObjectReference,
        TypedObjectReference,
    },
    object,
};
use gantry_meta::Object;

use super::Strategy;

pub(super) struct PersistentVolumeClaims;

impl Strategy for PersistentVolumeClaims {
    fn prepare_create(&self, claim: &mut Object) {
        claim.set(
            PersistentVolumeClaim::STATUS,
            object! { PersistentVolumeClaimStatus::PHASE => PersistentVolumeClaimStatus::PHASE_DEFAULT },
        );
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

/// `dataSource` by itself knows claims and snapshots alone and drops the rest; `dataSource` and `dataSourceRef` mirror each
/// other. A reference into another namespace is behind a feature gate that is off. What is stored stays.
fn settle_sources(claim: &mut Object, old: Option<&Object>) {
    let stored = |member: FieldName| {
        old.and_then(|old| old.object(PersistentVolumeClaim::SPEC)).is_some_and(|spec| spec.has(member))
    };
    let (has_source, has_reference) = (stored(SOURCE), stored(REFERENCE));
    let Some(spec) = claim.object_mut(PersistentVolumeClaim::SPEC) else { return };
    if !has_reference && spec.object(REFERENCE).is_some_and(is_elsewhere) {
        spec.unset(REFERENCE);
    }
    let alone = !spec.has(REFERENCE) && !has_source && !has_reference;
    if alone && !spec.object(SOURCE).is_some_and(is_claim_or_snapshot) {
        spec.unset(SOURCE);
    }
    match (spec.member(SOURCE).cloned(), spec.object(REFERENCE).cloned()) {
        (Some(source), None) => spec.set(REFERENCE, source),
        (None, Some(mut reference)) if !is_elsewhere(&reference) => {
            reference.unset(TypedObjectReference::NAMESPACE);
            spec.set(SOURCE, reference);
        }
        _ => {}
    }
}

const SOURCE: FieldName = PersistentVolumeClaimSpec::DATA_SOURCE;
const REFERENCE: FieldName = PersistentVolumeClaimSpec::DATA_SOURCE_REF;

fn is_elsewhere(reference: &Object) -> bool {
    !reference.text(TypedObjectReference::NAMESPACE).is_empty()
}

fn is_claim_or_snapshot(source: &Object) -> bool {
    matches!(
        (source.text(TypedLocalObjectReference::API_GROUP), source.text(TypedLocalObjectReference::KIND)),
        ("", "PersistentVolumeClaim") | ("snapshot.storage.k8s.io", "VolumeSnapshot")
    )
}
