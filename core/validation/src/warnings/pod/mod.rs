//! What is accepted in a pod or a template but worth a warning.

mod containers;
mod paths;
mod ports;

use gantry_kinds::{
    FieldName,
    fields::{
        core_v1::{
            Affinity, EphemeralVolumeSource, HostAlias, LocalObjectReference, NodeAffinity, NodeSelector,
            PersistentVolumeClaimTemplate, Pod, PodAffinity, PodAffinityTerm, PodDNSConfig, PodSecurityContext,
            PodSpec, PodTemplateSpec, PreferredSchedulingTerm, TopologySpreadConstraint, Volume,
            WeightedPodAffinityTerm,
        },
        meta_v1::ObjectMeta,
    },
};

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
const CONTAINERS: [FieldName; 3] = [PodSpec::INIT_CONTAINERS, PodSpec::CONTAINERS, PodSpec::EPHEMERAL_CONTAINERS];

/// Warnings about a pod. Its annotations for AppArmor are seen to before, as they become fields.
pub(super) fn pod(root: Root<'_>, found: &mut Found) {
    metadata_and_spec(&root.member(Pod::METADATA), &root.member(Pod::SPEC), found);
}

/// Warnings about a template for pods.
pub(super) fn template(template: &Field<'_>, found: &mut Found) {
    let (metadata, spec) = (template.member(PodTemplateSpec::METADATA), template.member(PodTemplateSpec::SPEC));
    metadata_and_spec(&metadata, &spec, found);
    containers::app_armor_annotations(&metadata.member(ObjectMeta::ANNOTATIONS), &spec, found);
}

fn metadata_and_spec(metadata: &Field<'_>, spec: &Field<'_>, found: &mut Found) {
    let annotations = metadata.member(ObjectMeta::ANNOTATIONS);
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
        storage::whole_bytes(&spec.member(PodSpec::OVERHEAD).entry(resource), found);
    }
    let seccomp = annotations.entry(SECCOMP_ANNOTATION);
    if seccomp.is_set() && !spec.member(PodSpec::SECURITY_CONTEXT).member(PodSecurityContext::SECCOMP_PROFILE).is_set()
    {
        found.at(&seccomp, SECCOMP);
    }
    for container in CONTAINERS.iter().flat_map(|list| spec.member(*list).items()) {
        containers::container(&annotations, &container, found);
    }
    ports::ports(spec, found);
    let grace = spec.member(PodSpec::TERMINATION_GRACE_PERIOD_SECONDS);
    if grace.int().is_some_and(|seconds| seconds < 0) {
        found.at(&grace, "must be >= 0; a negative value is taken for 1");
    }
    for kind in [Affinity::POD_AFFINITY, Affinity::POD_ANTI_AFFINITY] {
        pod_affinity(&spec.member(PodSpec::AFFINITY).member(kind), found);
    }
    spec.member(PodSpec::DNS_CONFIG)
        .member(PodDNSConfig::NAMESERVERS)
        .items()
        .for_each(|server| addresses::ip(&server, found));
    spec.member(PodSpec::HOST_ALIASES).items().for_each(|alias| addresses::ip(&alias.member(HostAlias::IP), found));
}

/// Labels of nodes that the pod is placed by.
fn nodes(spec: &Field<'_>, found: &mut Found) {
    node_labels::selector(&spec.member(PodSpec::NODE_SELECTOR), found);
    let affinity = spec.member(PodSpec::AFFINITY).member(Affinity::NODE_AFFINITY);
    let required = affinity.member(NodeAffinity::REQUIRED_DURING_SCHEDULING_IGNORED_DURING_EXECUTION);
    required.member(NodeSelector::NODE_SELECTOR_TERMS).items().for_each(|term| node_labels::term(&term, found));
    for term in affinity.member(NodeAffinity::PREFERRED_DURING_SCHEDULING_IGNORED_DURING_EXECUTION).items() {
        node_labels::preferred_term(&term.member(PreferredSchedulingTerm::PREFERENCE), found);
    }
    for constraint in spec.member(PodSpec::TOPOLOGY_SPREAD_CONSTRAINTS).items() {
        node_labels::key(&constraint.member(TopologySpreadConstraint::TOPOLOGY_KEY), found);
        selector_is_set(&constraint.member(TopologySpreadConstraint::LABEL_SELECTOR), found);
    }
}

fn selector_is_set(selector: &Field<'_>, found: &mut Found) {
    if !selector.is_set() {
        found.at(selector, NULL_SELECTOR);
    }
}

fn pod_affinity(affinity: &Field<'_>, found: &mut Found) {
    for term in affinity.member(PodAffinity::REQUIRED_DURING_SCHEDULING_IGNORED_DURING_EXECUTION).items() {
        selector_is_set(&term.member(PodAffinityTerm::LABEL_SELECTOR), found);
    }
    for term in affinity.member(PodAffinity::PREFERRED_DURING_SCHEDULING_IGNORED_DURING_EXECUTION).items() {
        selector_is_set(
            &term.member(WeightedPodAffinityTerm::POD_AFFINITY_TERM).member(PodAffinityTerm::LABEL_SELECTOR),
            found,
        );
    }
}

fn volumes(spec: &Field<'_>, found: &mut Found) {
    for volume in spec.member(PodSpec::VOLUMES).items() {
        storage::OLD_SOURCES.iter().for_each(|source| storage::old_source(&volume, source, found));
        storage::claim_spec(
            &volume
                .member(Volume::EPHEMERAL)
                .member(EphemeralVolumeSource::VOLUME_CLAIM_TEMPLATE)
                .member(PersistentVolumeClaimTemplate::SPEC),
            found,
        );
    }
    spec.member(PodSpec::VOLUMES).items().for_each(|volume| paths::overlaps(&volume, found));
}

fn host_aliases(spec: &Field<'_>, found: &mut Found) {
    let mut seen: Vec<&str> = Vec::new();
    for ip in spec.member(PodSpec::HOST_ALIASES).items().map(|alias| alias.member(HostAlias::IP)) {
        if seen.contains(&ip.text()) {
            found.at(&ip, format_args!("duplicate ip {:?}", ip.text()));
        }
        seen.push(ip.text());
    }
}

/// Names that stand twice, and secrets without a name.
fn pull_secrets(spec: &Field<'_>, found: &mut Found) {
    let mut seen: Vec<&str> = Vec::new();
    for name in spec.member(PodSpec::IMAGE_PULL_SECRETS).items().map(|secret| secret.member(LocalObjectReference::NAME))
    {
        if seen.contains(&name.text()) {
            found.at(&name, format_args!("duplicate name {:?}", name.text()));
        }
        if name.text().is_empty() {
            found.at(&name, "a secret without a name cannot be used");
        }
        seen.push(name.text());
    }
}
