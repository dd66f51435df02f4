//! `status` of a pod: what a node may report.

use std::net::IpAddr;

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
const STATUSES: [(&str, &str); 3] = [
    ("containerStatuses", "containers"),
    ("initContainerStatuses", "initContainers"),
    ("ephemeralContainerStatuses", "ephemeralContainers"),
];

pub(super) fn update(update: Update<'_>, causes: &mut Causes) {
    annotations::changes(update, causes);
    let (spec, new, old) = (update.new.member("spec"), update.new.member("status"), update.old.member("status"));
    conditions(&new.member("conditions"), causes);
    nominated_node(&spec, &new.member("nominatedNodeName"), &old.member("nominatedNodeName"), causes);
    causes.non_negative(&new.member("observedGeneration"));
    causes.immutable(&new.member("qosClass"), &old.member("qosClass"));
    for (statuses, containers) in STATUSES {
        stay_terminated((&new.member(statuses), &old.member(statuses)), (&spec, containers), causes);
    }
    claims(&new.member("resourceClaimStatuses"), &spec.member("resourceClaims"), causes);
    extended_claim(&new.member("extendedResourceClaimStatus"), &spec, causes);
    addresses(&new.member("podIPs"), &old.member("podIPs"), causes);
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
        causes.non_negative(&condition.member("observedGeneration"));
        // The reference capitalises this name.
        let kind = condition.member_as("type", "Type");
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
    if !spec.member("nodeName").is_empty() {
        causes.forbidden(new, "may not be set on pods that are already bound to a node");
    }
}

/// What has terminated runs again only where restart policies and rules say so.
fn stay_terminated(
    (new, old): (&Field<'_>, &Field<'_>),
    (spec, containers): (&Field<'_>, &'static str),
    causes: &mut Causes,
) {
    let is_ephemeral = containers == "ephemeralContainers";
    if !is_ephemeral && restarts_all(spec) {
        return;
    }
    for was in old.items() {
        let (name, ended) = (was.member("name").text(), was.member("state").member("terminated"));
        let runs =
            |is: &Field<'_>| is.member("name").text() == name && !is.member("state").member("terminated").is_set();
        if !ended.is_set() || !new.items().any(|is| runs(&is)) {
            continue;
        }
        let exit_code = ended.member("exitCode").int().unwrap_or_default();
        let mut known = spec.member(containers).items().filter(|container| container.member("name").text() == name);
        if is_ephemeral || !known.next().is_some_and(|container| restarts(&container, spec, exit_code)) {
            causes.forbidden(&was.member("state"), "may not be transitioned to non-terminated state");
        }
    }
}

/// True if some container's end may restart all of them.
fn restarts_all(spec: &Field<'_>) -> bool {
    let containers = ["initContainers", "containers"].into_iter().flat_map(|list| spec.member(list).items());
    let mut rules = containers.flat_map(|container| container.member("restartPolicyRules").items());
    rules.any(|rule| rule.member("action").text() == "RestartAllContainers")
}

/// Whether a container that ended with `exit_code` starts again: by its rules, by its policy, by the pod's.
fn restarts(container: &Field<'_>, spec: &Field<'_>, exit_code: i64) -> bool {
    let own = container.member("restartPolicy");
    if own.is_set() && container.member("restartPolicyRules").items().any(|rule| is_met(&rule, exit_code)) {
        return true;
    }
    let policies = [own.text(), spec.member("restartPolicy").text()];
    match policies.into_iter().find(|policy| matches!(*policy, "Always" | "OnFailure" | "Never")) {
        Some("OnFailure") => exit_code != 0,
        Some("Never") => false,
        _ => true,
    }
}

fn is_met(rule: &Field<'_>, exit_code: i64) -> bool {
    let codes = rule.member("exitCodes");
    let named = codes.member("values").items().any(|code| code.int() == Some(exit_code));
    match codes.member("operator").text() {
        "In" => named,
        "NotIn" => !named,
        _ => false,
    }
}

/// Claims made for the pod: each of its own entries once.
fn claims(statuses: &Field<'_>, declared: &Field<'_>, causes: &mut Causes) {
    let mut seen: Vec<&str> = Vec::new();
    for status in statuses.items() {
        let (name, claim) = (status.member("name"), status.member("resourceClaimName"));
        if !declared.items().any(|one| one.member("name").text() == name.text()) {
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
    let mappings = status.member("requestMappings");
    causes.require(&mappings);
    let mut seen: Vec<[&str; 3]> = Vec::new();
    for mapping in mappings.items() {
        request_mapping(&mapping, spec, causes);
        let request = mapping.member("requestName");
        // The reference reports its form at a member of the status.
        causes.invalid_each(&request.reported_at(&status.member("requestName")), names::dns_label(request.text()));
        let members = ["containerName", "resourceName", "requestName"];
        let one = members.map(|member| mapping.member(member).text());
        if seen.contains(&one) {
            members.iter().for_each(|member| causes.duplicate(&mapping.member(member)));
        }
        seen.push(one);
    }
    let claim = status.member("resourceClaimName");
    if causes.require(&claim) {
        causes.invalid_each(&claim, names::dns_subdomain(claim.text()));
    }
}

fn request_mapping(mapping: &Field<'_>, spec: &Field<'_>, causes: &mut Causes) {
    let (name, resource) = (mapping.member("containerName"), mapping.member("resourceName"));
    let mut containers = ["containers", "initContainers"].into_iter().flat_map(|list| spec.member(list).items());
    match containers.find(|container| container.member("name").text() == name.text()) {
        None => causes.invalid(&name, "must match the name of a container or init container"),
        Some(container) => {
            if container.member("resources").member("requests").property(resource.text()).is_none() {
                causes.invalid(&resource, "must match an extended resource that the container requests");
            }
        }
    }
}

/// Addresses, at most one of each family. What was there before stays as it is spelled.
fn addresses(new: &Field<'_>, old: &Field<'_>, causes: &mut Causes) {
    let known = |text: &str| old.items().any(|address| address.member("ip").text() == text);
    for address in new.items() {
        let ip = address.member("ip").reported_at(&address);
        if !known(ip.text()) {
            net::ip(&ip, causes);
        }
    }
    let families: Vec<Option<bool>> = new
        .items()
        .map(|address| address.member("ip").text().parse::<IpAddr>().ok().map(|address| address.is_ipv4()))
        .collect();
    let is_pair = families.len() == 2 && families.contains(&Some(true)) && families.contains(&Some(false));
    if families.len() > 1 && !is_pair {
        causes.invalid(new, "may specify no more than one IP for each IP family");
    }
}

fn host_addresses(new: &Field<'_>, old: &Field<'_>, causes: &mut Causes) {
    let all = new.member("hostIPs");
    if let Some(first) = all.items().next().map(|first| first.member("ip"))
        && first.text() != new.member("hostIP").text()
    {
        causes.invalid(&first, "must be equal to `hostIP`");
    }
    addresses(&all, &old.member("hostIPs"), causes);
}

fn users(statuses: &Field<'_>, spec: &Field<'_>, causes: &mut Causes) {
    let is_windows = spec.member("os").member("name").text() == "windows";
    for linux in statuses.items().map(|status| status.member("user").member("linux")).filter(Field::is_set) {
        if is_windows {
            causes.forbidden(&linux, "cannot be set for a windows pod");
            continue;
        }
        ["uid", "gid"].iter().for_each(|member| numbers::id(&linux.member(member), causes));
        linux.member("supplementalGroups").items().for_each(|group| numbers::id(&group, causes));
    }
}

/// What of its devices a container reports, each by the name under which it asked for it.
fn allocated(statuses: &Field<'_>, spec: &Field<'_>, containers: &'static str, causes: &mut Causes) {
    for status in statuses.items() {
        let reported = status.member("allocatedResourcesStatus");
        if containers == "ephemeralContainers" {
            if !reported.is_empty() {
                causes.forbidden(&reported, "must not be specified in container status");
            }
            continue;
        }
        let name = status.member("name").text();
        let container = spec.member(containers).items().find(|container| container.member("name").text() == name);
        for resource in reported.items() {
            if container.as_ref().is_some_and(|container| !asks_for(container, resource.member("name").text())) {
                causes.invalid(&resource.member("name"), "must match a resource that the container asks for");
            }
            healths(&resource.member("resources"), causes);
        }
    }
}

/// `claim:NAME`, `claim:NAME/REQUEST`, or the name of a resource.
fn asks_for(container: &Field<'_>, name: &str) -> bool {
    let resources = container.member("resources");
    let Some(claim) = name.strip_prefix("claim:") else {
        return resources.member("requests").property(name).is_some();
    };
    resources.member("claims").items().any(|one| match one.member("request").text() {
        "" => one.member("name").text() == claim,
        request => claim.split_once('/') == Some((one.member("name").text(), request)),
    })
}

fn healths(resources: &Field<'_>, causes: &mut Causes) {
    let mut seen: Vec<&str> = Vec::new();
    for resource in resources.items() {
        let (id, message) = (resource.member("resourceID"), resource.member("message"));
        causes.one_of(&resource.member("health"), &HEALTHS);
        if message.is_set() && causes.require(&message) && message.text().len() > HEALTH_MESSAGE_MAX_BYTES {
            causes.too_long(&message, HEALTH_MESSAGE_MAX_BYTES);
        }
        if seen.contains(&id.text()) {
            causes.duplicate(&id);
        }
        seen.push(id.text());
    }
}
