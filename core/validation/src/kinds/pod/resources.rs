//! What containers and pods ask for.

use gantry_kinds::{
    FieldName,
    fields::core_v1::{Container, PodOS, PodSpec, ResourceClaim, ResourceRequirements},
};
use gantry_meta::Quantity;

use crate::{
    field::{Causes, Field},
    names,
    ratchet::Ratchet,
    rules::resources::{
        amount, container_resource_name, is_huge_page, is_overcommit_allowed, resource_amount, resource_name,
    },
};

type NameCheck = fn(&str, &Field<'_>, &mut Causes);

pub(super) fn container(resources: &Field<'_>, claims: &[&str], causes: &mut Causes) {
    requirements(resources, container_resource_name, causes);
    claim_names(&resources.member(ResourceRequirements::CLAIMS), claims, causes);
}

fn requirements(resources: &Field<'_>, name_check: NameCheck, causes: &mut Causes) {
    let (limits, requests) =
        (resources.member(ResourceRequirements::LIMITS), resources.member(ResourceRequirements::REQUESTS));
    for (name, limit) in limits.entries() {
        entry(name, &limit, name_check, causes);
        whole_pages(name, &limit, causes);
    }
    for (name, request) in requests.entries() {
        entry(name, &request, name_check, causes);
        within_limit(name, &request, (&limits, &requests), causes);
        whole_pages(name, &request, causes);
    }
    let has = |wanted: fn(&str) -> bool| limits.entries().chain(requests.entries()).any(|(name, _)| wanted(name));
    if has(is_huge_page) && !has(|name| matches!(name, "cpu" | "memory")) {
        causes.forbidden(resources, "HugePages require cpu or memory");
    }
}

fn entry(name: &str, field: &Field<'_>, name_check: NameCheck, causes: &mut Causes) {
    name_check(name, field, causes);
    resource_amount(name, field, causes);
}

fn whole_pages(name: &str, field: &Field<'_>, causes: &mut Causes) {
    if let Some(size) = name.strip_prefix("hugepages-") {
        let page = Quantity::parse(size).ok().filter(|page| page.signum() > 0);
        let divides = |page: Quantity| amount(field).is_none_or(|amount| amount.units() % page.units() == 0);
        if !page.is_some_and(divides) {
            causes.ratcheted(Ratchet::HugePageMultiple, |causes| {
                causes.invalid(field, "must be a multiple of the page size");
            });
        }
    }
}

fn within_limit(name: &str, request: &Field<'_>, (limits, requests): (&Field<'_>, &Field<'_>), causes: &mut Causes) {
    let limit = limits.entries().find(|(key, _)| *key == name).and_then(|(_, limit)| amount(&limit));
    match (limit, amount(request)) {
        (Some(limit), Some(request)) if request != limit && !is_overcommit_allowed(name) => {
            causes.invalid(requests, "must be equal to the limit");
        }
        (Some(limit), Some(request)) if request > limit => {
            causes.invalid(requests, "must be less than or equal to the limit");
        }
        (None, Some(_)) if !is_overcommit_allowed(name) => causes.required(limits),
        _ => {}
    }
}

/// Claims that a container uses: each once as a whole or by its requests, each declared by the pod.
fn claim_names(used: &Field<'_>, declared: &[&str], causes: &mut Causes) {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for claim in used.items() {
        let (name, request) = (claim.member(ResourceClaim::NAME), claim.member(ResourceClaim::REQUEST));
        let one = (name.text(), request.text());
        if name.is_empty() {
            causes.required(&claim);
            continue;
        }
        if !request.is_empty() && !seen.contains(&(one.0, "")) {
            causes.invalid_each(&request, names::dns_label(request.text()));
        }
        let overlaps = |(claim, request): &(&str, &str)| *claim == one.0 && (request.is_empty() || one.1.is_empty());
        if seen.contains(&one) || seen.iter().any(overlaps) {
            causes.duplicate(&name.reported_at(&claim));
        }
        if !declared.contains(&one.0) {
            causes.not_found(&name.reported_at(&claim));
        }
        seen.push(one);
    }
}

/// `spec.resources`: cpu, memory and huge pages for the pod as a whole.
pub(super) fn pod_level(spec: &Field<'_>, claims: &[&str], causes: &mut Causes) {
    let resources = spec.member(PodSpec::RESOURCES);
    if !resources.is_set() {
        return;
    }
    if spec.member(PodSpec::OS).member(PodOS::NAME).text() == "windows" {
        return causes.forbidden(&resources, "may not be set for a windows pod");
    }
    if resources.member(ResourceRequirements::CLAIMS).is_set() {
        causes.forbidden(
            &resources.member(ResourceRequirements::CLAIMS),
            "claims may not be set for pod-level resources",
        );
    }
    requirements(&resources, pod_resource_name, causes);
    claim_names(&resources.member(ResourceRequirements::CLAIMS), claims, causes);
    aggregate_fits(spec, &resources, causes);
}

fn pod_resource_name(name: &str, field: &Field<'_>, causes: &mut Causes) {
    let before = causes.len();
    resource_name(name, field, causes);
    if causes.len() == before && !matches!(name, "cpu" | "memory") && !is_huge_page(name) {
        causes.not_supported(field, &["cpu", "memory", "hugepages-"]);
    }
}

/// The containers' requests together fit the pod's request, and each limit the pod's limit.
fn aggregate_fits(spec: &Field<'_>, resources: &Field<'_>, causes: &mut Causes) {
    let (requests, limits) =
        (resources.member(ResourceRequirements::REQUESTS), resources.member(ResourceRequirements::LIMITS));
    let exceeds = |list, name, field: &Field<'_>| {
        container_sum(spec, list, name).zip(amount(field)).is_some_and(|(sum, pod)| sum > pod)
    };
    for (_, field) in requests.entries().filter(|(name, field)| exceeds(ResourceRequirements::REQUESTS, name, field)) {
        causes.invalid(&field, "must be greater than or equal to aggregate container requests");
    }
    for (_, field) in limits
        .entries()
        .filter(|(name, field)| is_huge_page(name) && exceeds(ResourceRequirements::LIMITS, name, field))
    {
        causes.invalid(&field, "must be greater than or equal to aggregate container limits");
    }
    let reported = resources.member(PodSpec::CONTAINERS);
    for (at, container) in spec.member(PodSpec::CONTAINERS).items().enumerate() {
        for (name, limit) in container.member(Container::RESOURCES).member(ResourceRequirements::LIMITS).entries() {
            let pod = limits.property(name).and_then(|pod| amount(&pod));
            if amount(&limit).zip(pod).is_some_and(|(limit, pod)| limit > pod) {
                // The reference reports these below the pod's resources.
                let place = reported.element(at).entry(name).member(ResourceRequirements::LIMITS);
                causes.invalid(&limit.reported_at(&place), "must be less than or equal to pod limits");
            }
        }
    }
}

/// What the containers come to: those that run together add up, and an init container counts where it alone needs more.
/// `None` if none names the resource.
fn container_sum(spec: &Field<'_>, list: FieldName, name: &str) -> Option<Quantity> {
    let of = |container: &Field<'_>| amount(&container.member(Container::RESOURCES).member(list).property(name)?);
    let add = |sum: Option<Quantity>, more: Option<Quantity>| match (sum, more) {
        (Some(sum), Some(more)) => Some(sum.plus(more)),
        (sum, more) => sum.or(more),
    };
    let mut sum = spec.member(PodSpec::CONTAINERS).items().fold(None, |sum, one| add(sum, of(&one)));
    let (mut sidecars, mut peak) = (None, None);
    for container in spec.member(PodSpec::INIT_CONTAINERS).items() {
        if container.member(PodSpec::RESTART_POLICY).text() == "Always" {
            sum = add(sum, of(&container));
            sidecars = add(sidecars, of(&container));
            peak = peak.max(sidecars);
        } else {
            peak = peak.max(add(of(&container), sidecars));
        }
    }
    sum.max(peak)
}

/// What the pod itself costs. The reference reports it as limits.
pub fn overhead(overhead: &Field<'_>, causes: &mut Causes) {
    let limits = overhead.reported_at(&overhead.member(ResourceRequirements::LIMITS));
    for (name, field) in limits.entries() {
        entry(name, &field, container_resource_name, causes);
        whole_pages(name, &field, causes);
    }
    let has = |wanted: fn(&str) -> bool| limits.entries().any(|(name, _)| wanted(name));
    if has(is_huge_page) && !has(|name| matches!(name, "cpu" | "memory")) {
        causes.forbidden(overhead, "HugePages require cpu or memory");
    }
}
