//! Services and what they lead to.

use super::{Found, Written, addresses, annotation};
use crate::field::{Field, Root};

const TOPOLOGY_HINTS: &str = "service.kubernetes.io/topology-aware-hints";
const INGRESS_CLASS: &str = "kubernetes.io/ingress.class";
const ENDPOINTS_MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const SLICE_MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// Controllers that write addresses in their canonical form.
const SLICE_CONTROLLERS: [&str; 2] = ["endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"];

/// Parts of a service that have no effect for what it is, and spellings of its addresses.
pub(super) fn service(written: Written<'_>, found: &mut Found) {
    let spec = written.new.member("spec");
    let hints = annotation(written.new, TOPOLOGY_HINTS);
    if hints.is_set() {
        found.at(&hints, "deprecated; use \"service.kubernetes.io/topology-mode\"");
    }
    if !matches!(spec.member("clusterIP").text(), "" | "None") {
        spec.member("clusterIPs").items().for_each(|ip| addresses::ip(&ip, found));
    }
    let headless = spec.member("type").text() == "ClusterIP" && spec.member("clusterIP").text() == "None";
    if headless {
        ignored_without_address(&spec, found);
    }
    spec.member("externalIPs").items().for_each(|ip| addresses::ip(&ip, found));
    addresses::ip(&spec.member("loadBalancerIP"), found);
    spec.member("loadBalancerSourceRanges").items().for_each(|range| addresses::cidr(&range, found));
    of_its_type(&spec, headless, found);
    if spec.member("trafficDistribution").text() == "PreferClose" {
        found.at(&spec.member("trafficDistribution"), "\"PreferClose\" is deprecated; use \"PreferSameZone\"");
    }
}

fn ignored_without_address(spec: &Field<'_>, found: &mut Found) {
    let affinity = spec.member("sessionAffinity");
    let ignored = [
        (spec.member("loadBalancerIP"), !spec.member("loadBalancerIP").is_empty()),
        (spec.member("externalIPs"), !spec.member("externalIPs").is_empty()),
        (affinity.clone(), affinity.text() != "None"),
    ];
    for (field, _) in ignored.iter().filter(|(_, stated)| *stated) {
        found.at(field, "ignored for headless services");
    }
}

fn of_its_type(spec: &Field<'_>, headless: bool, found: &mut Found) {
    let external_name = spec.member("type").text() == "ExternalName";
    let addresses = spec.member("externalIPs");
    if !addresses.is_empty() && external_name {
        found.at(&addresses, "ignored where spec.type is \"ExternalName\"");
    } else if !addresses.is_empty() && !headless {
        found.at(&addresses, "deprecated, and not implemented in every cluster");
    }
    if !external_name && !spec.member("externalName").is_empty() {
        found.at(&spec.member("externalName"), "ignored where spec.type is not \"ExternalName\"");
    }
}

pub(super) fn endpoints(written: Written<'_>, found: &mut Found) {
    if label(written.new, ENDPOINTS_MANAGED_BY) == "endpoint-controller" {
        return;
    }
    for subset in written.new.member("subsets").items() {
        for list in ["addresses", "notReadyAddresses"] {
            subset.member(list).items().for_each(|address| addresses::ip(&address.member("ip"), found));
        }
    }
}

pub(super) fn endpoint_slice(written: Written<'_>, found: &mut Found) {
    let address_type = written.new.member("addressType");
    if written.is_new() && address_type.text() == "FQDN" {
        found.at(&address_type, "endpoints of type FQDN are deprecated");
    }
    if SLICE_CONTROLLERS.contains(&label(written.new, SLICE_MANAGED_BY)) {
        return;
    }
    for endpoint in written.new.member("endpoints").items() {
        endpoint.member("addresses").items().for_each(|address| addresses::ip(&address, found));
    }
}

fn label<'a>(root: Root<'a>, key: &'a str) -> &'a str {
    root.member("metadata").member("labels").entry(key).text()
}

pub(super) fn ingress(written: Written<'_>, found: &mut Found) {
    let class = annotation(written.new, INGRESS_CLASS);
    if written.is_new() && class.is_set() && !written.new.member("spec").member("ingressClassName").is_set() {
        found.at(&class, "deprecated; use 'spec.ingressClassName'");
    }
}

pub(super) fn network_policy(written: Written<'_>, found: &mut Found) {
    let spec = written.new.member("spec");
    for (rules, peers) in [("ingress", "from"), ("egress", "to")] {
        for peer in spec.member(rules).items().flat_map(|rule| rule.member(peers).items()) {
            let block = peer.member("ipBlock");
            addresses::cidr(&block.member("cidr"), found);
            block.member("except").items().for_each(|range| addresses::cidr(&range, found));
        }
    }
}

/// `status.loadBalancer` of services and ingresses.
pub(super) fn load_balancer_addresses(written: Written<'_>, found: &mut Found) {
    for ingress in written.new.member("status").member("loadBalancer").member("ingress").items() {
        addresses::ip(&ingress.member("ip"), found);
    }
}

pub(super) fn pod_addresses(written: Written<'_>, found: &mut Found) {
    let status = written.new.member("status");
    for list in ["podIPs", "hostIPs"] {
        status.member(list).items().for_each(|address| addresses::ip(&address.member("ip"), found));
    }
}
