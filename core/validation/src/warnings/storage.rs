//! Volumes, claims, classes and drivers.

use gantry_kinds::{
    FieldName,
    fields::{
        core_v1::{
            NodeSelector, PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec, PersistentVolumeSpec,
            TopologySelectorLabelRequirement, TopologySelectorTerm, Volume, VolumeNodeAffinity,
            VolumeResourceRequirements,
        },
        meta_v1::LabelSelector,
        storage_v1::{CSIDriver, CSIDriverSpec, CSIStorageCapacity, StorageClass},
    },
};

use super::{Found, Written, annotation, node_labels};
use crate::{
    field::{Field, Root},
    kinds::{persistent_volume::MOUNT_OPTIONS, persistent_volume_claim::CLASS_ANNOTATION},
    rules::resources::amount,
};

/// Volume sources that are deprecated or gone, under the name that the reference reports.
pub(super) struct OldSource {
    pub member: FieldName,
    pub reported: &'static str,
    pub why: &'static str,
    /// Whether persistent volumes are warned about it as well.
    pub persistent: bool,
}

const fn old(member: FieldName, why: &'static str, persistent: bool) -> OldSource {
    OldSource { member, reported: member.as_str(), why, persistent }
}

pub(super) static OLD_SOURCES: [OldSource; 9] = [
    old(Volume::PHOTON_PERSISTENT_DISK, "deprecated in v1.11, non-functional in v1.16+", true),
    old(Volume::GIT_REPO, "deprecated in v1.11, disabled in v1.33+ unless turned on", false),
    old(Volume::SCALE_IO, "deprecated in v1.16, non-functional in v1.22+", true),
    old(Volume::FLOCKER, "deprecated in v1.22, non-functional in v1.25+", false),
    OldSource {
        member: Volume::STORAGEOS,
        reported: "storageOS",
        why: "deprecated in v1.22, non-functional in v1.25+",
        persistent: true,
    },
    old(Volume::QUOBYTE, "deprecated in v1.22, non-functional in v1.25+", false),
    old(Volume::GLUSTERFS, "deprecated in v1.25, non-functional in v1.26+", true),
    old(Volume::CEPHFS, "deprecated in v1.28, non-functional in v1.31+", true),
    old(Volume::RBD, "deprecated in v1.28, non-functional in v1.31+", true),
];

pub(super) fn volume(written: Written<'_>, found: &mut Found) {
    let spec = written.new.member(PersistentVolume::SPEC);
    for (key, instead) in [(CLASS_ANNOTATION, "storageClassName"), (MOUNT_OPTIONS, "mountOptions")] {
        deprecated_annotation(written.new, key, instead, found);
    }
    let policy = spec.member(PersistentVolumeSpec::PERSISTENT_VOLUME_RECLAIM_POLICY);
    if policy.text() == "Recycle" {
        found.at(&policy, "\"Recycle\" is deprecated; let volumes be provisioned dynamically");
    }
    let required = spec.member(PersistentVolumeSpec::NODE_AFFINITY).member(VolumeNodeAffinity::REQUIRED);
    required.member(NodeSelector::NODE_SELECTOR_TERMS).items().for_each(|term| node_labels::term(&term, found));
    for source in OLD_SOURCES.iter().filter(|source| source.persistent) {
        old_source(&spec, source, found);
    }
}

/// A source among the members of a volume.
pub(super) fn old_source(volume: &Field<'_>, source: &OldSource, found: &mut Found) {
    let field = volume.member_as(source.member, source.reported);
    if field.is_set() {
        found.at(&field, source.why);
    }
}

pub(super) fn claim(written: Written<'_>, found: &mut Found) {
    deprecated_annotation(written.new, CLASS_ANNOTATION, "storageClassName", found);
    claim_spec(&written.new.member(PersistentVolumeClaim::SPEC), found);
}

fn deprecated_annotation(root: Root<'_>, key: &str, instead: &str, found: &mut Found) {
    let field = annotation(root, key);
    if field.is_set() {
        found.at(&field, format_args!("deprecated; use the field {instead:?}"));
    }
}

/// The spec of a claim or of a template for claims.
pub(super) fn claim_spec(spec: &Field<'_>, found: &mut Found) {
    let resources = spec.member(PersistentVolumeClaimSpec::RESOURCES);
    for amounts in [VolumeResourceRequirements::REQUESTS, VolumeResourceRequirements::LIMITS] {
        whole_bytes(&resources.member(amounts).entry("storage"), found);
    }
}

/// Bytes come whole.
pub(super) fn whole_bytes(field: &Field<'_>, found: &mut Found) {
    if amount(field).is_some_and(|bytes| !bytes.is_integer()) {
        found.at(field, format_args!("{:?} is a fraction of a byte; must be an integer", field.text()));
    }
}

pub(super) fn class(written: Written<'_>, found: &mut Found) {
    for topology in written.new.member(StorageClass::ALLOWED_TOPOLOGIES).items() {
        for expression in topology.member(TopologySelectorTerm::MATCH_LABEL_EXPRESSIONS).items() {
            node_labels::key(&expression.member(TopologySelectorLabelRequirement::KEY), found);
        }
    }
}

pub(super) fn csi_capacity(written: Written<'_>, found: &mut Found) {
    let topology = written.new.member(CSIStorageCapacity::NODE_TOPOLOGY);
    node_labels::term(&topology, found);
    node_labels::selector(&topology.member(LabelSelector::MATCH_LABELS), found);
}

/// Tokens are better handed over as secrets, and a driver should say that it takes them so, or that it does not.
pub(super) fn csi_driver(written: Written<'_>, found: &mut Found) {
    let spec = written.new.member(CSIDriver::SPEC);
    let requests = spec.member(CSIDriverSpec::TOKEN_REQUESTS);
    let same =
        |old: Root<'_>| old.member(CSIDriver::SPEC).member(CSIDriverSpec::TOKEN_REQUESTS).value() == requests.value();
    if requests.is_empty()
        || written.old.is_some_and(same)
        || spec.member(CSIDriverSpec::SERVICE_ACCOUNT_TOKEN_IN_SECRETS).is_set()
    {
        return;
    }
    found.at(&requests, "serviceAccountTokenInSecrets should say whether the driver takes tokens as secrets");
}
