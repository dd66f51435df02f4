//! Services and what they lead to.

use gantry_kinds::fields::{
    core_v1::{
        EndpointAddress, EndpointSubset, Endpoints, LoadBalancerIngress, LoadBalancerStatus, Pod, PodIP, PodStatus,
        Service, ServiceSpec, ServiceStatus,
    },
    discovery_v1::{Endpoint, EndpointSlice},
    meta_v1::ObjectMeta,
    networking_v1::{
        IPBlock, Ingress, IngressSpec, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule,
        NetworkPolicyPeer, NetworkPolicySpec,
    },
};

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
    let spec = written.new.member(Service::SPEC);
    let hints = annotation(written.new, TOPOLOGY_HINTS);
    if hints.is_set() {
        found.at(&hints, "deprecated; use \"service.kubernetes.io/topology-mode\"");
    }
    if !matches!(spec.member(ServiceSpec::CLUSTER_IP).text(), "" | "None") {
        spec.member(ServiceSpec::CLUSTER_IPS).items().for_each(|ip| addresses::ip(&ip, found));
    }
    let headless =
        spec.member(ServiceSpec::TYPE).text() == "ClusterIP" && spec.member(ServiceSpec::CLUSTER_IP).text() == "None";
    if headless {
        ignored_without_address(&spec, found);
    }
    spec.member(ServiceSpec::EXTERNAL_IPS).items().for_each(|ip| addresses::ip(&ip, found));
    addresses::ip(&spec.member(ServiceSpec::LOAD_BALANCER_IP), found);
    spec.member(ServiceSpec::LOAD_BALANCER_SOURCE_RANGES).items().for_each(|range| addresses::cidr(&range, found));
    of_its_type(&spec, headless, found);
    if spec.member(ServiceSpec::TRAFFIC_DISTRIBUTION).text() == "PreferClose" {
        found.at(
            &spec.member(ServiceSpec::TRAFFIC_DISTRIBUTION),
            "\"PreferClose\" is deprecated; use \"PreferSameZone\"",
        );
    }
}

fn ignored_without_address(spec: &Field<'_>, found: &mut Found) {
    let affinity = spec.member(ServiceSpec::SESSION_AFFINITY);
    let ignored = [
        (spec.member(ServiceSpec::LOAD_BALANCER_IP), !spec.member(ServiceSpec::LOAD_BALANCER_IP).is_empty()),
        (spec.member(ServiceSpec::EXTERNAL_IPS), !spec.member(ServiceSpec::EXTERNAL_IPS).is_empty()),
        (affinity.clone(), affinity.text() != "None"),
    ];
    for (field, _) in ignored.iter().filter(|(_, stated)| *stated) {
        found.at(field, "ignored for headless services");
    }
}

fn of_its_type(spec: &Field<'_>, headless: bool, found: &mut Found) {
    let external_name = spec.member(ServiceSpec::TYPE).text() == "ExternalName";
    let addresses = spec.member(ServiceSpec::EXTERNAL_IPS);
    if !addresses.is_empty() && external_name {
        found.at(&addresses, "ignored where spec.type is \"ExternalName\"");
    } else if !addresses.is_empty() && !headless {
        found.at(&addresses, "deprecated, and not implemented in every cluster");
    }
    if !external_name && !spec.member(ServiceSpec::EXTERNAL_NAME).is_empty() {
        found.at(&spec.member(ServiceSpec::EXTERNAL_NAME), "ignored where spec.type is not \"ExternalName\"");
    }
}

pub(super) fn endpoints(written: Written<'_>, found: &mut Found) {
    if label(written.new, ENDPOINTS_MANAGED_BY) == "endpoint-controller" {
        return;
    }
    for subset in written.new.member(Endpoints::SUBSETS).items() {
        for list in [EndpointSubset::ADDRESSES, EndpointSubset::NOT_READY_ADDRESSES] {
            subset.member(list).items().for_each(|address| addresses::ip(&address.member(EndpointAddress::IP), found));
        }
    }
}

pub(super) fn endpoint_slice(written: Written<'_>, found: &mut Found) {
    let address_type = written.new.member(EndpointSlice::ADDRESS_TYPE);
    if written.is_new() && address_type.text() == "FQDN" {
        found.at(&address_type, "endpoints of type FQDN are deprecated");
    }
    if SLICE_CONTROLLERS.contains(&label(written.new, SLICE_MANAGED_BY)) {
        return;
    }
    for endpoint in written.new.member(EndpointSlice::ENDPOINTS).items() {
        endpoint.member(Endpoint::ADDRESSES).items().for_each(|address| addresses::ip(&address, found));
    }
}

fn label<'a>(root: Root<'a>, key: &'a str) -> &'a str {
    root.member(Endpoints::METADATA).member(ObjectMeta::LABELS).entry(key).text()
}

pub(super) fn ingress(written: Written<'_>, found: &mut Found) {
    let class = annotation(written.new, INGRESS_CLASS);
    if written.is_new()
        && class.is_set()
        && !written.new.member(Ingress::SPEC).member(IngressSpec::INGRESS_CLASS_NAME).is_set()
    {
        found.at(&class, "deprecated; use 'spec.ingressClassName'");
    }
}

pub(super) fn network_policy(written: Written<'_>, found: &mut Found) {
    let spec = written.new.member(NetworkPolicy::SPEC);
    for (rules, peers) in [
        (NetworkPolicySpec::INGRESS, NetworkPolicyIngressRule::FROM),
        (NetworkPolicySpec::EGRESS, NetworkPolicyEgressRule::TO),
    ] {
        for peer in spec.member(rules).items().flat_map(|rule| rule.member(peers).items()) {
            let block = peer.member(NetworkPolicyPeer::IP_BLOCK);
            addresses::cidr(&block.member(IPBlock::CIDR), found);
            block.member(IPBlock::EXCEPT).items().for_each(|range| addresses::cidr(&range, found));
        }
    }
}

/// `status.loadBalancer` of services and ingresses.
pub(super) fn load_balancer_addresses(written: Written<'_>, found: &mut Found) {
    for ingress in written
        .new
        .member(Service::STATUS)
        .member(ServiceStatus::LOAD_BALANCER)
        .member(LoadBalancerStatus::INGRESS)
        .items()
    {
        addresses::ip(&ingress.member(LoadBalancerIngress::IP), found);
    }
}

pub(super) fn pod_addresses(written: Written<'_>, found: &mut Found) {
    let status = written.new.member(Pod::STATUS);
    for list in [PodStatus::POD_IPS, PodStatus::HOST_IPS] {
        status.member(list).items().for_each(|address| addresses::ip(&address.member(PodIP::IP), found));
    }
}
