//! ControllerRevision.

use gantry_kinds::fields::apps_v1::ControllerRevision;

use crate::{
    field::{Causes, Root},
    table::Update,
};

pub fn create(object: Root<'_>, causes: &mut Causes) {
    revision(object, causes);
    let data = object.member(ControllerRevision::DATA);
    if data.object().is_none() {
        causes.required(&data);
    }
}

fn revision(object: Root<'_>, causes: &mut Causes) {
    causes.non_negative(&object.member(ControllerRevision::REVISION));
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    revision(update.new, causes);
    causes.immutable(&update.new.member(ControllerRevision::DATA), &update.old.member(ControllerRevision::DATA));
}
