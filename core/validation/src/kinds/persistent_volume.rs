//! PersistentVolume.

use gantry_meta::{Object, Value};

use super::{persistent_volume_claim::access_modes, pod};
use crate::{
    field::{Causes, Field, Root},
    names,
    rules::{paths, resources::amount},
    table::Update,
};

/// Sources in the reference's order, with what each requires.
const SOURCES: [(&str, &[&str]); 22] = [
    ("hostPath", &["path"]),
    ("gcePersistentDisk", &["pdName"]),
    ("awsElasticBlockStore", &["volumeID"]),
    ("glusterfs", &["endpoints", "path"]),
    ("flocker", &[]),
    ("nfs", &["server", "path"]),
    ("rbd", &["monitors", "image"]),
    ("quobyte", &["registry", "volume"]),
    ("cephfs", &["monitors"]),
    ("iscsi", &["targetPortal", "iqn"]),
    ("cinder", &["volumeID"]),
    ("fc", &[]),
    ("flexVolume", &["driver"]),
    ("azureFile", &["secretName", "shareName"]),
    ("vsphereVolume", &["volumePath"]),
    ("photonPersistentDisk", &["pdID"]),
    ("portworxVolume", &["volumeID"]),
    ("azureDisk", &["diskName", "diskURI"]),
    ("scaleIO", &["gateway", "system", "volumeName"]),
    ("local", &["path"]),
    ("storageos", &[]),
    ("csi", &["driver", "volumeHandle"]),
];

pub fn create(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member("spec");
    access_modes(&spec.member("accessModes"), causes);
    capacity(&spec.member("capacity"), causes);
    let reclaim = spec.member("persistentVolumeReclaimPolicy");
    if !reclaim.is_empty() {
        causes.one_of(&reclaim, &["Delete", "Recycle", "Retain"]);
    }
    let affinity = spec.member("nodeAffinity");
    if affinity.is_set() {
        match affinity.member("required").is_set() {
            true => pod::node_selector(&affinity.member("required"), causes),
            false => causes.required(&affinity.member("required")),
        }
    }
    source(&spec, causes);
    let class = spec.member("storageClassName");
    if !class.is_empty() {
        causes.invalid_each(&class, names::dns_subdomain(class.text()));
    }
    let mode = spec.member("volumeMode");
    if mode.is_set() {
        causes.one_of(&mode, &["Block", "Filesystem"]);
    }
}

/// The specification of a volume within another object, which is a driver's and nobody's claim.
pub fn inline(spec: &Field<'_>, causes: &mut Causes) {
    let forbidden = |members: &[&'static str], causes: &mut Causes| {
        for field in members.iter().map(|member| spec.member(member)).filter(|field| !field.is_empty()) {
            causes.forbidden(&field, "may not be specified in the context of inline volumes");
        }
    };
    forbidden(&["claimRef", "capacity"], causes);
    if !spec.member("csi").is_set() {
        causes.required(&spec.member("csi"));
    }
    access_modes(&spec.member("accessModes"), causes);
    forbidden(&["persistentVolumeReclaimPolicy", "nodeAffinity"], causes);
    source(spec, causes);
    forbidden(&["storageClassName", "volumeMode"], causes);
}

/// Storage, all of it positive.
fn capacity(capacity: &Field<'_>, causes: &mut Causes) {
    causes.require(capacity);
    if capacity.len() != 1 || !capacity.entry("storage").is_set() {
        causes.not_supported(capacity, &["storage"]);
    }
    for (_, field) in capacity.entries() {
        let sign = amount(&field).map_or(1, |amount| amount.signum());
        if sign < 0 {
            causes.invalid(&field, "must be a valid resource quantity");
        }
        if sign <= 0 {
            causes.invalid(&field, "must be greater than zero");
        }
    }
}

fn source(spec: &Field<'_>, causes: &mut Causes) {
    let mut given = 0;
    for (member, required) in SOURCES {
        let source = spec.member(member);
        if !source.is_set() {
            continue;
        }
        given += 1;
        if given > 1 {
            causes.forbidden(&source, "may not specify more than 1 volume type");
            continue;
        }
        for member in required {
            causes.require(&source.member(member));
        }
        paths::no_backsteps(&source.member("path"), causes);
        if member == "csi" && !source.member("driver").is_empty() {
            let driver = source.member("driver");
            causes.invalid_each(&driver, names::dns_subdomain(&driver.text().to_lowercase()));
        }
        if member == "local" && !spec.member("nodeAffinity").is_set() {
            causes.required(&spec.member("nodeAffinity"));
        }
    }
    if given == 0 {
        causes.required(spec);
    }
    let path = spec.member("hostPath").member("path");
    if path.text() == "/" && spec.member("persistentVolumeReclaimPolicy").text() == "Recycle" {
        causes.forbidden(
            &spec.member("persistentVolumeReclaimPolicy"),
            "may not be 'recycle' for a hostPath mount of '/'",
        );
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    if update.subresource == Some("status") {
        return;
    }
    create(update.new, causes);
    let (new, old) = (update.new.member("spec"), update.old.member("spec"));
    if sources_of(&new) != sources_of(&old) {
        causes.forbidden(
            &new.member("persistentvolumesource"),
            "spec.persistentvolumesource is immutable after creation",
        );
    }
    let attributes = new.member("volumeAttributesClassName");
    if old.member("volumeAttributesClassName").is_set() && !attributes.is_set() {
        causes.forbidden(&attributes, "update from non-nil value to nil is forbidden");
    }
    // The reference reports these without `spec`.
    let at_root = |member| new.member(member).reported_at(&update.new.member(member));
    causes.immutable(&at_root("volumeMode"), &old.member("volumeMode"));
    if old.member("nodeAffinity").is_set() {
        causes.immutable(&at_root("nodeAffinity"), &old.member("nodeAffinity"));
    }
}

/// The source, but for a secret that expansion may add.
fn sources_of(spec: &Field<'_>) -> Object {
    let mut sources = spec.object().cloned().unwrap_or_default();
    sources.retain(|member, _| SOURCES.iter().any(|(source, _)| source == member));
    if let Some(csi) = sources.get_mut("csi").and_then(Value::as_object_mut) {
        csi.remove("controllerExpandSecretRef");
    }
    sources
}
