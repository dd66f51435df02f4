//! PersistentVolume.

use gantry_meta::{Object, Value};

use super::{persistent_volume_claim::access_modes, pod};
use crate::{
    field::{Causes, Field, Root},
    names,
    rules::{
        paths,
        resources::amount,
        volume_sources::{self as shared, required, surplus},
    },
    table::{Look, Update},
};

type Check = fn(&Field<'_>, Context<'_>, &mut Causes);

/// What the check of a source may ask about besides the source.
#[derive(Clone, Copy)]
struct Context<'a> {
    /// Of the volume.
    name: &'a str,
}

/// Member and check of each source, in the reference's order.
const SOURCES: [(&str, Check); 22] = [
    ("hostPath", |s, _, c| shared::host_path(s, c)),
    ("gcePersistentDisk", |s, _, c| shared::persistent_disk(s, c)),
    ("awsElasticBlockStore", |s, _, c| shared::elastic_block_store(s, c)),
    ("glusterfs", |s, _, c| glusterfs(s, c)),
    ("flocker", |s, _, c| shared::flocker(s, c)),
    ("nfs", |s, _, c| shared::nfs(s, c)),
    ("rbd", |s, _, c| required(s, &["monitors", "image"], c)),
    ("quobyte", |s, _, c| shared::quobyte(s, c)),
    ("cephfs", |s, _, c| required(s, &["monitors"], c)),
    ("iscsi", |s, volume, c| shared::persistent_iscsi(s, volume.name, c)),
    ("cinder", |s, _, c| shared::cinder(s, &SECRET, c)),
    ("fc", |s, _, c| shared::fibre_channel(s, c)),
    ("flexVolume", |s, _, c| shared::flex_volume(s, c)),
    ("azureFile", |s, _, c| azure_file(s, c)),
    ("vsphereVolume", |s, _, c| required(s, &["volumePath"], c)),
    ("photonPersistentDisk", |s, _, c| required(s, &["pdID"], c)),
    ("portworxVolume", |s, _, c| required(s, &["volumeID"], c)),
    ("azureDisk", |s, _, c| shared::azure_disk(s, c)),
    ("scaleIO", |s, _, c| required(s, &["gateway", "system", "volumeName"], c)),
    ("local", |s, _, c| local(s, c)),
    ("storageos", |s, _, c| shared::storage_os(s, &SECRET, c)),
    ("csi", |s, _, c| shared::persistent_csi(s, c)),
];
/// Members of a secret's reference from outside any namespace.
const SECRET: [&str; 2] = ["name", "namespace"];

fn glusterfs(source: &Field<'_>, causes: &mut Causes) {
    required(source, &["endpoints", "path"], causes);
    let namespace = source.member("endpointsNamespace");
    if namespace.is_set() {
        causes.invalid_each(&namespace, names::dns_label(namespace.text()));
    }
}

fn azure_file(source: &Field<'_>, causes: &mut Causes) {
    required(source, &["secretName", "shareName"], causes);
    let namespace = source.member("secretNamespace");
    if namespace.is_set() {
        causes.require(&namespace);
    }
}

fn local(source: &Field<'_>, causes: &mut Causes) {
    required(source, &["path"], causes);
    paths::no_backsteps(&source.member("path"), causes);
}

pub fn create(object: Root<'_>, causes: &mut Causes) {
    volume(object, causes);
    annotated_mount_options(object, causes);
}

fn volume(object: Root<'_>, causes: &mut Causes) {
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
    source(&spec, Context { name: object.name() }, causes);
    let class = spec.member("storageClassName");
    if !class.is_empty() {
        causes.invalid_each(&class, names::dns_subdomain(class.text()));
    }
    let mode = spec.member("volumeMode");
    if mode.is_set() {
        causes.one_of(&mode, &["Block", "Filesystem"]);
    }
    attributes_class(&spec, causes);
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
    let (reclaim, mode) = (spec.member("persistentVolumeReclaimPolicy"), spec.member("volumeMode"));
    if !matches!(reclaim.text(), "" | "Retain") {
        causes.forbidden(&reclaim, "may only be Retain in the context of inline volumes");
    }
    if spec.member("nodeAffinity").is_set() {
        causes.forbidden(&spec.member("nodeAffinity"), "may not be specified in the context of inline volumes");
    }
    source(spec, Context { name: "" }, causes);
    forbidden(&["storageClassName"], causes);
    if mode.is_set() && mode.text() != "Filesystem" {
        causes.forbidden(&mode, "may only be Filesystem in the context of inline volumes");
    }
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

fn source(spec: &Field<'_>, context: Context<'_>, causes: &mut Causes) {
    let mut given = 0;
    for (member, check) in SOURCES {
        let source = spec.member(member);
        if !source.is_set() {
            continue;
        }
        given += 1;
        // The reference never finds this one to be one too many.
        if given > 1 && member != "flexVolume" {
            causes.forbidden(&surplus(&source, member), "may not specify more than 1 volume type");
            continue;
        }
        check(&source, context, causes);
        if member == "local" && !spec.member("nodeAffinity").is_set() {
            causes.required(&spec.member("nodeAffinity"));
        }
    }
    if given == 0 {
        causes.required(spec);
    }
    if is_root(spec.member("hostPath").member("path").text())
        && spec.member("persistentVolumeReclaimPolicy").text() == "Recycle"
    {
        causes.forbidden(
            &spec.member("persistentVolumeReclaimPolicy"),
            "may not be 'recycle' for a hostPath mount of '/'",
        );
    }
}

/// True for `/`, however it is spelled.
fn is_root(path: &str) -> bool {
    path.starts_with('/') && path.split('/').all(|step| matches!(step, "" | "." | ".."))
}

/// The class of attributes of a volume that a CSI driver can modify.
fn attributes_class(spec: &Field<'_>, causes: &mut Causes) {
    let class = spec.member("volumeAttributesClassName");
    if !class.is_set() {
        return;
    }
    if causes.require(&class) {
        causes.invalid_each(&class, names::dns_subdomain(class.text()));
    }
    if !spec.member("csi").is_set() {
        causes.required(&spec.member("csi"));
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    if update.subresource == Some("status") {
        return;
    }
    // The reference looks at all of it twice.
    update.look(Look::Whole, causes);
    create(update.new, causes);
    update.look(Look::Whole, causes);
    volume(update.new, causes);
    let (new, old) = (update.new.member("spec"), update.old.member("spec"));
    if sources_of(&new, &old) != sources_of(&old, &old) {
        causes.forbidden(
            &new.member("persistentvolumesource"),
            "spec.persistentvolumesource is immutable after creation",
        );
    }
    // The reference reports these without `spec`.
    let at_root = |member| new.member(member).reported_at(&update.new.member(member));
    causes.immutable(&at_root("volumeMode"), &old.member("volumeMode"));
    let (affinity, was) = (at_root("nodeAffinity"), old.member("nodeAffinity"));
    if was.is_set() && !affinity.value().is_some_and(|is| was.value().is_some_and(|was| is_same_place(is, was))) {
        causes.invalid(&affinity, "field is immutable, except for updating from beta label to GA");
    }
    let attributes = new.member("volumeAttributesClassName");
    if old.member("volumeAttributesClassName").is_set() && !attributes.is_set() {
        causes.forbidden(&attributes, "update from non-nil value to nil is forbidden");
    }
}

/// Labels of nodes that had another name in beta.
const LABELS_SINCE_BETA: [(&str, &str); 5] = [
    ("beta.kubernetes.io/arch", "kubernetes.io/arch"),
    ("beta.kubernetes.io/os", "kubernetes.io/os"),
    ("beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
];

/// Whether two affinities are the same, names of labels in beta and since counting as one.
fn is_same_place(new: &Value, old: &Value) -> bool {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            let same = |(member, new): (&String, &Value)| match old.get(member) {
                Some(old) if member == "key" => is_same_label(new, old),
                Some(old) => is_same_place(new, old),
                None => false,
            };
            new.len() == old.len() && new.iter().all(same)
        }
        (Value::Array(new), Value::Array(old)) => {
            new.len() == old.len() && new.iter().zip(old).all(|(new, old)| is_same_place(new, old))
        }
        _ => new == old,
    }
}

fn is_same_label(new: &Value, old: &Value) -> bool {
    new == old || LABELS_SINCE_BETA.iter().any(|(beta, since)| *old == *beta && *new == *since)
}

/// Members of `spec` whose volumes are mounted with options.
const MOUNTED_WITH_OPTIONS: [&str; 13] = [
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "nfs",
    "rbd",
    "quobyte",
    "iscsi",
    "cinder",
    "cephfs",
    "azureFile",
    "vsphereVolume",
    "azureDisk",
    "photonPersistentDisk",
];
pub const MOUNT_OPTIONS: &str = "volume.beta.kubernetes.io/mount-options";

fn annotated_mount_options(object: Root<'_>, causes: &mut Causes) {
    let (annotations, spec) = (object.member("metadata").member("annotations"), object.member("spec"));
    let is_mounted = MOUNTED_WITH_OPTIONS.iter().any(|source| spec.member(source).is_set());
    if !is_mounted && annotations.property(MOUNT_OPTIONS).is_some() {
        causes.forbidden(&annotations.member(MOUNT_OPTIONS), "may not specify mount options for this volume type");
    }
}

/// The source, but for a secret for expansion that the old volume lacks.
fn sources_of(spec: &Field<'_>, old: &Field<'_>) -> Object {
    let mut sources = spec.object().cloned().unwrap_or_default();
    sources.retain(|member, _| SOURCES.iter().any(|(source, _)| source == member));
    let lacks_it = !old.member("csi").member("controllerExpandSecretRef").is_set();
    if let Some(csi) = sources.get_mut("csi").and_then(Value::as_object_mut).filter(|_| lacks_it) {
        csi.remove("controllerExpandSecretRef");
    }
    sources
}
