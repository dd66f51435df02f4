//! Labels that an owner of pods has from the template of its pods.

use gantry_kinds::{
    Members as _,
    fields::{
        batch_v1::{Job, JobSpec},
        core_v1::PodTemplateSpec,
        meta_v1::ObjectMeta,
    },
    path,
};
use gantry_meta::{Object, ObjectView as _, Value};

/// The labels of the template, which stands in the same place in a job and in a replication controller.
pub(super) fn of(owner: &Object) -> Option<&Value> {
    owner.at(path![Job::SPEC, JobSpec::TEMPLATE, PodTemplateSpec::METADATA, ObjectMeta::LABELS])
}

/// The labels of what is made are those of who makes it.
pub(super) fn fill(owner: &mut Object) {
    if let Some(labels) = of(owner).cloned() {
        owner.metadata_mut().set(ObjectMeta::LABELS, labels);
    }
}
