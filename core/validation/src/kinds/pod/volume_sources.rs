//! The sources that a volume may have, in the reference's order.

use super::env;
use crate::{
    field::{Causes, Field},
    kinds, metadata, names,
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
pub(super) const SOURCES: [(&str, Check); 30] = [
    ("emptyDir", empty_dir),
    ("hostPath", shared::host_path),
    ("gitRepo", git_repo),
    ("gcePersistentDisk", shared::persistent_disk),
    ("awsElasticBlockStore", shared::elastic_block_store),
    ("secret", |s, c| keyed(s, "secretName", c)),
    ("nfs", shared::nfs),
    ("iscsi", shared::iscsi),
    ("glusterfs", |s, c| required(s, &["endpoints", "path"], c)),
    ("flocker", shared::flocker),
    ("persistentVolumeClaim", |s, c| required(s, &["claimName"], c)),
    ("rbd", |s, c| required(s, &["monitors", "image"], c)),
    ("cinder", |s, c| shared::cinder(s, &["name"], c)),
    ("cephfs", |s, c| required(s, &["monitors"], c)),
    ("quobyte", shared::quobyte),
    ("downwardAPI", downward_api),
    ("fc", shared::fibre_channel),
    ("flexVolume", shared::flex_volume),
    ("configMap", |s, c| keyed(s, "name", c)),
    ("azureFile", |s, c| required(s, &["secretName", "shareName"], c)),
    ("vsphereVolume", |s, c| required(s, &["volumePath"], c)),
    ("photonPersistentDisk", |s, c| required(s, &["pdID"], c)),
    ("portworxVolume", |s, c| required(s, &["volumeID"], c)),
    ("azureDisk", shared::azure_disk),
    ("storageos", |s, c| shared::storage_os(s, &["name"], c)),
    ("projected", projected),
    ("scaleIO", |s, c| required(s, &["gateway", "system", "volumeName"], c)),
    ("csi", csi),
    ("ephemeral", ephemeral),
    ("image", image),
];

fn empty_dir(source: &Field<'_>, causes: &mut Causes) {
    let limit = source.member("sizeLimit");
    if resources::amount(&limit).is_some_and(|amount| amount.signum() < 0) {
        causes.forbidden(&limit, "SizeLimit field must be a valid resource quantity");
    }
}

fn git_repo(source: &Field<'_>, causes: &mut Causes) {
    causes.require(&source.member("repository"));
    paths::local_descending(&source.member("directory"), causes);
}

/// A Secret or ConfigMap with its files.
fn keyed(source: &Field<'_>, name: &'static str, causes: &mut Causes) {
    causes.require(&source.member(name));
    numbers::in_range(&source.member("defaultMode"), 0, MODE_MAX, causes);
    source.member("items").items().for_each(|item| key_to_path(&item, causes));
}

fn key_to_path(item: &Field<'_>, causes: &mut Causes) {
    causes.require(&item.member("key"));
    let path = item.member("path");
    causes.require(&path);
    paths::local_non_reserved(&path, causes);
    numbers::in_range(&item.member("mode"), 0, MODE_MAX, causes);
}

fn downward_api(source: &Field<'_>, causes: &mut Causes) {
    numbers::in_range(&source.member("defaultMode"), 0, MODE_MAX, causes);
    downward_files(source, causes);
}

/// The reference reports what is wrong with a file at its source.
fn downward_files(source: &Field<'_>, causes: &mut Causes) {
    source.member("items").items().for_each(|file| downward_file(&file.reported_at(source), causes));
}

fn downward_file(file: &Field<'_>, causes: &mut Causes) {
    let (path, field, resource) = (file.member("path"), file.member("fieldRef"), file.member("resourceFieldRef"));
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
    numbers::in_range(&file.member("mode"), 0, MODE_MAX, causes);
}

fn projected(source: &Field<'_>, causes: &mut Causes) {
    numbers::in_range(&source.member("defaultMode"), 0, MODE_MAX, causes);
    let mut files: Vec<&str> = Vec::new();
    for part in source.member("sources").items() {
        projection(source, &part, &mut files, causes);
    }
}

/// One part of a projected volume. The reference finds nothing wrong with one that names no source.
fn projection<'a>(source: &Field<'a>, part: &Field<'a>, files: &mut Vec<&'a str>, causes: &mut Causes) {
    const KINDS: [&str; 6] =
        ["secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle", "podCertificate"];
    let given: Vec<&str> = KINDS.into_iter().filter(|kind| part.member(kind).is_set()).collect();
    for kind in &given {
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
fn files_of<'a>(kind: &str, projection: &Field<'a>) -> Vec<&'a str> {
    let members: &[&'static str] = match kind {
        "clusterTrustBundle" => &["path"],
        "podCertificate" => &["credentialBundlePath", "keyPath", "certificateChainPath"],
        _ => &[],
    };
    let items = projection.member("items").items().map(|item| item.member("path").text());
    let own = members.iter().map(|member| projection.member(member).text());
    items.chain(own).filter(|path| !path.is_empty()).collect()
}

fn projected_kind(kind: &str, projection: &Field<'_>, source: &Field<'_>, causes: &mut Causes) {
    match kind {
        "secret" | "configMap" => {
            causes.require(&projection.member("name"));
            projection.member("items").items().for_each(|item| key_to_path(&item, causes));
        }
        "downwardAPI" => downward_files(projection, causes),
        "serviceAccountToken" => account_token(projection, source, causes),
        "clusterTrustBundle" => {
            let (name, signer) = (projection.member("name"), projection.member("signerName"));
            if name.is_set() == signer.is_set() {
                causes.required(projection);
            }
            causes.require(&projection.member("path"));
        }
        _ => required(projection, &["signerName", "keyType"], causes),
    }
}

/// The reference reports the file of a token at the volume's source.
fn account_token(token: &Field<'_>, source: &Field<'_>, causes: &mut Causes) {
    let (seconds, path) = (token.member("expirationSeconds"), token.member("path").reported_at(&source.member("path")));
    if seconds.int().is_some_and(|n| n < TOKEN_MIN_SECONDS) {
        causes.invalid(&seconds, "may not specify a duration less than 10 minutes");
    }
    if seconds.int().is_some_and(|n| n > TOKEN_MAX_SECONDS) {
        causes.invalid(&seconds, "may not specify a duration larger than 2^32 seconds");
    }
    if causes.require(&path) {
        paths::local_non_reserved(&path, causes);
    }
}

fn image(source: &Field<'_>, causes: &mut Causes) {
    causes.require_one_of(&source.member("pullPolicy"), &["Always", "IfNotPresent", "Never"]);
}

fn csi(source: &Field<'_>, causes: &mut Causes) {
    shared::csi_driver(&source.member("driver"), causes);
    let secret = source.member("nodePublishSecretRef");
    if secret.is_set() {
        let name = secret.member("name");
        if causes.require(&name) {
            // The reference reports its form at a member of the source.
            causes.invalid_each(&name.reported_at(&source.member("name")), names::dns_subdomain(name.text()));
        }
    }
}

/// A template has labels and annotations, and nothing else of metadata.
fn ephemeral(source: &Field<'_>, causes: &mut Causes) {
    let template = source.member("volumeClaimTemplate");
    if !template.is_set() {
        return causes.required(&template);
    }
    let meta = template.member("metadata");
    metadata::annotations(&meta.member("annotations"), causes);
    metadata::labels(&meta.member("labels"), causes);
    for (member, _) in meta.entries().filter(|(member, _)| !matches!(*member, "annotations" | "labels")) {
        if !meta.member(member).is_empty() {
            causes.forbidden(&meta.member(member), "cannot be set");
        }
    }
    kinds::persistent_volume_claim::spec(&template.member("spec"), causes);
}
