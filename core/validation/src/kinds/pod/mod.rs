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
pub mod warnings;

pub use affinity::{node_selector, node_selector_term, tolerations};
pub use resources::overhead;
pub use security::seccomp_profile;
pub use spec::pod_spec;
pub use update::update;

use crate::{
    field::{Causes, Field, Root},
    metadata,
};

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
    pod_spec(&spec, causes);
    if spec.member("serviceAccountName").is_empty() {
        no_account_tokens(&spec, causes);
    }
    for list in ["containers", "initContainers"] {
        for container in spec.member(list).items() {
            image_is_trimmed(&container, causes);
        }
    }
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

/// A template of pods: its labels, annotations and spec.
pub fn pod_template(template: &Field<'_>, causes: &mut Causes) {
    // The reference leaves `metadata` out of these paths.
    let metadata_of = |member| template.member("metadata").member(member).reported_at(&template.member(member));
    metadata::labels(&metadata_of("labels"), causes);
    metadata::annotations(&metadata_of("annotations"), causes);
    let spec = template.member("spec");
    pod_spec(&spec, causes);
    let ephemeral = spec.member("ephemeralContainers");
    if !ephemeral.is_empty() {
        causes.forbidden(&ephemeral, "ephemeral containers not allowed in pod template");
    }
}
