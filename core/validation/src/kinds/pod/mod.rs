//! Pod, and the pod specification that templates share.

mod affinity;
mod annotations;
mod container;
mod container_lists;
mod dns;
mod env;
mod ephemeral;
mod mounts;
mod probes;
mod resize;
mod resources;
mod security;
mod spec;
mod status;
mod update;
mod volume_sources;
mod volumes;
mod windows;

pub use affinity::{node_selector, node_selector_term, tolerations};
pub use resources::overhead;
pub use security::seccomp_profile;
pub use spec::pod_spec;
pub use update::update;

use gantry_kinds::{
    FieldName,
    fields::{
        core_v1::{Container, Pod, PodSpec, PodTemplateSpec, ProjectedVolumeSource, Volume, VolumeProjection},
        meta_v1::ObjectMeta,
    },
};
use gantry_meta::{Cause, FieldPath};

use crate::{
    field::{Causes, Field, Root},
    metadata,
};

pub fn create(object: Root<'_>, causes: &mut Causes) {
    metadata_and_spec(object, causes);
    let spec = object.member(Pod::SPEC);
    let ephemeral = spec.member(PodSpec::EPHEMERAL_CONTAINERS);
    if !ephemeral.is_empty() {
        causes.forbidden(&ephemeral, "cannot be set on create");
    }
    if !spec.member(PodSpec::NODE_NAME).is_empty() && !spec.member(PodSpec::SCHEDULING_GATES).is_empty() {
        causes.forbidden(&spec.member(PodSpec::NODE_NAME), "cannot be set until all schedulingGates have been cleared");
    }
    annotations::agree_with_fields(&object.member(Pod::METADATA).member(ObjectMeta::ANNOTATIONS), &spec, causes);
}

/// What concerns the whole object. The reference reports it without a field's name.
fn refuse_whole(causes: &mut Causes, why: &'static str) {
    causes.push(Cause::forbidden(&FieldPath::of("[]"), why));
}

/// The rules of a pod that hold on create and update alike.
fn metadata_and_spec(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member(Pod::SPEC);
    annotations::annotations(&object.member(Pod::METADATA).member(ObjectMeta::ANNOTATIONS), &spec, causes);
    pod_spec(&spec, Owner::Pod { name: object.name() }, causes);
    if spec.member(PodSpec::SERVICE_ACCOUNT_NAME).is_empty() {
        no_account_tokens(&spec, causes);
    }
    for list in [PodSpec::CONTAINERS, PodSpec::INIT_CONTAINERS] {
        for container in spec.member(list).items() {
            image_is_trimmed(&container, causes);
        }
    }
}

fn no_account_tokens(spec: &Field<'_>, causes: &mut Causes) {
    for volume in spec.member(PodSpec::VOLUMES).items() {
        for source in volume.member(Volume::PROJECTED).member(ProjectedVolumeSource::SOURCES).items() {
            let token = source.member(VolumeProjection::SERVICE_ACCOUNT_TOKEN);
            if token.is_set() {
                causes.forbidden(&token, "must not be specified when serviceAccountName is not set");
            }
        }
    }
}

fn image_is_trimmed(container: &Field<'_>, causes: &mut Causes) {
    let image = container.member(Container::IMAGE);
    if image.text().trim() != image.text() {
        causes.invalid(&image, "must not have leading or trailing whitespace");
    }
}

/// What a pod specification belongs to: some rules hold for pods alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner<'a> {
    Pod {
        /// `metadata.name`, empty if it has none yet.
        name: &'a str,
    },
    Template,
}

/// A template of pods: its labels, annotations and spec.
pub fn pod_template(template: &Field<'_>, causes: &mut Causes) {
    template_metadata(template, causes);
    template_spec(&template.member(PodTemplateSpec::SPEC), causes);
    template_annotations(template, causes);
}

/// Profiles that a template names in annotations are those that it has in fields.
pub fn template_annotations(template: &Field<'_>, causes: &mut Causes) {
    annotations::agree_with_fields(
        &template_member(template, ObjectMeta::ANNOTATIONS),
        &template.member(PodTemplateSpec::SPEC),
        causes,
    );
}

/// Labels and annotations of a template.
pub fn template_metadata(template: &Field<'_>, causes: &mut Causes) {
    let own = template_member(template, ObjectMeta::ANNOTATIONS);
    metadata::labels(&template_member(template, ObjectMeta::LABELS), causes);
    metadata::annotations(&own, causes);
    annotations::annotations(&own, &template.member(PodTemplateSpec::SPEC), causes);
}

/// A member of a template's metadata. The reference leaves `metadata` out of these paths.
fn template_member<'a>(template: &Field<'a>, member: FieldName) -> Field<'a> {
    template.member(PodTemplateSpec::METADATA).member(member).reported_at(&template.member(member))
}

/// `spec` of a template.
pub fn template_spec(spec: &Field<'_>, causes: &mut Causes) {
    pod_spec(spec, Owner::Template, causes);
    let ephemeral = spec.member(PodSpec::EPHEMERAL_CONTAINERS);
    if !ephemeral.is_empty() {
        causes.forbidden(&ephemeral, "ephemeral containers not allowed in pod template");
    }
}
