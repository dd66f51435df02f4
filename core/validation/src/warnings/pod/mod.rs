//! What is accepted in a pod or a template but worth a warning.

mod containers;
mod paths;
mod ports;

use super::{Found, addresses, node_labels, storage};
use crate::field::{Field, Root};

/// Annotations that were replaced by fields long ago.
const OLD_ANNOTATIONS: [(&str, &str); 3] = [
    ("scheduler.alpha.kubernetes.io/critical-pod", "non-functional in v1.16+; use the field \"priorityClassName\""),
    ("security.alpha.kubernetes.io/sysctls", "non-functional in v1.11+; use the field \"sysctls\""),
    ("security.alpha.kubernetes.io/unsafe-sysctls", "non-functional in v1.11+; use the field \"sysctls\""),
];
const SECCOMP_ANNOTATION: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP: &str = "non-functional in v1.27+; use the field \"seccompProfile\"";
const NULL_SELECTOR: &str = "a labelSelector that is null matches no pod";
/// Lists of containers, in the order in which they are looked at.
const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// Warnings about a pod. Its annotations for AppArmor are seen to before, as they become fields.
pub(super) fn pod(root: Root<'_>, found: &mut Found) {
    metadata_and_spec(&root.member("metadata"), &root.member("spec"), found);
}

/// Warnings about a template for pods.
pub(super) fn template(template: &Field<'_>, found: &mut Found) {
    let (metadata, spec) = (template.member("metadata"), template.member("spec"));
    metadata_and_spec(&metadata, &spec, found);
    containers::app_armor_annotations(&metadata.member("annotations"), &spec, found);
}

fn metadata_and_spec(metadata: &Field<'_>, spec: &Field<'_>, found: &mut Found) {
    let annotations = metadata.member("annotations");
    nodes(spec, found);
    for (key, why) in OLD_ANNOTATIONS {
        if annotations.entry(key).is_set() {
            found.at(&annotations.entry(key), why);
        }
    }
    volumes(spec, found);
    host_aliases(spec, found);
    pull_secrets(spec, found);
    for resource in ["memory", "ephemeral-storage"] {
        storage::whole_bytes(&spec.member("overhead").entry(resource), found);
    }
    let seccomp = annotations.entry(SECCOMP_ANNOTATION);
    if seccomp.is_set() && !spec.member("securityContext").member("seccompProfile").is_set() {
        found.at(&seccomp, SECCOMP);
    }
    for container in CONTAINERS.iter().flat_map(|list| spec.member(list).items()) {
        containers::container(&annotations, &container, found);
    }
    ports::ports(spec, found);
    let grace = spec.member("terminationGracePeriodSeconds");
    if grace.int().is_some_and(|seconds| seconds < 0) {
        found.at(&grace, "must be >= 0; a negative value is taken for 1");
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        pod_affinity(&spec.member("affinity").member(kind), found);
    }
    spec.member("dnsConfig").member("nameservers").items().for_each(|server| addresses::ip(&server, found));
    spec.member("hostAliases").items().for_each(|alias| addresses::ip(&alias.member("ip"), found));
}

/// Labels of nodes that the pod is placed by.
fn nodes(spec: &Field<'_>, found: &mut Found) {
    node_labels::selector(&spec.member("nodeSelector"), found);
    let affinity = spec.member("affinity").member("nodeAffinity");
    let required = affinity.member("requiredDuringSchedulingIgnoredDuringExecution");
    required.member("nodeSelectorTerms").items().for_each(|term| node_labels::term(&term, found));
    for term in affinity.member("preferredDuringSchedulingIgnoredDuringExecution").items() {
        node_labels::preferred_term(&term.member("preference"), found);
    }
    for constraint in spec.member("topologySpreadConstraints").items() {
        node_labels::key(&constraint.member("topologyKey"), found);
        selector_is_set(&constraint.member("labelSelector"), found);
    }
}

fn selector_is_set(selector: &Field<'_>, found: &mut Found) {
    if !selector.is_set() {
        found.at(selector, NULL_SELECTOR);
    }
}

fn pod_affinity(affinity: &Field<'_>, found: &mut Found) {
    for term in affinity.member("requiredDuringSchedulingIgnoredDuringExecution").items() {
        selector_is_set(&term.member("labelSelector"), found);
    }
    for term in affinity.member("preferredDuringSchedulingIgnoredDuringExecution").items() {
        selector_is_set(&term.member("podAffinityTerm").member("labelSelector"), found);
    }
}

fn volumes(spec: &Field<'_>, found: &mut Found) {
    for volume in spec.member("volumes").items() {
        storage::OLD_SOURCES.iter().for_each(|source| storage::old_source(&volume, source, found));
        storage::claim_spec(&volume.member("ephemeral").member("volumeClaimTemplate").member("spec"), found);
    }
    spec.member("volumes").items().for_each(|volume| paths::overlaps(&volume, found));
}

fn host_aliases(spec: &Field<'_>, found: &mut Found) {
    let mut seen: Vec<&str> = Vec::new();
    for ip in spec.member("hostAliases").items().map(|alias| alias.member("ip")) {
        if seen.contains(&ip.text()) {
            found.at(&ip, format_args!("duplicate ip {:?}", ip.text()));
        }
        seen.push(ip.text());
    }
}

/// Names that stand twice, and secrets without a name.
fn pull_secrets(spec: &Field<'_>, found: &mut Found) {
    let mut seen: Vec<&str> = Vec::new();
    for name in spec.member("imagePullSecrets").items().map(|secret| secret.member("name")) {
        if seen.contains(&name.text()) {
            found.at(&name, format_args!("duplicate name {:?}", name.text()));
        }
        if name.text().is_empty() {
            found.at(&name, "a secret without a name cannot be used");
        }
        seen.push(name.text());
    }
}
