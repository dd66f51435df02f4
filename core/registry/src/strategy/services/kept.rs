//! What an update that does not name it keeps: addresses, node ports, the port of health checks.

use std::collections::{HashMap, HashSet};

use gantry_meta::{Object, Value};

use super::{has_cluster_ip, is_health_checked, items, member, service_type, spec_mut, text};

/// Fills in what the old service has and the new one does not name.
pub(super) fn fill_in(new: &mut Object, old: &Object) {
    if has_cluster_ip(old) && has_cluster_ip(new) {
        fill_addresses(new, old);
    }
    if gets_node_ports(old) && gets_node_ports(new) {
        fill_node_ports(new, old);
    }
    const HEALTH: &str = "healthCheckNodePort";
    let is_unset = member(new, HEALTH).and_then(Value::as_i64).unwrap_or_default() == 0;
    if is_unset
        && is_health_checked(old)
        && is_health_checked(new)
        && let (Some(port), Some(spec)) = (member(old, HEALTH), spec_mut(new))
    {
        spec.insert(HEALTH.into(), port.clone());
    }
}

fn fill_addresses(new: &mut Object, old: &Object) {
    let (one_unset, all_unset) = (text(new, "clusterIP").is_empty(), items(new, "clusterIPs").is_empty());
    let Some(spec) = spec_mut(new) else { return };
    if let (true, Some(ip)) = (one_unset, member(old, "clusterIP")) {
        spec.insert("clusterIP".into(), ip.clone());
    }
    if let (true, Some(ips)) = (all_unset, member(old, "clusterIPs")) {
        spec.insert("clusterIPs".into(), ips.clone());
    }
}

fn gets_node_ports(service: &Object) -> bool {
    let allocates = || member(service, "allocateLoadBalancerNodePorts") != Some(&Value::Bool(false));
    match service_type(service) {
        "NodePort" => true,
        "LoadBalancer" => allocates(),
        _ => false,
    }
}

pub(super) fn node_port(port: &Value) -> i64 {
    port.get("nodePort").and_then(Value::as_i64).unwrap_or_default()
}

/// A port keeps the node port that it had under its name, unless another one has it now.
fn fill_node_ports(new: &mut Object, old: &Object) {
    let name = |port: &Value| port.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let used: HashSet<i64> = items(new, "ports").iter().map(node_port).filter(|port| *port != 0).collect();
    let had: HashMap<String, i64> = items(old, "ports").iter().map(|port| (name(port), node_port(port))).collect();
    let ports = spec_mut(new).and_then(|spec| spec.get_mut("ports")).and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten().filter(|port| node_port(port) == 0) {
        let kept = had.get(&name(port)).copied().unwrap_or_default();
        if let (true, Some(port)) = (kept != 0 && !used.contains(&kept), port.as_object_mut()) {
            port.insert("nodePort".into(), kept.into());
        }
    }
}

/// Clients that know the single address alone change it alone: the list follows where it is as it was.
pub(super) fn follow_one_address(new: &mut Object, old: &Object) {
    let (is, was) = (text(new, "clusterIP").to_owned(), text(old, "clusterIP"));
    let (all, before) = (items(new, "clusterIPs"), items(old, "clusterIPs"));
    let follows = match is == was {
        true if all.is_empty() && !before.is_empty() => Some(before.to_vec()),
        true => None,
        false if all != before => None,
        false if is.is_empty() => Some(Vec::new()),
        false => Some(vec![is.into()]),
    };
    if let (Some(follows), Some(spec)) = (follows, spec_mut(new)) {
        spec.insert("clusterIPs".into(), follows.into());
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
