//! The pod specification: its own fields, and the order of everything in it.

use gantry_kinds::fields::core_v1::{
    Container, ContainerPort, PodOS, PodReadinessGate, PodResourceClaim, PodSchedulingGate, PodSpec,
};

use super::{Owner, affinity, container_lists, dns, env, resources, security, volumes, windows};
use crate::{
    field::{Causes, Field},
    metadata, names,
    rules::numbers,
};

/// What the kernel takes.
const HOSTNAME_MAX_BYTES: usize = 64;

/// `spec` of a pod or of a template.
pub fn pod_spec(spec: &Field<'_>, owner: Owner<'_>, causes: &mut Causes) {
    let volumes = volumes::volumes(&spec.member(PodSpec::VOLUMES), owner, causes);
    let claims = resource_claims(&spec.member(PodSpec::RESOURCE_CLAIMS), causes);
    container_lists::containers(spec, &volumes, &claims, causes);
    container_lists::init_containers(spec, &volumes, &claims, causes);
    container_lists::ephemeral_containers(spec, &volumes, &claims, causes);
    resources::pod_level(spec, &claims, causes);
    host_network_ports(spec, owner, causes);
    causes.require_one_of(&spec.member(PodSpec::RESTART_POLICY), &["Always", "OnFailure", "Never"]);
    causes.require_one_of(
        &spec.member(PodSpec::DNS_POLICY),
        &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"],
    );
    metadata::labels(&spec.member(PodSpec::NODE_SELECTOR), causes);
    security::pod_security_context(spec, causes);
    affinity::affinity(&spec.member(PodSpec::AFFINITY), causes);
    dns::dns_config(spec, causes);
    for gate in spec.member(PodSpec::READINESS_GATES).items() {
        let condition = gate.member(PodReadinessGate::CONDITION_TYPE);
        causes.invalid_each(&condition, names::qualified_name(condition.text()));
    }
    scheduling_gates(&spec.member(PodSpec::SCHEDULING_GATES), causes);
    affinity::topology_spread_constraints(&spec.member(PodSpec::TOPOLOGY_SPREAD_CONSTRAINTS), causes);
    windows::host_process(spec, causes);
    security::host_users(spec, causes);
    hostname_override(spec, causes);
    scalars(spec, causes);
    operating_system(spec, causes);
    env::file_volumes(spec, causes);
}

/// Names of the pod's resource claims.
fn resource_claims<'a>(claims: &Field<'a>, causes: &mut Causes) -> Vec<&'a str> {
    let mut seen: Vec<&str> = Vec::new();
    for claim in claims.items() {
        let name = claim.member(PodResourceClaim::NAME);
        if seen.contains(&name.text()) {
            causes.duplicate(&name);
        }
        seen.push(name.text());
        if causes.require(&name) {
            causes.invalid_each(&name, names::dns_label(name.text()));
        }
        let (direct, template) = (
            claim.member(PodResourceClaim::RESOURCE_CLAIM_NAME),
            claim.member(PodResourceClaim::RESOURCE_CLAIM_TEMPLATE_NAME),
        );
        if direct.is_set() && template.is_set() {
            causes
                .invalid(&claim, "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified");
        } else if !direct.is_set() && !template.is_set() {
            causes.invalid(&claim, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`");
        }
        for reference in [direct, template] {
            if reference.is_set() {
                causes.invalid_each(&reference, names::dns_subdomain(reference.text()));
            }
        }
    }
    seen
}

/// On the host's network a container's port is the host's; in a template it may still be left out.
fn host_network_ports(spec: &Field<'_>, owner: Owner<'_>, causes: &mut Causes) {
    if !spec.member(PodSpec::HOST_NETWORK).flag() {
        return;
    }
    for port in
        spec.member(PodSpec::CONTAINERS).items().flat_map(|container| container.member(Container::PORTS).items())
    {
        let number = |member| port.member(member).int().unwrap_or_default();
        let (host, own) = (number(ContainerPort::HOST_PORT), number(ContainerPort::CONTAINER_PORT));
        if host != own && (host != 0 || owner != Owner::Template) {
            causes.invalid(
                &port.member(ContainerPort::HOST_PORT),
                "must match `containerPort` when `hostNetwork` is true",
            );
        }
    }
}

fn hostname_override(spec: &Field<'_>, causes: &mut Causes) {
    let name = spec.member(PodSpec::HOSTNAME_OVERRIDE);
    if !name.is_set() {
        return;
    }
    for other in [PodSpec::SET_HOSTNAME_AS_FQDN, PodSpec::HOST_NETWORK] {
        if spec.member(other).flag() {
            causes.forbidden(&name, "may not be specified with setHostnameAsFQDN or hostNetwork");
        }
    }
    if name.text().len() > HOSTNAME_MAX_BYTES {
        causes.too_long(&name, HOSTNAME_MAX_BYTES);
    }
    causes.invalid_each(&name, names::dns_subdomain(name.text()));
}

fn scheduling_gates(gates: &Field<'_>, causes: &mut Causes) {
    let mut seen: Vec<&str> = Vec::new();
    for gate in gates.items() {
        let name = gate.member(PodSchedulingGate::NAME).text();
        causes.invalid_each(&gate, names::qualified_name(name));
        if seen.contains(&name) {
            causes.duplicate(&gate);
        }
        seen.push(name);
    }
}

fn scalars(spec: &Field<'_>, causes: &mut Causes) {
    let mut named = |member, check: fn(&str) -> names::Reasons| {
        let field = spec.member(member);
        if !field.is_empty() {
            causes.invalid_each(&field, check(field.text()));
        }
    };
    named(PodSpec::SERVICE_ACCOUNT_NAME, names::dns_subdomain);
    named(PodSpec::NODE_NAME, names::dns_subdomain);
    numbers::in_range(&spec.member(PodSpec::ACTIVE_DEADLINE_SECONDS), 1, i32::MAX.into(), causes);
    let mut named = |member, check: fn(&str) -> names::Reasons| {
        let field = spec.member(member);
        if !field.is_empty() {
            causes.invalid_each(&field, check(field.text()));
        }
    };
    named(PodSpec::HOSTNAME, names::dns_label);
    named(PodSpec::SUBDOMAIN, names::dns_label);
    affinity::tolerations(&spec.member(PodSpec::TOLERATIONS), causes);
    dns::host_aliases(&spec.member(PodSpec::HOST_ALIASES), causes);
    for (member, required) in [(PodSpec::PRIORITY_CLASS_NAME, false), (PodSpec::RUNTIME_CLASS_NAME, true)] {
        let field = spec.member(member);
        if (required && field.is_set()) || !field.is_empty() {
            causes.invalid_each(&field, names::dns_subdomain(field.text()));
        }
    }
    let preemption = spec.member(PodSpec::PREEMPTION_POLICY);
    if preemption.is_set() {
        causes.require_one_of(&preemption, &["PreemptLowerPriority", "Never"]);
    }
    resources::overhead(&spec.member(PodSpec::OVERHEAD), causes);
}

/// `os`, and what each system leaves no room for.
fn operating_system(spec: &Field<'_>, causes: &mut Causes) {
    let os = spec.member(PodSpec::OS);
    if !os.is_set() {
        return;
    }
    let name = os.member(PodOS::NAME);
    match name.text() {
        "" => causes.required(&name),
        "linux" => windows::none(spec, causes),
        "windows" => security::no_linux_options(spec, causes),
        _ => causes.not_supported(&name.reported_at(&os), &["linux", "windows"]),
    }
}
