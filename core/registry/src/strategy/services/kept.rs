//! What an update that does not name it keeps: addresses, node ports, the port of health checks.

use std::collections::{HashMap, HashSet};

use gantry_kinds::{
    FieldName, Members as _,
    fields::core_v1::{ServicePort, ServiceSpec},
};
use gantry_meta::{Object, Value};

use super::{has_cluster_ip, is_health_checked, items, member, service_type, spec, spec_mut, text};

const ADDRESS: FieldName = ServiceSpec::CLUSTER_IP;
const ADDRESSES: FieldName = ServiceSpec::CLUSTER_IPS;

/// Fills in what the old service has and the new one does not name.
pub(super) fn fill_in(new: &mut Object, old: &Object) {
    if has_cluster_ip(old) && has_cluster_ip(new) {
        fill_addresses(new, old);
    }
    if gets_node_ports(old) && gets_node_ports(new) {
        fill_node_ports(new, old);
    }
    const HEALTH: FieldName = ServiceSpec::HEALTH_CHECK_NODE_PORT;
    let is_unset = member(new, HEALTH).and_then(Value::as_i64).unwrap_or_default() == 0;
    if is_unset
        && is_health_checked(old)
        && is_health_checked(new)
        && let (Some(port), Some(spec)) = (member(old, HEALTH), spec_mut(new))
    {
        spec.set(HEALTH, port.clone());
    }
}

fn fill_addresses(new: &mut Object, old: &Object) {
    let (one_unset, all_unset) = (text(new, ADDRESS).is_empty(), items(new, ADDRESSES).is_empty());
    let Some(spec) = spec_mut(new) else { return };
    if let (true, Some(ip)) = (one_unset, member(old, ADDRESS)) {
        spec.set(ADDRESS, ip.clone());
    }
    if let (true, Some(ips)) = (all_unset, member(old, ADDRESSES)) {
        spec.set(ADDRESSES, ips.clone());
    }
}

fn gets_node_ports(service: &Object) -> bool {
    let allocates = || member(service, ServiceSpec::ALLOCATE_LOAD_BALANCER_NODE_PORTS) != Some(&Value::Bool(false));
    match service_type(service) {
        "NodePort" => true,
        "LoadBalancer" => allocates(),
        _ => false,
    }
}

/// The node ports of a service's ports, none where a port has none yet.
pub(super) fn node_ports(service: &Object) -> impl Iterator<Item = i64> {
    spec(service).into_iter().flat_map(|spec| spec.objects(ServiceSpec::PORTS)).map(node_port).filter(|port| *port != 0)
}

fn node_port(port: &Object) -> i64 {
    port.int(ServicePort::NODE_PORT).unwrap_or_default()
}

/// A port keeps the node port that it had under its name, unless another one has it now.
fn fill_node_ports(new: &mut Object, old: &Object) {
    let used: HashSet<i64> = node_ports(new).collect();
    let before = spec(old).into_iter().flat_map(|spec| spec.objects(ServiceSpec::PORTS));
    let had: HashMap<&str, i64> = before.map(|port| (port.text(ServicePort::NAME), node_port(port))).collect();
    let ports = spec_mut(new).into_iter().flat_map(|spec| spec.objects_mut(ServiceSpec::PORTS));
    for port in ports.filter(|port| node_port(port) == 0) {
        let kept = had.get(port.text(ServicePort::NAME)).copied().unwrap_or_default();
        if kept != 0 && !used.contains(&kept) {
            port.set(ServicePort::NODE_PORT, kept);
        }
    }
}

/// Clients that know the single address alone change it alone: the list follows where it is as it was.
pub(super) fn follow_one_address(new: &mut Object, old: &Object) {
    let (is, was) = (text(new, ADDRESS).to_owned(), text(old, ADDRESS));
    let (all, before) = (items(new, ADDRESSES), items(old, ADDRESSES));
    let follows = match is == was {
        true if all.is_empty() && !before.is_empty() => Some(before.to_vec()),
        true => None,
        false if all != before => None,
        false if is.is_empty() => Some(Vec::new()),
        false => Some(vec![is.into()]),
    };
    if let (Some(follows), Some(spec)) = (follows, spec_mut(new)) {
        spec.set(ADDRESSES, follows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(spec: Value) -> Object {
        json!({ "spec": spec }).as_object().cloned().unwrap()
    }

    #[test]
    fn node_ports_stay_with_the_name_of_their_port() {
        let ports = json!([{"name": "a", "port": 80, "nodePort": 30001}, {"name": "b", "port": 81, "nodePort": 30002}]);
        let old = of(json!({"type": "NodePort", "ports": ports}));
        let mut new = of(json!({"type": "NodePort", "ports": [{"name": "b", "port": 90}, {"name": "c", "port": 80}]}));
        fill_in(&mut new, &old);
        assert_eq!(
            new["spec"]["ports"],
            json!([{"name": "b", "port": 90, "nodePort": 30002}, {"name": "c", "port": 80}])
        );
        let mut moved = of(
            json!({"type": "NodePort", "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81, "nodePort": 30001}]}),
        );
        fill_in(&mut moved, &old);
        assert_eq!(moved["spec"]["ports"][0].get("nodePort"), None, "another port has it now");
    }

    #[test]
    fn the_list_of_addresses_follows_the_single_one() {
        let old = of(json!({"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"]}));
        for (given, expected) in [
            (json!({}), json!({"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"]})),
            (
                json!({"clusterIP": "10.96.0.8", "clusterIPs": ["10.96.0.9"]}),
                json!({"clusterIP": "10.96.0.8", "clusterIPs": ["10.96.0.8"]}),
            ),
            (
                json!({"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.7"]}),
                json!({"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.7"]}),
            ),
        ] {
            let mut new = of(given.clone());
            fill_in(&mut new, &old);
            follow_one_address(&mut new, &old);
            assert_eq!(new["spec"], expected, "{given}");
        }
    }
}
