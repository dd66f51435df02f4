//! `status` of a pod: what a node may report.

use std::net::IpAddr;

use gantry_kinds::{
    FieldName,
    fields::core_v1::{
        Container, ContainerExtendedResourceRequest, ContainerRestartRule, ContainerRestartRuleOnExitCodes,
        ContainerState, ContainerStateTerminated, ContainerStatus, ContainerUser, HostIP, LinuxContainerUser, Pod,
        PodCondition, PodExtendedResourceClaimStatus, PodIP, PodOS, PodResourceClaimStatus, PodSpec, PodStatus,
        ResourceClaim, ResourceHealth, ResourceRequirements, ResourceStatus,
    },
};

use super::annotations;
use crate::{
    field::{Causes, Field},
    names,
    rules::{net, numbers},
    table::Update,
};

/// Conditions that need no prefix.
const OF_THE_SYSTEM: [&str; 3] = ["PodScheduled", "Ready", "Initialized"];
const HEALTHS: [&str; 3] = ["Healthy", "Unhealthy", "Unknown"];
const HEALTH_MESSAGE_MAX_BYTES: usize = 1024;
/// Each list of statuses with the list of the spec that it is of.
const STATUSES: [(FieldName, FieldName); 3] = [
    (PodStatus::CONTAINER_STATUSES, PodSpec::CONTAINERS),
    (PodStatus::INIT_CONTAINER_STATUSES, PodSpec::INIT_CONTAINERS),
    (PodStatus::EPHEMERAL_CONTAINER_STATUSES, PodSpec::EPHEMERAL_CONTAINERS),
];

pub(super) fn update(update: Update<'_>, causes: &mut Causes) {
    annotations::changes(update, causes);
    let (spec, new, old) =
        (update.new.member(Pod::SPEC), update.new.member(Pod::STATUS), update.old.member(Pod::STATUS));
    conditions(&new.member(PodStatus::CONDITIONS), causes);
    nominated_node(
        &spec,
        &new.member(PodStatus::NOMINATED_NODE_NAME),
        &old.member(PodStatus::NOMINATED_NODE_NAME),
        causes,
    );
    causes.non_negative(&new.member(PodStatus::OBSERVED_GENERATION));
    causes.immutable(&new.member(PodStatus::QOS_CLASS), &old.member(PodStatus::QOS_CLASS));
    for (statuses, containers) in STATUSES {
        stay_terminated((&new.member(statuses), &old.member(statuses)), (&spec, containers), causes);
    }
    claims(&new.member(PodStatus::RESOURCE_CLAIM_STATUSES), &spec.member(PodSpec::RESOURCE_CLAIMS), causes);
    extended_claim(&new.member(PodStatus::EXTENDED_RESOURCE_CLAIM_STATUS), &spec, causes);
    addresses(&new.member(PodStatus::POD_IPS), &old.member(PodStatus::POD_IPS), causes);
    host_addresses(&new, &old, causes);
    for (statuses, _) in STATUSES {
        users(&new.member(statuses), &spec, causes);
    }
    for (statuses, containers) in STATUSES {
        allocated(&new.member(statuses), &spec, containers, causes);
    }
}

fn conditions(conditions: &Field<'_>, causes: &mut Causes) {
    for condition in conditions.items() {
        causes.non_negative(&condition.member(PodCondition::OBSERVED_GENERATION));
        // The reference capitalises this name.
        let kind = condition.member_as(PodCondition::TYPE, "Type");
        if !OF_THE_SYSTEM.contains(&kind.text()) {
            causes.invalid_each(&kind, names::qualified_name(kind.text()));
        }
    }
}

/// A pod that has its node is nominated for no other.
fn nominated_node(spec: &Field<'_>, new: &Field<'_>, old: &Field<'_>, causes: &mut Causes) {
    if new.is_empty() || new.text() == old.text() {
        return;
    }
    causes.invalid_each(new, names::dns_subdomain(new.text()));
    if !spec.member(PodSpec::NODE_NAME).is_empty() {
        causes.forbidden(new, "may not be set on pods that are already bound to a node");
    }
}

/// What has terminated runs again only where restart policies and rules say so.
fn stay_terminated(
    (new, old): (&Field<'_>, &Field<'_>),
    (spec, containers): (&Field<'_>, FieldName),
    causes: &mut Causes,
) {
    let is_ephemeral = containers == PodSpec::EPHEMERAL_CONTAINERS;
    if !is_ephemeral && restarts_all(spec) {
        return;
    }
    for was in old.items() {
        let (name, ended) = (
            was.member(ContainerStatus::NAME).text(),
            was.member(ContainerStatus::STATE).member(ContainerState::TERMINATED),
        );
        let runs = |is: &Field<'_>| {
            is.member(ContainerStatus::NAME).text() == name
                && !is.member(ContainerStatus::STATE).member(ContainerState::TERMINATED).is_set()
        };
        if !ended.is_set() || !new.items().any(|is| runs(&is)) {
            continue;
        }
        let exit_code = ended.member(ContainerStateTerminated::EXIT_CODE).int().unwrap_or_default();
        let mut known =
            spec.member(containers).items().filter(|container| container.member(Container::NAME).text() == name);
        if is_ephemeral || !known.next().is_some_and(|container| restarts(&container, spec, exit_code)) {
            causes.forbidden(&was.member(ContainerStatus::STATE), "may not be transitioned to non-terminated state");
        }
    }
}

/// True if some container's end may restart all of them.
fn restarts_all(spec: &Field<'_>) -> bool {
    let containers =
        [PodSpec::INIT_CONTAINERS, PodSpec::CONTAINERS].into_iter().flat_map(|list| spec.member(list).items());
    let mut rules = containers.flat_map(|container| container.member(Container::RESTART_POLICY_RULES).items());
    rules.any(|rule| rule.member(ContainerRestartRule::ACTION).text() == "RestartAllContainers")
}

/// Whether a container that ended with `exit_code` starts again: by its rules, by its policy, by the pod's.
fn restarts(container: &Field<'_>, spec: &Field<'_>, exit_code: i64) -> bool {
    let own = container.member(Container::RESTART_POLICY);
    if own.is_set() && container.member(Container::RESTART_POLICY_RULES).items().any(|rule| is_met(&rule, exit_code)) {
        return true;
    }
    let policies = [own.text(), spec.member(PodSpec::RESTART_POLICY).text()];
    match policies.into_iter().find(|policy| matches!(*policy, "Always" | "OnFailure" | "Never")) {
        Some("OnFailure") => exit_code != 0,
        Some("Never") => false,
        _ => true,
    }
}

fn is_met(rule: &Field<'_>, exit_code: i64) -> bool {
    let codes = rule.member(ContainerRestartRule::EXIT_CODES);
    let named = codes.member(ContainerRestartRuleOnExitCodes::VALUES).items().any(|code| code.int() == Some(exit_code));
    match codes.member(ContainerRestartRuleOnExitCodes::OPERATOR).text() {
        "In" => named,
        "NotIn" => !named,
        _ => false,
    }
}

/// Claims made for the pod: each of its own entries once.
fn claims(statuses: &Field<'_>, declared: &Field<'_>, causes: &mut Causes) {
    let mut seen: Vec<&str> = Vec::new();
    for status in statuses.items() {
        let (name, claim) =
            (status.member(PodResourceClaimStatus::NAME), status.member(PodResourceClaimStatus::RESOURCE_CLAIM_NAME));
        if !declared.items().any(|one| one.member(Container::NAME).text() == name.text()) {
            causes.invalid(&name, "must match the name of an entry in `spec.resourceClaims`");
        }
        if seen.contains(&name.text()) {
            causes.duplicate(&name);
        }
        seen.push(name.text());
        if claim.is_set() {
            causes.invalid_each(&claim, names::dns_subdomain(claim.text()));
        }
    }
}

/// The claim made for extended resources that containers ask for.
fn extended_claim(status: &Field<'_>, spec: &Field<'_>, causes: &mut Causes) {
    if !status.is_set() {
        return;
    }
    let mappings = status.member(PodExtendedResourceClaimStatus::REQUEST_MAPPINGS);
    causes.require(&mappings);
    let mut seen: Vec<[&str; 3]> = Vec::new();
    for mapping in mappings.items() {
        request_mapping(&mapping, spec, causes);
        let request = mapping.member(ContainerExtendedResourceRequest::REQUEST_NAME);
        // The reference reports its form at a member of the status.
        causes.invalid_each(
            &request.reported_at(&status.member(ContainerExtendedResourceRequest::REQUEST_NAME)),
            names::dns_label(request.text()),
        );
        let members = [
            ContainerExtendedResourceRequest::CONTAINER_NAME,
            ContainerExtendedResourceRequest::RESOURCE_NAME,
            ContainerExtendedResourceRequest::REQUEST_NAME,
        ];
        let one = members.map(|member| mapping.member(member).text());
        if seen.contains(&one) {
            members.iter().for_each(|member| causes.duplicate(&mapping.member(*member)));
        }
        seen.push(one);
    }
    let claim = status.member(PodExtendedResourceClaimStatus::RESOURCE_CLAIM_NAME);
    if causes.require(&claim) {
        causes.invalid_each(&claim, names::dns_subdomain(claim.text()));
    }
}

fn request_mapping(mapping: &Field<'_>, spec: &Field<'_>, causes: &mut Causes) {
    let (name, resource) = (
        mapping.member(ContainerExtendedResourceRequest::CONTAINER_NAME),
        mapping.member(ContainerExtendedResourceRequest::RESOURCE_NAME),
    );
    let mut containers =
        [PodSpec::CONTAINERS, PodSpec::INIT_CONTAINERS].into_iter().flat_map(|list| spec.member(list).items());
    match containers.find(|container| container.member(Container::NAME).text() == name.text()) {
        None => causes.invalid(&name, "must match the name of a container or init container"),
        Some(container) => {
            if container
                .member(Container::RESOURCES)
                .member(ResourceRequirements::REQUESTS)
                .property(resource.text())
                .is_none()
            {
                causes.invalid(&resource, "must match an extended resource that the container requests");
            }
        }
    }
}

/// Addresses, at most one of each family. What was there before stays as it is spelled.
fn addresses(new: &Field<'_>, old: &Field<'_>, causes: &mut Causes) {
    let known = |text: &str| old.items().any(|address| address.member(PodIP::IP).text() == text);
    for address in new.items() {
        let ip = address.member(PodIP::IP).reported_at(&address);
        if !known(ip.text()) {
            net::ip(&ip, causes);
        }
    }
    let families: Vec<Option<bool>> = new
        .items()
        .map(|address| address.member(PodIP::IP).text().parse::<IpAddr>().ok().map(|address| address.is_ipv4()))
        .collect();
    let is_pair = families.len() == 2 && families.contains(&Some(true)) && families.contains(&Some(false));
    if families.len() > 1 && !is_pair {
        causes.invalid(new, "may specify no more than one IP for each IP family");
    }
}

fn host_addresses(new: &Field<'_>, old: &Field<'_>, causes: &mut Causes) {
    let all = new.member(PodStatus::HOST_IPS);
    if let Some(first) = all.items().next().map(|first| first.member(HostIP::IP))
        && first.text() != new.member(PodStatus::HOST_IP).text()
    {
        causes.invalid(&first, "must be equal to `hostIP`");
    }
    addresses(&all, &old.member(PodStatus::HOST_IPS), causes);
}

fn users(statuses: &Field<'_>, spec: &Field<'_>, causes: &mut Causes) {
    let is_windows = spec.member(PodSpec::OS).member(PodOS::NAME).text() == "windows";
    for linux in statuses
        .items()
        .map(|status| status.member(ContainerStatus::USER).member(ContainerUser::LINUX))
        .filter(Field::is_set)
    {
        if is_windows {
            causes.forbidden(&linux, "cannot be set for a windows pod");
            continue;
        }
        [LinuxContainerUser::UID, LinuxContainerUser::GID]
            .iter()
            .for_each(|member| numbers::id(&linux.member(*member), causes));
        linux.member(LinuxContainerUser::SUPPLEMENTAL_GROUPS).items().for_each(|group| numbers::id(&group, causes));
    }
}

/// What of its devices a container reports, each by the name under which it asked for it.
fn allocated(statuses: &Field<'_>, spec: &Field<'_>, containers: FieldName, causes: &mut Causes) {
    for status in statuses.items() {
        let reported = status.member(ContainerStatus::ALLOCATED_RESOURCES_STATUS);
        if containers == PodSpec::EPHEMERAL_CONTAINERS {
            if !reported.is_empty() {
                causes.forbidden(&reported, "must not be specified in container status");
            }
            continue;
        }
        let name = status.member(ContainerStatus::NAME).text();
        let container =
            spec.member(containers).items().find(|container| container.member(Container::NAME).text() == name);
        for resource in reported.items() {
            if container
                .as_ref()
                .is_some_and(|container| !asks_for(container, resource.member(ResourceStatus::NAME).text()))
            {
                causes.invalid(
                    &resource.member(ResourceStatus::NAME),
                    "must match a resource that the container asks for",
                );
            }
            healths(&resource.member(ResourceStatus::RESOURCES), causes);
        }
    }
}

/// `claim:NAME`, `claim:NAME/REQUEST`, or the name of a resource.
fn asks_for(container: &Field<'_>, name: &str) -> bool {
    let resources = container.member(Container::RESOURCES);
    let Some(claim) = name.strip_prefix("claim:") else {
        return resources.member(ResourceRequirements::REQUESTS).property(name).is_some();
    };
    resources.member(ResourceRequirements::CLAIMS).items().any(|one| match one.member(ResourceClaim::REQUEST).text() {
        "" => one.member(Container::NAME).text() == claim,
        request => claim.split_once('/') == Some((one.member(Container::NAME).text(), request)),
    })
}

fn healths(resources: &Field<'_>, causes: &mut Causes) {
    let mut seen: Vec<&str> = Vec::new();
    for resource in resources.items() {
        let (id, message) = (resource.member(ResourceHealth::RESOURCE_ID), resource.member(ResourceHealth::MESSAGE));
        causes.one_of(&resource.member(ResourceHealth::HEALTH), &HEALTHS);
        if message.is_set() && causes.require(&message) && message.text().len() > HEALTH_MESSAGE_MAX_BYTES {
            causes.too_long(&message, HEALTH_MESSAGE_MAX_BYTES);
        }
        if seen.contains(&id.text()) {
            causes.duplicate(&id);
        }
        seen.push(id.text());
    }
}
