//! Which objects, in which order.

use std::net::SocketAddr;

use gantry_meta::{GroupVersionResource, Object};
use serde_json::{Value, json};

use super::{drift::Upkeep, service_cidr};

/// What differs between clusters.
#[derive(Clone, Debug)]
pub struct ClusterFacts {
    /// `10.96.0.0/16`.
    pub service_cidr: String,
    /// The address of the service `kubernetes`: the first of the range.
    pub api_service_address: String,
    /// The address of the service `kube-dns`.
    pub dns_service_address: String,
    /// Where pods and nodes reach this API server.
    pub advertised: SocketAddr,
    /// PEM of the authority whose client certificates count.
    pub authority_pem: String,
}

/// Objects of one resource that should exist.
pub(super) struct Defaults {
    pub resource: GroupVersionResource,
    pub upkeep: Upkeep,
    pub objects: Vec<Object>,
}

impl Defaults {
    fn new(group: &str, resource: &str, upkeep: Upkeep, objects: Vec<Object>) -> Self {
        Self { resource: GroupVersionResource::new(group, "v1", resource), upkeep, objects }
    }

    fn embedded(group: &str, resource: &str, upkeep: Upkeep, json: &str) -> Self {
        let objects = serde_json::from_str(json).expect("a test reads every embedded file");
        Self::new(group, resource, upkeep, objects)
    }
}

/// What the rest lives in; must stand before it.
pub(super) fn namespaces() -> Defaults {
    Defaults::embedded("", "namespaces", Upkeep::Exists, include_str!("data/namespaces.json"))
}

pub(super) fn all_but_namespaces(facts: &ClusterFacts) -> Vec<Defaults> {
    const RBAC: &str = gantry_auth::rbac::GROUP;
    const FLOW: &str = "flowcontrol.apiserver.k8s.io";
    let mut all = vec![
        Defaults::embedded(RBAC, "clusterroles", Upkeep::Role, include_str!("data/cluster_roles.json")),
        Defaults::embedded(
            RBAC,
            "clusterrolebindings",
            Upkeep::Binding,
            include_str!("data/cluster_role_bindings.json"),
        ),
        // Our controllers patch what upstream's update.
        Defaults::embedded(RBAC, "clusterroles", Upkeep::Role, include_str!("data/gantry_cluster_roles.json")),
        Defaults::embedded(
            RBAC,
            "clusterrolebindings",
            Upkeep::Binding,
            include_str!("data/gantry_cluster_role_bindings.json"),
        ),
        Defaults::embedded(RBAC, "roles", Upkeep::Role, include_str!("data/roles.json")),
        Defaults::embedded(RBAC, "rolebindings", Upkeep::Binding, include_str!("data/role_bindings.json")),
        Defaults::embedded(
            FLOW,
            "prioritylevelconfigurations",
            Upkeep::Spec,
            include_str!("data/priority_levels.json"),
        ),
        Defaults::embedded(FLOW, "flowschemas", Upkeep::Spec, include_str!("data/flow_schemas.json")),
        Defaults::embedded("", "serviceaccounts", Upkeep::Exists, include_str!("data/service_accounts.json")),
        Defaults::embedded(
            "scheduling.k8s.io",
            "priorityclasses",
            Upkeep::Exists,
            include_str!("data/priority_classes.json"),
        ),
    ];
    all.extend(of_this_cluster(facts));
    all
}

fn of_this_cluster(facts: &ClusterFacts) -> Vec<Defaults> {
    let one = |group: &str, resource: &str, upkeep, object: Value| {
        let Value::Object(object) = object else { unreachable!("the literals below are objects") };
        Defaults::new(group, resource, upkeep, vec![object])
    };
    let mut all = vec![
        one("networking.k8s.io", "servicecidrs", Upkeep::Exists, range(facts)),
        one("", "services", Upkeep::Members(&["spec"]), kubernetes_service(facts)),
        one("", "services", Upkeep::Members(&["spec"]), dns_service(facts)),
        one("", "configmaps", Upkeep::Members(&["data"]), client_authority(facts)),
    ];
    // A server that only this machine reaches is no endpoint for pods.
    if !facts.advertised.ip().is_loopback() {
        let kept = &["endpoints", "ports"];
        all.push(one("discovery.k8s.io", "endpointslices", Upkeep::Members(kept), endpoint_slice(facts)));
        all.push(one("", "endpoints", Upkeep::Members(&["subsets"]), endpoints(facts)));
    }
    all
}

fn range(facts: &ClusterFacts) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR",
        "metadata": {"name": service_cidr::NAME},
        "spec": {"cidrs": [facts.service_cidr]},
    })
}

fn kubernetes_service(facts: &ClusterFacts) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": "kubernetes", "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "type": "ClusterIP", "clusterIP": facts.api_service_address, "clusterIPs": [facts.api_service_address],
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "sessionAffinity": "None",
            "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": facts.advertised.port()}],
        },
    })
}

/// Each node answers on this address itself: no pods stand behind it.
fn dns_service(facts: &ClusterFacts) -> Value {
    let port = |name, protocol| json!({"name": name, "protocol": protocol, "port": 53, "targetPort": 53});
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": "kube-dns", "namespace": "kube-system",
            "labels": {"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"},
        },
        "spec": {
            "type": "ClusterIP", "clusterIP": facts.dns_service_address, "clusterIPs": [facts.dns_service_address],
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "sessionAffinity": "None",
            "ports": [port("dns", "UDP"), port("dns-tcp", "TCP")],
        },
    })
}

fn endpoint_slice(facts: &ClusterFacts) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": "kubernetes", "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": if facts.advertised.is_ipv4() { "IPv4" } else { "IPv6" },
        "endpoints": [{"addresses": [facts.advertised.ip().to_string()], "conditions": {"ready": true}}],
        "ports": [{"name": "https", "protocol": "TCP", "port": facts.advertised.port()}],
    })
}

fn endpoints(facts: &ClusterFacts) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": {
            "name": "kubernetes", "namespace": "default",
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
        },
        "subsets": [{
            "addresses": [{"ip": facts.advertised.ip().to_string()}],
            "ports": [{"name": "https", "protocol": "TCP", "port": facts.advertised.port()}],
        }],
    })
}

fn client_authority(facts: &ClusterFacts) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "extension-apiserver-authentication", "namespace": "kube-system"},
        "data": {"client-ca-file": facts.authority_pem},
    })
}

#[cfg(test)]
mod tests {
    use gantry_meta::ObjectView;

    use super::*;

    #[test]
    fn every_embedded_object_reads_and_has_a_name() {
        let facts = ClusterFacts {
            service_cidr: "10.96.0.0/16".into(),
            api_service_address: "10.96.0.1".into(),
            dns_service_address: "10.96.0.10".into(),
            advertised: "192.0.2.1:6443".parse().unwrap(),
            authority_pem: "PEM".into(),
        };
        let all = all_but_namespaces(&facts);
        assert!(all.iter().chain([&namespaces()]).all(|d| d.objects.iter().all(|o| !o.name().is_empty())));
        let count = |resource: &str| {
            all.iter().find(|d| &*d.resource.resource == resource).map_or(0, |defaults| defaults.objects.len())
        };
        assert_eq!((count("clusterroles"), count("clusterrolebindings"), count("flowschemas")), (69, 50, 11));
        assert_eq!(namespaces().objects.len(), 4);
    }
}
