//! What goes when a service changes its type: values that the new type has no use for, unless the request changes them.

use std::collections::HashSet;

use gantry_meta::{Object, Value};

use super::{has_cluster_ip, is_health_checked, items, kept::node_port, member, service_type, spec_mut};

/// Whether a service has use for a value.
type Has = fn(&Object) -> bool;

pub(super) fn drop_what_the_type_lost(new: &mut Object, old: &Object) {
    let same = |new: &Object, names: &[&str]| names.iter().all(|name| member(new, name) == member(old, name));
    let lost = |new: &Object, had: Has| had(old) && !had(new);
    if lost(new, has_cluster_ip) {
        if same(new, &["clusterIP", "clusterIPs"]) {
            remove(new, &["clusterIP", "clusterIPs"]);
        }
        for name in ["ipFamilies", "ipFamilyPolicy"].into_iter().filter(|name| same(new, &[*name])).collect::<Vec<_>>()
        {
            remove(new, &[name]);
        }
    }
    if lost(new, has_node_ports) {
        drop_node_ports(new, old);
    }
    let of_type: [(&str, Has); 4] = [
        ("healthCheckNodePort", is_health_checked),
        ("allocateLoadBalancerNodePorts", is_load_balancer),
        ("loadBalancerClass", is_load_balancer),
        ("externalTrafficPolicy", is_reached_from_outside),
    ];
    // What is decided by another one of these goes after it.
    for (name, had) in of_type {
        if lost(new, had) && same(new, &[name]) {
            remove(new, &[name]);
        }
    }
    if !is_load_balancer(new) {
        new.entry("status").and_modify(|status| status["loadBalancer"] = Value::Object(Object::new()));
    }
}

fn remove(service: &mut Object, names: &[&str]) {
    if let Some(spec) = spec_mut(service) {
        names.iter().for_each(|name| _ = spec.remove(*name));
    }
}

fn has_node_ports(service: &Object) -> bool {
    matches!(service_type(service), "NodePort" | "LoadBalancer")
}

fn is_load_balancer(service: &Object) -> bool {
    service_type(service) == "LoadBalancer"
}

fn is_reached_from_outside(service: &Object) -> bool {
    has_node_ports(service) || (service_type(service) == "ClusterIP" && !items(service, "externalIPs").is_empty())
}

/// All of them, unless the request names one that the service did not have.
fn drop_node_ports(new: &mut Object, old: &Object) {
    let ports = |service: &Object| -> HashSet<i64> {
        items(service, "ports").iter().map(node_port).filter(|port| *port != 0).collect()
    };
    if !ports(old).is_superset(&ports(new)) {
        return;
    }
    let ports = spec_mut(new).and_then(|spec| spec.get_mut("ports")).and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
        port.remove("nodePort");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
