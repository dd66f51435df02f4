//! PersistentVolume.

use gantry_kinds::{
    FieldName,
    fields::{
        core_v1::{
            AzureFilePersistentVolumeSource, CSIPersistentVolumeSource, CephFSPersistentVolumeSource,
            GlusterfsPersistentVolumeSource, HostPathVolumeSource, LocalVolumeSource, PersistentVolume,
            PersistentVolumeSpec as Spec, PhotonPersistentDiskVolumeSource, PortworxVolumeSource,
            RBDPersistentVolumeSource, ScaleIOPersistentVolumeSource, SecretReference, VolumeNodeAffinity,
            VsphereVirtualDiskVolumeSource,
        },
        meta_v1::ObjectMeta,
    },
};
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
const SOURCES: [(FieldName, Check); 22] = [
    (Spec::HOST_PATH, |s, _, c| shared::host_path(s, c)),
    (Spec::GCE_PERSISTENT_DISK, |s, _, c| shared::persistent_disk(s, c)),
    (Spec::AWS_ELASTIC_BLOCK_STORE, |s, _, c| shared::elastic_block_store(s, c)),
    (Spec::GLUSTERFS, |s, _, c| glusterfs(s, c)),
    (Spec::FLOCKER, |s, _, c| shared::flocker(s, c)),
    (Spec::NFS, |s, _, c| shared::nfs(s, c)),
    (Spec::RBD, |s, _, c| required(s, &[RBDPersistentVolumeSource::MONITORS, RBDPersistentVolumeSource::IMAGE], c)),
    (Spec::QUOBYTE, |s, _, c| shared::quobyte(s, c)),
    (Spec::CEPHFS, |s, _, c| required(s, &[CephFSPersistentVolumeSource::MONITORS], c)),
    (Spec::ISCSI, |s, volume, c| shared::persistent_iscsi(s, volume.name, c)),
    (Spec::CINDER, |s, _, c| shared::cinder(s, &SECRET, c)),
    (Spec::FC, |s, _, c| shared::fibre_channel(s, c)),
    (Spec::FLEX_VOLUME, |s, _, c| shared::flex_volume(s, c)),
    (Spec::AZURE_FILE, |s, _, c| azure_file(s, c)),
    (Spec::VSPHERE_VOLUME, |s, _, c| required(s, &[VsphereVirtualDiskVolumeSource::VOLUME_PATH], c)),
    (Spec::PHOTON_PERSISTENT_DISK, |s, _, c| required(s, &[PhotonPersistentDiskVolumeSource::PD_ID], c)),
    (Spec::PORTWORX_VOLUME, |s, _, c| required(s, &[PortworxVolumeSource::VOLUME_ID], c)),
    (Spec::AZURE_DISK, |s, _, c| shared::azure_disk(s, c)),
    (Spec::SCALE_IO, |s, _, c| scale_io(s, c)),
    (Spec::LOCAL, |s, _, c| local(s, c)),
    (Spec::STORAGEOS, |s, _, c| shared::storage_os(s, &SECRET, c)),
    (Spec::CSI, |s, _, c| shared::persistent_csi(s, c)),
];
/// Members of a secret's reference from outside any namespace.
const SECRET: [FieldName; 2] = [SecretReference::NAME, SecretReference::NAMESPACE];

fn scale_io(source: &Field<'_>, causes: &mut Causes) {
    type Source = ScaleIOPersistentVolumeSource;
    required(source, &[Source::GATEWAY, Source::SYSTEM, Source::VOLUME_NAME], causes);
}

fn glusterfs(source: &Field<'_>, causes: &mut Causes) {
    required(source, &[GlusterfsPersistentVolumeSource::ENDPOINTS, GlusterfsPersistentVolumeSource::PATH], causes);
    let namespace = source.member(GlusterfsPersistentVolumeSource::ENDPOINTS_NAMESPACE);
    if namespace.is_set() {
        causes.invalid_each(&namespace, names::dns_label(namespace.text()));
    }
}

fn azure_file(source: &Field<'_>, causes: &mut Causes) {
    required(
        source,
        &[AzureFilePersistentVolumeSource::SECRET_NAME, AzureFilePersistentVolumeSource::SHARE_NAME],
        causes,
    );
    let namespace = source.member(AzureFilePersistentVolumeSource::SECRET_NAMESPACE);
    if namespace.is_set() {
        causes.require(&namespace);
    }
}

fn local(source: &Field<'_>, causes: &mut Causes) {
    required(source, &[LocalVolumeSource::PATH], causes);
    paths::no_backsteps(&source.member(LocalVolumeSource::PATH), causes);
}

pub fn create(object: Root<'_>, causes: &mut Causes) {
    volume(object, causes);
    annotated_mount_options(object, causes);
}

fn volume(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member(PersistentVolume::SPEC);
    access_modes(&spec.member(Spec::ACCESS_MODES), causes);
    capacity(&spec.member(Spec::CAPACITY), causes);
    let reclaim = spec.member(Spec::PERSISTENT_VOLUME_RECLAIM_POLICY);
    if !reclaim.is_empty() {
        causes.one_of(&reclaim, &["Delete", "Recycle", "Retain"]);
    }
    let affinity = spec.member(Spec::NODE_AFFINITY);
    if affinity.is_set() {
        match affinity.member(VolumeNodeAffinity::REQUIRED).is_set() {
            true => pod::node_selector(&affinity.member(VolumeNodeAffinity::REQUIRED), causes),
            false => causes.required(&affinity.member(VolumeNodeAffinity::REQUIRED)),
        }
    }
    source(&spec, Context { name: object.name() }, causes);
    let class = spec.member(Spec::STORAGE_CLASS_NAME);
    if !class.is_empty() {
        causes.invalid_each(&class, names::dns_subdomain(class.text()));
    }
    let mode = spec.member(Spec::VOLUME_MODE);
    if mode.is_set() {
        causes.one_of(&mode, &["Block", "Filesystem"]);
    }
    attributes_class(&spec, causes);
}

const NOT_INLINE: &str = "may not be specified in the context of inline volumes";

/// The specification of a volume within another object, which is a driver's and nobody's claim.
pub fn inline(spec: &Field<'_>, causes: &mut Causes) {
    let forbidden = |members: &[FieldName], causes: &mut Causes| {
        for field in members.iter().map(|member| spec.member(*member)).filter(|field| !field.is_empty()) {
            causes.forbidden(&field, NOT_INLINE);
        }
    };
    if spec.member(Spec::CLAIM_REF).is_set() {
        causes.forbidden(&spec.member(Spec::CLAIM_REF), NOT_INLINE);
    }
    forbidden(&[Spec::CAPACITY], causes);
    if !spec.member(Spec::CSI).is_set() {
        causes.required(&spec.member(Spec::CSI));
    }
    access_modes(&spec.member(Spec::ACCESS_MODES), causes);
    let (reclaim, mode) = (spec.member(Spec::PERSISTENT_VOLUME_RECLAIM_POLICY), spec.member(Spec::VOLUME_MODE));
    if !matches!(reclaim.text(), "" | "Retain") {
        causes.forbidden(&reclaim, "may only be Retain in the context of inline volumes");
    }
    if spec.member(Spec::NODE_AFFINITY).is_set() {
        causes.forbidden(&spec.member(Spec::NODE_AFFINITY), "may not be specified in the context of inline volumes");
    }
    source(spec, Context { name: "" }, causes);
    forbidden(&[Spec::STORAGE_CLASS_NAME], causes);
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
        if given > 1 && member != Spec::FLEX_VOLUME {
            causes.forbidden(&surplus(&source, member), "may not specify more than 1 volume type");
            continue;
        }
        check(&source, context, causes);
        if member == Spec::LOCAL && !spec.member(Spec::NODE_AFFINITY).is_set() {
            causes.required(&spec.member(Spec::NODE_AFFINITY));
        }
    }
    if given == 0 {
        causes.required(spec);
    }
    if is_root(spec.member(Spec::HOST_PATH).member(HostPathVolumeSource::PATH).text())
        && spec.member(Spec::PERSISTENT_VOLUME_RECLAIM_POLICY).text() == "Recycle"
    {
        causes.forbidden(
            &spec.member(Spec::PERSISTENT_VOLUME_RECLAIM_POLICY),
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
    let class = spec.member(Spec::VOLUME_ATTRIBUTES_CLASS_NAME);
    if !class.is_set() {
        return;
    }
    if causes.require(&class) {
        causes.invalid_each(&class, names::dns_subdomain(class.text()));
    }
    if !spec.member(Spec::CSI).is_set() {
        causes.required(&spec.member(Spec::CSI));
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
    let (new, old) = (update.new.member(PersistentVolume::SPEC), update.old.member(PersistentVolume::SPEC));
    if sources_of(&new, &old) != sources_of(&old, &old) {
        causes.forbidden(
            &new.untyped_member("persistentvolumesource"),
            "spec.persistentvolumesource is immutable after creation",
        );
    }
    // The reference reports these without `spec`.
    let at_root = |member| new.member(member).reported_at(&update.new.member(member));
    causes.immutable(&at_root(Spec::VOLUME_MODE), &old.member(Spec::VOLUME_MODE));
    let (affinity, was) = (at_root(Spec::NODE_AFFINITY), old.member(Spec::NODE_AFFINITY));
    if was.is_set() && !affinity.value().is_some_and(|is| was.value().is_some_and(|was| is_same_place(is, was))) {
        causes.invalid(&affinity, "field is immutable, except for updating from beta label to GA");
    }
    let attributes = new.member(Spec::VOLUME_ATTRIBUTES_CLASS_NAME);
    if old.member(Spec::VOLUME_ATTRIBUTES_CLASS_NAME).is_set() && !attributes.is_set() {
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
    // That a key is missing is said elsewhere, and the reference leaves it at that.
    new == old || *new == "" || LABELS_SINCE_BETA.iter().any(|(beta, since)| *old == *beta && *new == *since)
}

/// Members of `spec` whose volumes are mounted with options.
const MOUNTED_WITH_OPTIONS: [FieldName; 13] = [
    Spec::GCE_PERSISTENT_DISK,
    Spec::AWS_ELASTIC_BLOCK_STORE,
    Spec::GLUSTERFS,
    Spec::NFS,
    Spec::RBD,
    Spec::QUOBYTE,
    Spec::ISCSI,
    Spec::CINDER,
    Spec::CEPHFS,
    Spec::AZURE_FILE,
    Spec::VSPHERE_VOLUME,
    Spec::AZURE_DISK,
    Spec::PHOTON_PERSISTENT_DISK,
];
pub const MOUNT_OPTIONS: &str = "volume.beta.kubernetes.io/mount-options";

fn annotated_mount_options(object: Root<'_>, causes: &mut Causes) {
    let (annotations, spec) = (
        object.member(PersistentVolume::METADATA).member(ObjectMeta::ANNOTATIONS),
        object.member(PersistentVolume::SPEC),
    );
    let is_mounted = MOUNTED_WITH_OPTIONS.iter().any(|source| spec.member(*source).is_set());
    if !is_mounted && annotations.property(MOUNT_OPTIONS).is_some() {
        causes.forbidden(
            &annotations.untyped_member(MOUNT_OPTIONS),
            "may not specify mount options for this volume type",
        );
    }
}

/// The source, but for a secret for expansion that the old volume lacks.
fn sources_of(spec: &Field<'_>, old: &Field<'_>) -> Object {
    let mut sources = spec.object().cloned().unwrap_or_default();
    sources.retain(|member, _| SOURCES.iter().any(|(source, _)| source.as_str() == member));
    let lacks_it = !old.member(Spec::CSI).member(CSIPersistentVolumeSource::CONTROLLER_EXPAND_SECRET_REF).is_set();
    if let Some(csi) = sources.get_mut(Spec::CSI.as_str()).and_then(Value::as_object_mut).filter(|_| lacks_it) {
        csi.remove(CSIPersistentVolumeSource::CONTROLLER_EXPAND_SECRET_REF.as_str());
    }
    sources
}
