//! Files of a volume that would lie upon each other.

use std::fmt;

use gantry_kinds::fields::core_v1::{
    ClusterTrustBundleProjection, ConfigMapVolumeSource, KeyToPath, PodCertificateProjection, ProjectedVolumeSource,
    SecretProjection, SecretVolumeSource, ServiceAccountTokenProjection, Volume, VolumeProjection,
};

use super::Found;
use crate::field::Field;

/// Files of config maps, secrets, downward API and projections with the same path, or one within the other.
pub(super) fn overlaps(volume: &Field<'_>, found: &mut Found) {
    let name = volume.member(Volume::NAME).text();
    for (member, kind, named_by) in [
        (Volume::CONFIG_MAP, "ConfigMap", Some(ConfigMapVolumeSource::NAME)),
        (Volume::SECRET, "Secret", Some(SecretVolumeSource::SECRET_NAME)),
        (Volume::DOWNWARD_API, "DownwardAPI", None),
    ] {
        let source = volume.member(member);
        let files = items(&source, String::new());
        let named = named_by.map(|named_by| source.member(named_by).text()).unwrap_or_default();
        of_one_volume(name, &described(kind, named), files, found);
    }
    let mut all = Vec::new();
    for source in volume.member(Volume::PROJECTED).member(ProjectedVolumeSource::SOURCES).items() {
        if source.is_empty() {
            found.push(format!("volume {name:?} (Projected) has a source that is empty"));
        }
        all.extend(projected(&source));
    }
    of_one_volume(name, "Projected", all, found);
}

fn of_one_volume(volume: &str, source: &str, files: Vec<File<'_>>, found: &mut Found) {
    for (at, file) in files.iter().enumerate() {
        for other in files[..at].iter().filter(|other| file.overlaps(other)) {
            found.push(format!("volume {volume:?} ({source}): overlapping paths: {file} with {other}"));
        }
    }
}

fn described(kind: &str, name: &str) -> String {
    if name.is_empty() { kind.to_owned() } else { format!("{kind} {name:?}") }
}

struct File<'a> {
    path: &'a str,
    /// Empty where a volume has one source.
    source: String,
}

impl<'a> File<'a> {
    fn new(path: &'a str, source: String) -> Self {
        Self { path: path.trim_end_matches('/'), source }
    }

    fn overlaps(&self, other: &Self) -> bool {
        let within = |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
        let (one, two) = (self.path, other.path);
        !one.is_empty() && !two.is_empty() && (one == two || within(one, two) || within(two, one))
    }
}

impl fmt::Display for File<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.path)?;
        if self.source.is_empty() { Ok(()) } else { write!(f, " ({})", self.source) }
    }
}

fn items<'a>(source: &Field<'a>, described: String) -> Vec<File<'a>> {
    source
        .member(SecretProjection::ITEMS)
        .items()
        .map(|item| File::new(item.member(KeyToPath::PATH).text(), described.clone()))
        .collect()
}

/// The files of one source of a projection.
fn projected<'a>(source: &Field<'a>) -> Vec<File<'a>> {
    for (member, kind) in [
        (VolumeProjection::CONFIG_MAP, "ConfigMap"),
        (VolumeProjection::SECRET, "Secret"),
        (VolumeProjection::DOWNWARD_API, "DownwardAPI"),
    ] {
        let inner = source.member(member);
        if inner.member(SecretProjection::ITEMS).is_set() {
            return items(&inner, described(kind, inner.member(SecretProjection::NAME).text()));
        }
    }
    let (token, bundle) =
        (source.member(VolumeProjection::SERVICE_ACCOUNT_TOKEN), source.member(VolumeProjection::CLUSTER_TRUST_BUNDLE));
    if token.is_set() {
        return vec![File::new(token.member(ServiceAccountTokenProjection::PATH).text(), "ServiceAccountToken".into())];
    }
    if bundle.is_set() {
        let name = [
            bundle.member(ClusterTrustBundleProjection::NAME),
            bundle.member(ClusterTrustBundleProjection::SIGNER_NAME),
        ]
        .into_iter()
        .find(Field::is_set);
        let described = described("ClusterTrustBundle", name.map(|name| name.text()).unwrap_or_default());
        return vec![File::new(bundle.member(KeyToPath::PATH).text(), described)];
    }
    let certificate = source.member(VolumeProjection::POD_CERTIFICATE);
    let files = [
        (PodCertificateProjection::CERTIFICATE_CHAIN_PATH, "PodCertificate chain"),
        (PodCertificateProjection::KEY_PATH, "PodCertificate key"),
        (PodCertificateProjection::CREDENTIAL_BUNDLE_PATH, "PodCertificate credential bundle"),
    ];
    let files = files.map(|(member, described)| File::new(certificate.member(member).text(), described.into()));
    files.into_iter().filter(|file| !file.path.is_empty()).collect()
}
