//! `ephemeralcontainers` of a pod: containers come, and stay as they came.

use gantry_kinds::fields::{
    core_v1::{EphemeralContainer, Pod, PodSpec},
    meta_v1::ObjectMeta,
};

use super::{annotations, metadata_and_spec};
use crate::{
    field::{Causes, Field, Root},
    table::Update,
};

pub(super) fn update(update: Update<'_>, causes: &mut Causes) {
    if annotations::is_mirror(&update.old.member(Pod::METADATA).member(ObjectMeta::ANNOTATIONS)) {
        return super::refuse_whole(causes, "static pods do not support ephemeral containers");
    }
    metadata_and_spec(update.new, causes);
    annotations::changes(update, causes);
    let (new, old) = (containers(update.new), containers(update.old));
    for was in old.items() {
        match named(&new, was.member(EphemeralContainer::NAME).text()) {
            None => causes.forbidden(&new, "existing ephemeral containers may not be removed"),
            Some(is) if is.value() != was.value() => {
                causes.forbidden(&new, "existing ephemeral containers may not be changed");
            }
            Some(_) => {}
        }
    }
}

fn containers(pod: Root<'_>) -> Field<'_> {
    pod.member(Pod::SPEC).member(PodSpec::EPHEMERAL_CONTAINERS)
}

/// The last of a name counts.
fn named<'a>(containers: &Field<'a>, name: &str) -> Option<Field<'a>> {
    containers.items().rfind(|container| container.member(EphemeralContainer::NAME).text() == name)
}
