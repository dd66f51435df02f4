//! Environment, resources and security of containers.

use std::collections::HashSet;

use gantry_kinds::fields::core_v1::{
    Container, EnvVar, PodSecurityContext, PodSpec, ResourceRequirements, SeccompProfile, SecurityContext,
};
use gantry_meta::Value;

use super::{CONTAINERS, SECCOMP, storage};
use crate::{field::Field, warnings::Found};

const SECCOMP_ANNOTATION_PREFIX: &str = "container.seccomp.security.alpha.kubernetes.io/";
const APP_ARMOR_ANNOTATION_PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";

/// Warnings about a container of any list; `annotations` are those of its pod.
pub(super) fn container(annotations: &Field<'_>, container: &Field<'_>, found: &mut Found) {
    let profile = container.member(Container::SECURITY_CONTEXT).member(SecurityContext::SECCOMP_PROFILE);
    if let Some(annotation) = annotation_of(annotations, SECCOMP_ANNOTATION_PREFIX, container)
        && !profile.is_set()
    {
        found.at(&annotation, SECCOMP);
    }
    let resources = container.member(Container::RESOURCES);
    for resource in ["memory", "ephemeral-storage"] {
        for amounts in [ResourceRequirements::LIMITS, ResourceRequirements::REQUESTS] {
            storage::whole_bytes(&resources.member(amounts).entry(resource), found);
        }
    }
    environment(container, found);
}

fn annotation_of<'a>(annotations: &Field<'a>, prefix: &str, container: &Field<'_>) -> Option<Field<'a>> {
    annotations.property(&format!("{prefix}{}", container.member(Container::NAME).text()))
}

/// Variables that are set twice, unless the later value builds on the earlier one.
fn environment(container: &Field<'_>, found: &mut Found) {
    let mut seen: HashSet<&str> = HashSet::new();
    for variable in container.member(Container::ENV).items() {
        let name = variable.member(EnvVar::NAME).text();
        if !seen.insert(name) && hides_what_was(&variable, name) {
            found.at(&variable, format_args!("hides the earlier definition of {name:?}, which apply may drop"));
        }
    }
}

fn hides_what_was(variable: &Field<'_>, name: &str) -> bool {
    let (value, reference) = (variable.member(EnvVar::VALUE).text(), format!("$({name})"));
    variable.member(EnvVar::VALUE_FROM).is_set() || value == reference || !value.contains(&reference)
}

/// Annotations of a template that say what a field should, those aside that say what holds for the whole pod already.
pub(super) fn app_armor_annotations(annotations: &Field<'_>, spec: &Field<'_>, found: &mut Found) {
    let of_pod = spec.member(PodSpec::SECURITY_CONTEXT).member(PodSecurityContext::APP_ARMOR_PROFILE);
    for container in CONTAINERS.iter().flat_map(|list| spec.member(*list).items()) {
        if container.member(Container::SECURITY_CONTEXT).member(SecurityContext::APP_ARMOR_PROFILE).is_set() {
            continue;
        }
        let Some(annotation) = annotation_of(annotations, APP_ARMOR_ANNOTATION_PREFIX, &container) else { continue };
        if !of_pod.is_set() || !says(annotation.text(), &of_pod) {
            found.at(&annotation, "deprecated since v1.30; use the field \"appArmorProfile\"");
        }
    }
}

/// Whether an annotation stands for a profile.
fn says(annotation: &str, profile: &Field<'_>) -> bool {
    let local = annotation.strip_prefix("localhost/").filter(|local| !local.is_empty());
    let (kind, local) = match (annotation, local) {
        ("unconfined", _) => ("Unconfined", None),
        ("runtime/default", _) => ("RuntimeDefault", None),
        (_, Some(local)) => ("Localhost", Some(local)),
        _ => return false,
    };
    profile.member(SeccompProfile::TYPE).text() == kind
        && profile.member(SeccompProfile::LOCALHOST_PROFILE).value().and_then(Value::as_str) == local
}
