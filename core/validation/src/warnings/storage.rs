//! Volumes, claims, classes and drivers.

use super::{Found, Written, annotation, node_labels};
use crate::{
    field::{Field, Root},
    kinds::{persistent_volume::MOUNT_OPTIONS, persistent_volume_claim::CLASS_ANNOTATION},
    rules::resources::amount,
};

/// Volume sources that are deprecated or gone, under the name that the reference reports.
pub(super) struct OldSource {
    pub member: &'static str,
    pub reported: &'static str,
    pub why: &'static str,
    /// Whether persistent volumes are warned about it as well.
    pub persistent: bool,
}

const fn old(member: &'static str, why: &'static str, persistent: bool) -> OldSource {
    OldSource { member, reported: member, why, persistent }
}

pub(super) static OLD_SOURCES: [OldSource; 9] = [
    old("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+", true),
    old("gitRepo", "deprecated in v1.11, disabled in v1.33+ unless turned on", false),
    old("scaleIO", "deprecated in v1.16, non-functional in v1.22+", true),
    old("flocker", "deprecated in v1.22, non-functional in v1.25+", false),
    OldSource {
        member: "storageos",
        reported: "storageOS",
        why: "deprecated in v1.22, non-functional in v1.25+",
        persistent: true,
    },
    old("quobyte", "deprecated in v1.22, non-functional in v1.25+", false),
    old("glusterfs", "deprecated in v1.25, non-functional in v1.26+", true),
    old("cephfs", "deprecated in v1.28, non-functional in v1.31+", true),
    old("rbd", "deprecated in v1.28, non-functional in v1.31+", true),
];

pub(super) fn volume(written: Written<'_>, found: &mut Found) {
    let spec = written.new.member("spec");
    for (key, instead) in [(CLASS_ANNOTATION, "storageClassName"), (MOUNT_OPTIONS, "mountOptions")] {
        deprecated_annotation(written.new, key, instead, found);
    }
    let policy = spec.member("persistentVolumeReclaimPolicy");
    if policy.text() == "Recycle" {
        found.at(&policy, "\"Recycle\" is deprecated; let volumes be provisioned dynamically");
    }
    let required = spec.member("nodeAffinity").member("required");
    required.member("nodeSelectorTerms").items().for_each(|term| node_labels::term(&term, found));
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
    claim_spec(&written.new.member("spec"), found);
}

fn deprecated_annotation(root: Root<'_>, key: &str, instead: &str, found: &mut Found) {
    let field = annotation(root, key);
    if field.is_set() {
        found.at(&field, format_args!("deprecated; use the field {instead:?}"));
    }
}

/// The spec of a claim or of a template for claims.
pub(super) fn claim_spec(spec: &Field<'_>, found: &mut Found) {
    let resources = spec.member("resources");
    for amounts in ["requests", "limits"] {
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
    for topology in written.new.member("allowedTopologies").items() {
        for expression in topology.member("matchLabelExpressions").items() {
            node_labels::key(&expression.member("key"), found);
        }
    }
}

pub(super) fn csi_capacity(written: Written<'_>, found: &mut Found) {
    let topology = written.new.member("nodeTopology");
    node_labels::term(&topology, found);
    node_labels::selector(&topology.member("matchLabels"), found);
}

/// Tokens are better handed over as secrets, and a driver should say that it takes them so, or that it does not.
pub(super) fn csi_driver(written: Written<'_>, found: &mut Found) {
    let spec = written.new.member("spec");
    let requests = spec.member("tokenRequests");
    let same = |old: Root<'_>| old.member("spec").member("tokenRequests").value() == requests.value();
    if requests.is_empty() || written.old.is_some_and(same) || spec.member("serviceAccountTokenInSecrets").is_set() {
        return;
    }
    found.at(&requests, "serviceAccountTokenInSecrets should say whether the driver takes tokens as secrets");
}
