//! What containers and pods ask for.

use gantry_meta::Quantity;

use crate::{
    field::{Causes, Field},
    rules::resources::{amount, container_resource_name, is_huge_page, is_overcommit_allowed, resource_amount},
};

type NameCheck = fn(&str, &Field<'_>, &mut Causes);

pub(super) fn container(resources: &Field<'_>, claims: &[&str], causes: &mut Causes) {
    requirements(resources, container_resource_name, causes);
    claim_names(&resources.member("claims"), claims, causes);
}

fn requirements(resources: &Field<'_>, name_check: NameCheck, causes: &mut Causes) {
    let (limits, requests) = (resources.member("limits"), resources.member("requests"));
    for (name, limit) in limits.entries() {
        entry(name, &limit, name_check, causes);
    }
    for (name, request) in requests.entries() {
        entry(name, &request, name_check, causes);
        within_limit(name, &request, (&limits, &requests), causes);
    }
    let has = |wanted: fn(&str) -> bool| limits.entries().chain(requests.entries()).any(|(name, _)| wanted(name));
    if has(is_huge_page) && !has(|name| matches!(name, "cpu" | "memory")) {
        causes.forbidden(resources, "HugePages require cpu or memory");
    }
}

fn entry(name: &str, field: &Field<'_>, name_check: NameCheck, causes: &mut Causes) {
    name_check(name, field, causes);
    resource_amount(name, field, causes);
    if let Some(page) = name.strip_prefix("hugepages-").and_then(|size| Quantity::parse(size).ok()) {
        let whole = amount(field).is_none_or(|a| page.is_zero() || a.units() % page.units() == 0);
        if !whole {
            causes.invalid(field, "must be a multiple of the page size");
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

/// Claims that a container uses: each once, each declared by the pod.
fn claim_names(used: &Field<'_>, declared: &[&str], causes: &mut Causes) {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for claim in used.items() {
        let name = claim.member("name");
        let one = (name.text(), claim.member("request").text());
        if name.is_empty() {
            causes.required(&claim);
            continue;
        }
        if seen.contains(&one) {
            causes.duplicate(&claim);
        } else if !declared.contains(&one.0) {
            causes.not_found(&name);
        }
        seen.push(one);
    }
}

/// `spec.resources`: cpu, memory and huge pages for the pod as a whole.
pub(super) fn pod_level(spec: &Field<'_>, claims: &[&str], causes: &mut Causes) {
    let resources = spec.member("resources");
    if !resources.is_set() {
        return;
    }
    if !resources.member("claims").is_empty() {
        causes.forbidden(&resources.member("claims"), "claims may not be set for pod-level resources");
    }
    requirements(&resources, pod_resource_name, causes);
    claim_names(&resources.member("claims"), claims, causes);
    aggregate_fits(spec, &resources, causes);
}

fn pod_resource_name(name: &str, field: &Field<'_>, causes: &mut Causes) {
    if !matches!(name, "cpu" | "memory") && !is_huge_page(name) {
        causes.not_supported(field, &["cpu", "memory", "hugepages-"]);
    }
}

/// The containers' requests together fit the pod's request, and each limit the pod's limit.
fn aggregate_fits(spec: &Field<'_>, resources: &Field<'_>, causes: &mut Causes) {
    for (name, field) in resources.member("requests").entries() {
        let sum = spec.member("containers").items().fold(Quantity::ZERO, |sum, container| {
            let request = container.member("resources").member("requests").member(name);
            amount(&request).map_or(sum, |request| sum.plus(request))
        });
        if amount(&field).is_some_and(|pod| sum > pod) {
            causes.invalid(&field, "must be greater than or equal to aggregate container requests");
        }
    }
    for (name, field) in resources.member("limits").entries() {
        for container in spec.member("containers").items() {
            let limit = container.member("resources").member("limits").member(name);
            if amount(&limit).zip(amount(&field)).is_some_and(|(limit, pod)| limit > pod) {
                causes.invalid(&limit, "must be less than or equal to pod limits");
            }
        }
    }
}

/// What the pod itself costs. The reference reports it as limits.
pub fn overhead(overhead: &Field<'_>, causes: &mut Causes) {
    let limits = overhead.reported_at(&overhead.member("limits"));
    for (name, field) in limits.entries() {
        entry(name, &field, container_resource_name, causes);
    }
}
