//! Files of a volume that would lie upon each other.

use std::fmt;

use super::Found;
use crate::field::Field;

/// Files of config maps, secrets, downward API and projections with the same path, or one within the other.
pub(super) fn overlaps(volume: &Field<'_>, found: &mut Found) {
    let name = volume.member("name").text();
    for (member, kind, named_by) in
        [("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName"), ("downwardAPI", "DownwardAPI", "")]
    {
        let source = volume.member(member);
        let files = items(&source, String::new());
        of_one_volume(name, &described(kind, source.member(named_by).text()), files, found);
    }
    let mut all = Vec::new();
    for source in volume.member("projected").member("sources").items() {
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
    source.member("items").items().map(|item| File::new(item.member("path").text(), described.clone())).collect()
}

/// The files of one source of a projection.
fn projected<'a>(source: &Field<'a>) -> Vec<File<'a>> {
    for (member, kind) in [("configMap", "ConfigMap"), ("secret", "Secret"), ("downwardAPI", "DownwardAPI")] {
        let inner = source.member(member);
        if inner.member("items").is_set() {
            return items(&inner, described(kind, inner.member("name").text()));
        }
    }
    let (token, bundle) = (source.member("serviceAccountToken"), source.member("clusterTrustBundle"));
    if token.is_set() {
        return vec![File::new(token.member("path").text(), "ServiceAccountToken".into())];
    }
    if bundle.is_set() {
        let name = [bundle.member("name"), bundle.member("signerName")].into_iter().find(Field::is_set);
        let described = described("ClusterTrustBundle", name.map(|name| name.text()).unwrap_or_default());
        return vec![File::new(bundle.member("path").text(), described)];
    }
    let certificate = source.member("podCertificate");
    let files = [
        ("certificateChainPath", "PodCertificate chain"),
        ("keyPath", "PodCertificate key"),
        ("credentialBundlePath", "PodCertificate credential bundle"),
    ];
    let files = files.map(|(member, described)| File::new(certificate.member(member).text(), described.into()));
    files.into_iter().filter(|file| !file.path.is_empty()).collect()
}
