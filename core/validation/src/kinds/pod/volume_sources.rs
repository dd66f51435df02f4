//! The sources that a volume may have, in the reference's order.

use gantry_kinds::{
    FieldName,
    fields::{
        core_v1::{
            AzureFileVolumeSource, CSIVolumeSource, CephFSVolumeSource, ClusterTrustBundleProjection,
            ConfigMapVolumeSource, DownwardAPIProjection, DownwardAPIVolumeFile, DownwardAPIVolumeSource,
            EmptyDirVolumeSource, EphemeralVolumeSource, GitRepoVolumeSource, GlusterfsVolumeSource, ImageVolumeSource,
            KeyToPath, LocalObjectReference, PersistentVolumeClaimTemplate, PersistentVolumeClaimVolumeSource,
            PhotonPersistentDiskVolumeSource, PodCertificateProjection, PortworxVolumeSource, ProjectedVolumeSource,
            RBDVolumeSource, ScaleIOVolumeSource, SecretProjection, SecretVolumeSource, ServiceAccountTokenProjection,
            Volume, VolumeProjection, VsphereVirtualDiskVolumeSource,
        },
        meta_v1::ObjectMeta,
    },
};

use super::env;
use crate::{
    field::{Causes, Field},
    kinds, metadata, names,
    ratchet::Ratchet,
    rules::{
        numbers, paths, resources,
        volume_sources::{self as shared, required},
    },
};

const MODE_MAX: i64 = 0o777;
const TOKEN_MIN_SECONDS: i64 = 600;
const TOKEN_MAX_SECONDS: i64 = 1 << 32;

type Check = fn(&Field<'_>, &mut Causes);

/// Member and check of each source.
pub(super) const SOURCES: [(FieldName, Check); 30] = [
    (Volume::EMPTY_DIR, empty_dir),
    (Volume::HOST_PATH, shared::host_path),
    (Volume::GIT_REPO, git_repo),
    (Volume::GCE_PERSISTENT_DISK, shared::persistent_disk),
    (Volume::AWS_ELASTIC_BLOCK_STORE, shared::elastic_block_store),
    (Volume::SECRET, |s, c| keyed(s, SecretVolumeSource::SECRET_NAME, c)),
    (Volume::NFS, shared::nfs),
    (Volume::ISCSI, shared::iscsi),
    (Volume::GLUSTERFS, |s, c| required(s, &[GlusterfsVolumeSource::ENDPOINTS, GlusterfsVolumeSource::PATH], c)),
    (Volume::FLOCKER, shared::flocker),
    (Volume::PERSISTENT_VOLUME_CLAIM, |s, c| required(s, &[PersistentVolumeClaimVolumeSource::CLAIM_NAME], c)),
    (Volume::RBD, |s, c| required(s, &[RBDVolumeSource::MONITORS, RBDVolumeSource::IMAGE], c)),
    (Volume::CINDER, |s, c| shared::cinder(s, &[LocalObjectReference::NAME], c)),
    (Volume::CEPHFS, |s, c| required(s, &[CephFSVolumeSource::MONITORS], c)),
    (Volume::QUOBYTE, shared::quobyte),
    (Volume::DOWNWARD_API, downward_api),
    (Volume::FC, shared::fibre_channel),
    (Volume::FLEX_VOLUME, shared::flex_volume),
    (Volume::CONFIG_MAP, |s, c| keyed(s, ConfigMapVolumeSource::NAME, c)),
    (Volume::AZURE_FILE, |s, c| {
        required(s, &[AzureFileVolumeSource::SECRET_NAME, AzureFileVolumeSource::SHARE_NAME], c)
    }),
    (Volume::VSPHERE_VOLUME, |s, c| required(s, &[VsphereVirtualDiskVolumeSource::VOLUME_PATH], c)),
    (Volume::PHOTON_PERSISTENT_DISK, |s, c| required(s, &[PhotonPersistentDiskVolumeSource::PD_ID], c)),
    (Volume::PORTWORX_VOLUME, |s, c| required(s, &[PortworxVolumeSource::VOLUME_ID], c)),
    (Volume::AZURE_DISK, shared::azure_disk),
    (Volume::STORAGEOS, |s, c| shared::storage_os(s, &[LocalObjectReference::NAME], c)),
    (Volume::PROJECTED, projected),
    (Volume::SCALE_IO, scale_io),
    (Volume::CSI, csi),
    (Volume::EPHEMERAL, ephemeral),
    (Volume::IMAGE, image),
];

fn scale_io(source: &Field<'_>, causes: &mut Causes) {
    type Source = ScaleIOVolumeSource;
    required(source, &[Source::GATEWAY, Source::SYSTEM, Source::VOLUME_NAME], causes);
}

fn empty_dir(source: &Field<'_>, causes: &mut Causes) {
    let limit = source.member(EmptyDirVolumeSource::SIZE_LIMIT);
    if resources::amount(&limit).is_some_and(|amount| amount.signum() < 0) {
        causes.forbidden(&limit, "SizeLimit field must be a valid resource quantity");
    }
}

fn git_repo(source: &Field<'_>, causes: &mut Causes) {
    causes.require(&source.member(GitRepoVolumeSource::REPOSITORY));
    paths::local_descending(&source.member(GitRepoVolumeSource::DIRECTORY), causes);
}

/// A Secret or ConfigMap with its files.
fn keyed(source: &Field<'_>, name: FieldName, causes: &mut Causes) {
    causes.require(&source.member(name));
    numbers::in_range(&source.member(SecretVolumeSource::DEFAULT_MODE), 0, MODE_MAX, causes);
    source.member(SecretVolumeSource::ITEMS).items().for_each(|item| key_to_path(&item, causes));
}

fn key_to_path(item: &Field<'_>, causes: &mut Causes) {
    causes.require(&item.member(KeyToPath::KEY));
    let path = item.member(KeyToPath::PATH);
    causes.require(&path);
    paths::local_non_reserved(&path, causes);
    numbers::in_range(&item.member(KeyToPath::MODE), 0, MODE_MAX, causes);
}

fn downward_api(source: &Field<'_>, causes: &mut Causes) {
    numbers::in_range(&source.member(DownwardAPIVolumeSource::DEFAULT_MODE), 0, MODE_MAX, causes);
    downward_files(source, causes);
}

/// The reference reports what is wrong with a file at its source.
fn downward_files(source: &Field<'_>, causes: &mut Causes) {
    source
        .member(DownwardAPIProjection::ITEMS)
        .items()
        .for_each(|file| downward_file(&file.reported_at(source), causes));
}

fn downward_file(file: &Field<'_>, causes: &mut Causes) {
    let (path, field, resource) = (
        file.member(DownwardAPIVolumeFile::PATH),
        file.member(DownwardAPIVolumeFile::FIELD_REF),
        file.member(DownwardAPIVolumeFile::RESOURCE_FIELD_REF),
    );
    causes.require(&path);
    paths::local_non_reserved(&path, causes);
    if field.is_set() {
        env::volume_field_selector(&field, causes);
        if resource.is_set() {
            causes.invalid(file, "fieldRef and resourceFieldRef can not be specified simultaneously");
        }
    } else if resource.is_set() {
        env::resource_selector(&resource, true, causes);
    } else {
        causes.required(file);
    }
    numbers::in_range(&file.member(DownwardAPIVolumeFile::MODE), 0, MODE_MAX, causes);
}

fn projected(source: &Field<'_>, causes: &mut Causes) {
    numbers::in_range(&source.member(ProjectedVolumeSource::DEFAULT_MODE), 0, MODE_MAX, causes);
    let mut files: Vec<&str> = Vec::new();
    for part in source.member(ProjectedVolumeSource::SOURCES).items() {
        projection(source, &part, &mut files, causes);
    }
}

/// One part of a projected volume. The reference finds nothing wrong with one that names no source.
fn projection<'a>(source: &Field<'a>, part: &Field<'a>, files: &mut Vec<&'a str>, causes: &mut Causes) {
    const KINDS: [FieldName; 6] = [
        VolumeProjection::SECRET,
        VolumeProjection::CONFIG_MAP,
        VolumeProjection::DOWNWARD_API,
        VolumeProjection::SERVICE_ACCOUNT_TOKEN,
        VolumeProjection::CLUSTER_TRUST_BUNDLE,
        VolumeProjection::POD_CERTIFICATE,
    ];
    let given: Vec<FieldName> = KINDS.into_iter().filter(|kind| part.member(*kind).is_set()).collect();
    for &kind in &given {
        let projection = part.member(kind);
        projected_kind(kind, &projection, source, causes);
        for path in files_of(kind, &projection) {
            if files.contains(&path) {
                causes.invalid(source, "conflicting duplicate paths");
            }
            files.push(path);
        }
    }
    if given.len() > 1 {
        causes.forbidden(part, "may not specify more than 1 volume type per source");
    }
}

/// The files that must not be another's too. A token's is not among them.
fn files_of<'a>(kind: FieldName, projection: &Field<'a>) -> Vec<&'a str> {
    let members: &[FieldName] = match kind {
        VolumeProjection::CLUSTER_TRUST_BUNDLE => &[ClusterTrustBundleProjection::PATH],
        VolumeProjection::POD_CERTIFICATE => &[
            PodCertificateProjection::CREDENTIAL_BUNDLE_PATH,
            PodCertificateProjection::KEY_PATH,
            PodCertificateProjection::CERTIFICATE_CHAIN_PATH,
        ],
        _ => &[],
    };
    let items = projection.member(SecretProjection::ITEMS).items().map(|item| item.member(KeyToPath::PATH).text());
    let own = members.iter().map(|member| projection.member(*member).text());
    items.chain(own).filter(|path| !path.is_empty()).collect()
}

fn projected_kind(kind: FieldName, projection: &Field<'_>, source: &Field<'_>, causes: &mut Causes) {
    match kind {
        VolumeProjection::SECRET | VolumeProjection::CONFIG_MAP => {
            causes.require(&projection.member(SecretProjection::NAME));
            projection.member(SecretProjection::ITEMS).items().for_each(|item| key_to_path(&item, causes));
        }
        VolumeProjection::DOWNWARD_API => downward_files(projection, causes),
        VolumeProjection::SERVICE_ACCOUNT_TOKEN => account_token(projection, source, causes),
        VolumeProjection::CLUSTER_TRUST_BUNDLE => {
            type Bundle = ClusterTrustBundleProjection;
            let (name, signer) = (projection.member(Bundle::NAME), projection.member(Bundle::SIGNER_NAME));
            if name.is_set() == signer.is_set() {
                causes.required(projection);
            }
            causes.require(&projection.member(Bundle::PATH));
        }
        _ => required(projection, &[PodCertificateProjection::SIGNER_NAME, PodCertificateProjection::KEY_TYPE], causes),
    }
}

/// The reference reports the file of a token at the volume's source.
fn account_token(token: &Field<'_>, source: &Field<'_>, causes: &mut Causes) {
    let (seconds, path) = (
        token.member(ServiceAccountTokenProjection::EXPIRATION_SECONDS),
        token.member(ServiceAccountTokenProjection::PATH).reported_at(&source.member(KeyToPath::PATH)),
    );
    if seconds.int().is_some_and(|n| n < TOKEN_MIN_SECONDS) {
        causes.invalid(&seconds, "may not specify a duration less than 10 minutes");
    }
    if seconds.int().is_some_and(|n| n > TOKEN_MAX_SECONDS) {
        causes.invalid(&seconds, "may not specify a duration larger than 2^32 seconds");
    }
    if causes.require(&path) {
        causes.ratcheted(Ratchet::TokenPath, |causes| paths::local_non_reserved(&path, causes));
    }
}

fn image(source: &Field<'_>, causes: &mut Causes) {
    causes.require_one_of(&source.member(ImageVolumeSource::PULL_POLICY), &["Always", "IfNotPresent", "Never"]);
}

fn csi(source: &Field<'_>, causes: &mut Causes) {
    shared::csi_driver(&source.member(CSIVolumeSource::DRIVER), causes);
    let secret = source.member(CSIVolumeSource::NODE_PUBLISH_SECRET_REF);
    if secret.is_set() {
        let name = secret.member(LocalObjectReference::NAME);
        if causes.require(&name) {
            // The reference reports its form at a member of the source.
            causes.invalid_each(
                &name.reported_at(&source.member(SecretProjection::NAME)),
                names::dns_subdomain(name.text()),
            );
        }
    }
}

/// A template has labels and annotations, and nothing else of metadata.
fn ephemeral(source: &Field<'_>, causes: &mut Causes) {
    let template = source.member(EphemeralVolumeSource::VOLUME_CLAIM_TEMPLATE);
    if !template.is_set() {
        return causes.required(&template);
    }
    let meta = template.member(PersistentVolumeClaimTemplate::METADATA);
    metadata::annotations(&meta.member(ObjectMeta::ANNOTATIONS), causes);
    metadata::labels(&meta.member(ObjectMeta::LABELS), causes);
    for (member, _) in meta.entries().filter(|(member, _)| !matches!(*member, "annotations" | "labels")) {
        if !meta.untyped_member(member).is_empty() {
            causes.forbidden(&meta.untyped_member(member), "cannot be set");
        }
    }
    kinds::persistent_volume_claim::spec(&template.member(PersistentVolumeClaimTemplate::SPEC), causes);
}
