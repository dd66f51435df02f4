//! What of a Service may change, and what its status may say.

use gantry_kinds::fields::core_v1::{
    LoadBalancerIngress, LoadBalancerStatus, Service as ServiceFields, ServiceSpec, ServiceStatus,
};

use super::{Service, addresses, load_balancer_class, service};
use crate::{
    field::{Causes, Field},
    names,
    rules::net,
    table::Update,
};

pub fn update(update: Update<'_>, causes: &mut Causes) {
    let (new, old) = (Service::new(update.new), Service::new(update.old));
    if update.subresource == Some("status") {
        let [new_status, old_status] = [update.new, update.old]
            .map(|root| root.member(ServiceFields::STATUS).member(ServiceStatus::LOAD_BALANCER));
        return load_balancer_status(&new_status, &old_status, new.is_load_balancer(), causes);
    }
    let before = causes.len();
    addresses::check(&new, Some(&old), causes);
    // The reference looks at addresses before anything else.
    if causes.len() == before {
        changes(&new, &old, causes);
        // Once more, as part of the whole service.
        service(&new, update.new, Some(update.old), causes);
    }
}

fn changes(new: &Service<'_>, old: &Service<'_>, causes: &mut Causes) {
    kept_addresses(new, old, causes);
    kept_families(new, old, causes);
    if new.is_load_balancer() && old.is_load_balancer() {
        causes.immutable(
            &new.spec.member(ServiceSpec::LOAD_BALANCER_CLASS),
            &old.spec.member(ServiceSpec::LOAD_BALANCER_CLASS),
        );
    }
    load_balancer_class(new, causes);
    let health =
        |service: &Service<'_>| service.spec.member(ServiceSpec::HEALTH_CHECK_NODE_PORT).int().unwrap_or_default();
    if new.is_health_checked() && old.is_health_checked() && health(new) != health(old) {
        causes.forbidden(&new.spec.member(ServiceSpec::HEALTH_CHECK_NODE_PORT), "field is immutable");
    }
}

/// Addresses that were given stay, unless the type changes from or to ExternalName; the second of two may come and go.
fn kept_addresses(new: &Service<'_>, old: &Service<'_>, causes: &mut Causes) {
    if new.is_external_name() || old.is_external_name() || (new.is_headless() && old.is_headless()) {
        return;
    }
    let (is, was) = (new.cluster_ips(), old.cluster_ips());
    let field = new.spec.member(ServiceSpec::CLUSTER_IPS);
    if is.is_empty() && !was.is_empty() {
        causes.invalid(&field.element(0), "primary clusterIP can not be unset");
    }
    for index in changed(&is, &was) {
        causes.invalid(&field.element(index), "may not change once set");
    }
    if was.len() > 1 && is.len() == 1 {
        single_stack_to_release(new, causes);
    }
}

/// As [`kept_addresses`], of families. The reference reports each change at the first.
fn kept_families(new: &Service<'_>, old: &Service<'_>, causes: &mut Causes) {
    if new.is_external_name() || old.is_external_name() || new.is_headless() || old.is_headless() {
        return;
    }
    fn families<'a>(service: &Service<'a>) -> Vec<&'a str> {
        service.spec.member(ServiceSpec::IP_FAMILIES).items().map(|family| family.text()).collect()
    }
    let (is, was) = (families(new), families(old));
    for _ in changed(&is, &was) {
        causes.invalid(&new.spec.member(ServiceSpec::IP_FAMILIES).element(0), "may not change once set");
    }
    if was.len() > 1 && is.len() == 1 {
        single_stack_to_release(new, causes);
    }
}

/// Where two lists differ. Where one of them has a second item and the other does not, the first alone is compared.
fn changed(is: &[&str], was: &[&str]) -> Vec<usize> {
    let compared = if is.len() == was.len() { is.len() } else { is.len().min(was.len()).min(1) };
    (0..compared).filter(|index| is[*index] != was[*index]).collect()
}

fn single_stack_to_release(service: &Service<'_>, causes: &mut Causes) {
    let policy = service.spec.member(ServiceSpec::IP_FAMILY_POLICY);
    if policy.text() != "SingleStack" {
        causes.invalid(&policy, "must be set to 'SingleStack' when releasing the secondary address or family");
    }
}

/// `status.loadBalancer`. Addresses that were there before stay as they are spelled; ports are not looked at.
fn load_balancer_status(status: &Field<'_>, old: &Field<'_>, allowed: bool, causes: &mut Causes) {
    let ingress = status.member(LoadBalancerStatus::INGRESS);
    if !allowed && !ingress.is_empty() {
        return causes.forbidden(&ingress, "may only be used when `spec.type` is 'LoadBalancer'");
    }
    let known = |ip: &str| {
        old.member(LoadBalancerStatus::INGRESS).items().any(|point| point.member(LoadBalancerIngress::IP).text() == ip)
    };
    for point in ingress.items() {
        let (ip, mode, hostname) = (
            point.member(LoadBalancerIngress::IP),
            point.member(LoadBalancerIngress::IP_MODE),
            point.member(LoadBalancerIngress::HOSTNAME),
        );
        if !ip.is_empty() && !known(ip.text()) {
            net::ip(&ip, causes);
        }
        match (ip.is_empty(), mode.is_set()) {
            (true, true) => causes.forbidden(&mode, "may not be specified when `ip` is not set"),
            (false, true) => causes.one_of(&mode, &["Proxy", "VIP"]),
            (false, false) => causes.required(&mode),
            (true, false) => {}
        }
        if !hostname.is_empty() {
            causes.invalid_each(&hostname, names::dns_subdomain(hostname.text()));
            if net::is_address_somehow(hostname.text()) {
                causes.invalid(&hostname, "must be a DNS name, not an IP address");
            }
        }
    }
}
