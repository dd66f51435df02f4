//! Volumes: names, and one source each.

use gantry_kinds::{
    FieldName,
    fields::core_v1::{ImageVolumeSource, PersistentVolumeClaimVolumeSource, Volume},
};

use super::{Owner, volume_sources::SOURCES};
use crate::{
    field::{Causes, Field},
    names,
    rules::volume_sources::{is_iscsi_path_too_long, surplus},
};

/// The sound volumes of a pod: name and kind of source.
pub(super) struct Volumes<'a>(Vec<(&'a str, FieldName)>);

impl Volumes<'_> {
    pub fn kind_of(&self, name: &str) -> Option<FieldName> {
        self.0.iter().find(|(volume, _)| *volume == name).map(|(_, kind)| *kind)
    }
}

/// Checks all volumes; those with faults are not in the result, so that their mounts find nothing.
pub(super) fn volumes<'a>(volumes: &Field<'a>, owner: Owner<'_>, causes: &mut Causes) -> Volumes<'a> {
    let mut sound = Volumes(Vec::new());
    for volume in volumes.items() {
        let before = causes.len();
        // A template may be filled in later.
        if owner != Owner::Template && is_image(&volume) {
            causes.require(&volume.member(Volume::IMAGE).member(ImageVolumeSource::REFERENCE));
        }
        let kind = source(&volume, causes);
        let name = volume.member(Volume::NAME);
        with_its_name(&volume, owner, causes);
        if causes.require(&name) {
            causes.invalid_each(&name, names::dns_label(name.text()));
        }
        if sound.kind_of(name.text()).is_some() {
            causes.duplicate(&name);
        }
        if let Some(kind) = kind.filter(|_| causes.len() == before) {
            sound.0.push((name.text(), kind));
        }
        if let Owner::Pod { name } = owner {
            no_claim_of_the_pod(volumes, &volume, name, causes);
        }
    }
    sound
}

/// Whether an image is the volume's only source.
fn is_image(volume: &Field<'_>) -> bool {
    SOURCES.iter().all(|(member, _)| volume.member(*member).is_set() == (*member == Volume::IMAGE))
}

/// What a source makes of the name of its volume.
fn with_its_name(volume: &Field<'_>, owner: Owner<'_>, causes: &mut Causes) {
    let name = volume.member(Volume::NAME);
    if is_iscsi_path_too_long(&volume.member(Volume::ISCSI), name.text()) {
        causes.invalid(&name, "too long with the target's portal");
    }
    match owner {
        Owner::Pod { name: pod }
            if volume.member(Volume::EPHEMERAL).is_set() && !pod.is_empty() && !name.is_empty() =>
        {
            causes.invalid_each(&name, names::dns_subdomain(&format!("{pod}-{}", name.text())));
        }
        _ => {}
    }
}

/// A claim that is made for a pod is not there to be named by it.
fn no_claim_of_the_pod(volumes: &Field<'_>, volume: &Field<'_>, pod: &str, causes: &mut Causes) {
    let claim = volume.member(Volume::PERSISTENT_VOLUME_CLAIM).member(PersistentVolumeClaimVolumeSource::CLAIM_NAME);
    let made = |volume: Field<'_>| {
        volume.member(Volume::EPHEMERAL).is_set()
            && claim.text() == format!("{pod}-{}", volume.member(Volume::NAME).text())
    };
    if !pod.is_empty() && claim.is_set() && volumes.items().any(made) {
        causes.invalid(&claim, "must not reference a PVC that gets created for an ephemeral volume");
    }
}

/// Exactly one source; returns its kind.
fn source(volume: &Field<'_>, causes: &mut Causes) -> Option<FieldName> {
    let mut kind = None;
    for (member, check) in SOURCES {
        let source = volume.member(member);
        if !source.is_set() {
            continue;
        }
        if kind.is_some() {
            causes.forbidden(&surplus(&source, member), "may not specify more than 1 volume type");
        } else {
            kind = Some(member);
            check(&source, causes);
        }
    }
    if kind.is_none() {
        causes.required(volume);
    }
    kind
}
