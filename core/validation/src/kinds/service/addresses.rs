//! Addresses of a service and their families.

use gantry_kinds::fields::core_v1::ServiceSpec;

use super::Service;
use crate::{
    field::{Causes, Field},
    rules::net,
};

/// The families of this cluster's addresses for services.
const FAMILIES: [&str; 1] = ["IPv4"];

/// Addresses and families by themselves, then with what the cluster has.
pub(super) fn check(service: &Service<'_>, old: Option<&Service<'_>>, causes: &mut Causes) {
    if service.is_external_name() {
        return;
    }
    for step in [well_formed, as_many_as_stated, served_by_the_cluster] {
        let before = causes.len();
        step(service, old, causes);
        if causes.len() > before {
            return;
        }
    }
}

fn well_formed(service: &Service<'_>, old: Option<&Service<'_>>, causes: &mut Causes) {
    let (one, all) = (service.spec.member(ServiceSpec::CLUSTER_IP), service.spec.member(ServiceSpec::CLUSTER_IPS));
    match (one.is_empty(), all.items().next()) {
        (false, None) => causes.required(&all),
        (false, Some(first)) if first.text() != one.text() => {
            causes.invalid(&all, "first value must match `clusterIP`");
        }
        (true, Some(_)) => causes.invalid(&all, "must be empty when `clusterIP` is not specified"),
        _ => {}
    }
    families(&service.spec, causes);
    let before = old.map(Service::cluster_ips).unwrap_or_default();
    if !addresses_parse(&all, &before, causes) {
        return;
    }
    let ips = service.cluster_ips();
    if ips.len() == 2 && ips[0].contains(':') == ips[1].contains(':') {
        causes.invalid(&all, "may specify no more than one IP for each IP family");
    }
    if !service.is_headless() {
        for (ip, family) in all.items().zip(service.spec.member(ServiceSpec::IP_FAMILIES).items()) {
            let other = if ip.text().contains(':') { "IPv4" } else { "IPv6" };
            if family.text() == other {
                causes.invalid(&ip, "expected a value of the family that `ipFamilies` indicates");
            }
        }
    }
}

fn families(spec: &Field<'_>, causes: &mut Causes) {
    let mut seen: Vec<&str> = Vec::new();
    for family in spec.member(ServiceSpec::IP_FAMILIES).items() {
        causes.one_of(&family, &["IPv4", "IPv6"]);
        if seen.contains(&family.text()) {
            causes.duplicate(&family);
        }
        seen.push(family.text());
    }
    let policy = spec.member(ServiceSpec::IP_FAMILY_POLICY);
    if policy.is_set() {
        causes.one_of(&policy, &["SingleStack", "PreferDualStack", "RequireDualStack"]);
    }
}

/// What was there before stays as it is spelled.
fn addresses_parse(all: &Field<'_>, known: &[&str], causes: &mut Causes) -> bool {
    let before = causes.len();
    for (at, ip) in all.items().enumerate() {
        if at == 0 && ip.text() == "None" {
            if all.len() > 1 {
                causes.invalid(all, "'None' must be the first and only value");
            }
        } else if !known.contains(&ip.text()) {
            net::ip(&ip, causes);
        }
    }
    let fine = causes.len() == before;
    if all.len() > 2 {
        causes.invalid(all, "may only hold up to 2 values");
    }
    fine
}

/// One address and one family of a single stack; the second goes only with another policy.
fn as_many_as_stated(service: &Service<'_>, old: Option<&Service<'_>>, causes: &mut Causes) {
    let (policy, lists) =
        (service.spec.member(ServiceSpec::IP_FAMILY_POLICY), [ServiceSpec::CLUSTER_IPS, ServiceSpec::IP_FAMILIES]);
    let is_single = policy.text() == "SingleStack";
    let len = |service: &Service<'_>, list| service.spec.member(list).len();
    for list in lists {
        let reduced = old.is_some_and(|old| len(service, list) > 0 && len(service, list) < len(old, list));
        if reduced && !is_single {
            causes.invalid(&policy, "must be 'SingleStack' to release the secondary address or family");
        }
    }
    for _ in lists.into_iter().filter(|list| is_single && len(service, *list) == 2) {
        causes.invalid(&policy, "must be 'RequireDualStack' or 'PreferDualStack' for two addresses or families");
    }
    for ip in service.spec.member(ServiceSpec::CLUSTER_IPS).items().skip(len(service, ServiceSpec::IP_FAMILIES)) {
        if ip.text() != "None" && !FAMILIES.contains(&family_of(ip.text())) {
            causes.invalid(&ip, "its family is not configured on this cluster");
        }
    }
}

fn family_of(ip: &str) -> &'static str {
    if ip.contains(':') { "IPv6" } else { "IPv4" }
}

/// A headless service without a selector may list endpoints of any family.
fn served_by_the_cluster(service: &Service<'_>, _: Option<&Service<'_>>, causes: &mut Causes) {
    if service.spec.member(ServiceSpec::CLUSTER_IP).text() == "None"
        && service.spec.member(ServiceSpec::SELECTOR).is_empty()
    {
        return;
    }
    let policy = service.spec.member(ServiceSpec::IP_FAMILY_POLICY);
    if policy.text() == "RequireDualStack" && FAMILIES.len() < 2 {
        causes.invalid(&policy, "this cluster is not configured for dual-stack services");
    }
    for family in
        service.spec.member(ServiceSpec::IP_FAMILIES).items().filter(|family| !FAMILIES.contains(&family.text()))
    {
        causes.invalid(&family, "not configured on this cluster");
    }
}
