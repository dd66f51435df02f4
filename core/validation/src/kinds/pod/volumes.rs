//! Volumes: names, and one source each.

use super::volume_sources::SOURCES;
use crate::{
    field::{Causes, Field},
    names,
};

/// The sound volumes of a pod: name and kind of source.
pub(super) struct Volumes<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Volumes<'a> {
    pub fn kind_of(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(volume, _)| *volume == name).map(|(_, kind)| *kind)
    }
}

/// Checks all volumes; those with faults are not in the result, so that their mounts find nothing.
pub(super) fn volumes<'a>(volumes: &Field<'a>, causes: &mut Causes) -> Volumes<'a> {
    let mut sound = Volumes(Vec::new());
    for volume in volumes.items() {
        let before = causes.len();
        let kind = source(&volume, causes);
        let name = volume.member("name");
        if causes.require(&name) {
            causes.invalid_each(&name, names::dns_label(name.text()));
        }
        if sound.kind_of(name.text()).is_some() {
            causes.duplicate(&name);
        }
        if causes.len() == before {
            sound.0.push((name.text(), kind));
        }
    }
    sound
}

/// Exactly one source; returns its kind.
fn source<'a>(volume: &Field<'a>, causes: &mut Causes) -> &'a str {
    let mut kind = "";
    for (member, check) in SOURCES {
        let source = volume.member(member);
        if !source.is_set() {
            continue;
        }
        if !kind.is_empty() {
            causes.forbidden(&source, "may not specify more than 1 volume type");
        } else {
            kind = member;
            check(&source, causes);
        }
    }
    if kind.is_empty() {
        causes.required(volume);
    }
    kind
}
