//! Pod, and the pod specification that templates share.

mod affinity;
mod container;
mod container_lists;
mod dns;
mod env;
mod mounts;
mod probes;
mod resources;
mod security;
mod spec;
mod update;
mod volume_sources;
mod volumes;
mod windows;

pub use affinity::{node_selector, node_selector_term, tolerations};
pub use resources::overhead;
pub use security::seccomp_profile;
pub use spec::pod_spec;
pub use update::update;

use crate::{
    field::{Causes, Field, Root},
    metadata,
};

const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";
const DELETION_COST_ANNOTATION: &str = "controller.kubernetes.io/pod-deletion-cost";

pub fn create(object: Root<'_>, causes: &mut Causes) {
    metadata_and_spec(object, causes);
    let spec = object.member("spec");
    let ephemeral = spec.member("ephemeralContainers");
    if !ephemeral.is_empty() {
        causes.forbidden(&ephemeral, "cannot be set on create");
    }
    if !spec.member("nodeName").is_empty() && !spec.member("schedulingGates").is_empty() {
        causes.forbidden(&spec.member("nodeName"), "cannot be set until all schedulingGates have been cleared");
    }
}

/// The rules of a pod that hold on create and update alike.
fn metadata_and_spec(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member("spec");
    annotations(object, causes);
    pod_spec(&spec, Owner::Pod { name: object.name() }, causes);
    if spec.member("serviceAccountName").is_empty() {
        no_account_tokens(&spec, causes);
    }
    for list in ["containers", "initContainers"] {
        for container in spec.member(list).items() {
            image_is_trimmed(&container, causes);
        }
    }
}

/// Annotations that mean something: a mirror has its node, and a cost of deletion is a number.
fn annotations(object: Root<'_>, causes: &mut Causes) {
    let annotations = object.member("metadata").member("annotations");
    let mirror = annotations.entry(MIRROR_ANNOTATION);
    if mirror.is_set() && object.member("spec").member("nodeName").is_empty() {
        causes.invalid(&mirror, "must set spec.nodeName if mirror pod annotation is set");
    }
    let cost = annotations.entry(DELETION_COST_ANNOTATION);
    if cost.is_set() && !is_deletion_cost(cost.text()) {
        causes.invalid(&cost, "must be a 32bit integer");
    }
}

/// A 32-bit number without a plus sign or leading zeros.
fn is_deletion_cost(text: &str) -> bool {
    text.parse::<i32>().is_ok_and(|number| number.to_string() == text || text == "-0")
}

fn no_account_tokens(spec: &Field<'_>, causes: &mut Causes) {
    for volume in spec.member("volumes").items() {
        for source in volume.member("projected").member("sources").items() {
            let token = source.member("serviceAccountToken");
            if token.is_set() {
                causes.forbidden(&token, "must not be specified when serviceAccountName is not set");
            }
        }
    }
}

fn image_is_trimmed(container: &Field<'_>, causes: &mut Causes) {
    let image = container.member("image");
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
    template_spec(&template.member("spec"), causes);
}

/// Labels and annotations of a template. The reference leaves `metadata` out of these paths.
pub fn template_metadata(template: &Field<'_>, causes: &mut Causes) {
    let metadata_of = |member| template.member("metadata").member(member).reported_at(&template.member(member));
    metadata::labels(&metadata_of("labels"), causes);
    metadata::annotations(&metadata_of("annotations"), causes);
}

/// `spec` of a template.
pub fn template_spec(spec: &Field<'_>, causes: &mut Causes) {
    pod_spec(spec, Owner::Template, causes);
    let ephemeral = spec.member("ephemeralContainers");
    if !ephemeral.is_empty() {
        causes.forbidden(&ephemeral, "ephemeral containers not allowed in pod template");
    }
}
