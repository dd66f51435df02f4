//! What goes when a service changes its type: values that the new type has no use for, unless the request changes them.

use std::collections::HashSet;

use gantry_kinds::{
    FieldName, Members as _,
    fields::core_v1::{Service, ServicePort, ServiceSpec, ServiceStatus},
};
use gantry_meta::Object;

use super::{has_cluster_ip, is_health_checked, items, kept::node_ports, member, service_type, spec_mut};

/// Whether a service has use for a value.
type Has = fn(&Object) -> bool;

pub(super) fn drop_what_the_type_lost(new: &mut Object, old: &Object) {
    let same = |new: &Object, name: FieldName| member(new, name) == member(old, name);
    let lost = |new: &Object, had: Has| had(old) && !had(new);
    if lost(new, has_cluster_ip) {
        if ADDRESSES.iter().all(|name| same(new, *name)) {
            ADDRESSES.iter().for_each(|name| remove(new, *name));
        }
        for name in [ServiceSpec::IP_FAMILIES, ServiceSpec::IP_FAMILY_POLICY] {
            if same(new, name) {
                remove(new, name);
            }
        }
    }
    if lost(new, has_node_ports) {
        drop_node_ports(new, old);
    }
    for (name, had) in OF_TYPE {
        if lost(new, had) && same(new, name) {
            remove(new, name);
        }
    }
    if let (false, Some(status)) = (is_load_balancer(new), new.object_mut(Service::STATUS)) {
        status.set(ServiceStatus::LOAD_BALANCER, Object::new());
    }
}

const ADDRESSES: [FieldName; 2] = [ServiceSpec::CLUSTER_IP, ServiceSpec::CLUSTER_IPS];

/// What only some types have. What is decided by another one of these stands after it.
const OF_TYPE: [(FieldName, Has); 4] = [
    (ServiceSpec::HEALTH_CHECK_NODE_PORT, is_health_checked),
    (ServiceSpec::ALLOCATE_LOAD_BALANCER_NODE_PORTS, is_load_balancer),
    (ServiceSpec::LOAD_BALANCER_CLASS, is_load_balancer),
    (ServiceSpec::EXTERNAL_TRAFFIC_POLICY, is_reached_from_outside),
];

fn remove(service: &mut Object, name: FieldName) {
    if let Some(spec) = spec_mut(service) {
        spec.unset(name);
    }
}

fn has_node_ports(service: &Object) -> bool {
    matches!(service_type(service), "NodePort" | "LoadBalancer")
}

fn is_load_balancer(service: &Object) -> bool {
    service_type(service) == "LoadBalancer"
}

fn is_reached_from_outside(service: &Object) -> bool {
    has_node_ports(service)
        || (service_type(service) == "ClusterIP" && !items(service, ServiceSpec::EXTERNAL_IPS).is_empty())
}

/// All of them, unless the request names one that the service did not have.
fn drop_node_ports(new: &mut Object, old: &Object) {
    let had: HashSet<i64> = node_ports(old).collect();
    if node_ports(new).any(|port| !had.contains(&port)) {
        return;
    }
    for port in spec_mut(new).into_iter().flat_map(|spec| spec.objects_mut(ServiceSpec::PORTS)) {
        port.unset(ServicePort::NODE_PORT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_meta::Value;
    use serde_json::json;

    #[test]
    fn what_a_load_balancer_had_goes_unless_it_is_changed() {
        let of = |value: Value| value.as_object().cloned().unwrap();
        let old = of(
            json!({"spec": {"type": "LoadBalancer", "clusterIP": "10.96.0.9", "externalTrafficPolicy": "Local",
            "healthCheckNodePort": 30009, "allocateLoadBalancerNodePorts": true, "loadBalancerClass": "x/y",
            "ports": [{"port": 80, "nodePort": 30001}]}, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}),
        );
        let mut new = old.clone();
        new["spec"]["type"] = "ClusterIP".into();
        new["spec"]["loadBalancerClass"] = "x/z".into();
        drop_what_the_type_lost(&mut new, &old);
        assert_eq!(
            json!(new),
            json!({"spec": {"type": "ClusterIP", "clusterIP": "10.96.0.9", "loadBalancerClass": "x/z",
                "ports": [{"port": 80}]}, "status": {"loadBalancer": {}}})
        );
        let mut named = old.clone();
        named["spec"]["type"] = "ClusterIP".into();
        named["spec"]["ports"][0]["nodePort"] = 30002.into();
        drop_what_the_type_lost(&mut named, &old);
        assert_eq!(named["spec"]["ports"][0]["nodePort"], 30002, "a change is for validation to refuse");
    }
}
