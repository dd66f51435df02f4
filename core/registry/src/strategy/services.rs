//! Services: an update keeps the addresses and ports that it does not name.

use gantry_meta::{Object, Value};

use super::Strategy;

pub(super) struct Services;

fn spec(service: &Object) -> Option<&Object> {
    service.get("spec")?.as_object()
}

fn service_type(service: &Object) -> &str {
    spec(service).and_then(|spec| spec.get("type")).and_then(Value::as_str).unwrap_or("ClusterIP")
}

fn has_cluster_ip(service: &Object) -> bool {
    service_type(service) != "ExternalName"
}

fn has_node_ports(service: &Object) -> bool {
    matches!(service_type(service), "NodePort" | "LoadBalancer")
}

impl Strategy for Services {
    fn prepare_create(&self, service: &mut Object) {
        follow_one_address(service);
        fill_families(service);
    }

    fn prepare_update(&self, subresource: &str, new: &mut Object, old: &Object) {
        if subresource.is_empty() {
            follow_changed_address(new, old);
            keep_addresses(new, old);
            keep_node_ports(new, old);
            drop_what_the_type_lost(new, old);
            follow_one_address(new);
            follow_first_address(new);
            fill_families(new);
        }
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

fn is_unset(spec: &Object, member: &str) -> bool {
    match spec.get(member) {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    }
}

/// An update that changes one of `clusterIP` and `clusterIPs` means the other too.
fn follow_changed_address(new: &mut Object, old: &Object) {
    let (Some(before), Some(spec)) = (spec(old), new.get_mut("spec").and_then(Value::as_object_mut)) else { return };
    let changed = |member: &str| !is_unset(spec, member) && spec.get(member) != before.get(member);
    match (changed("clusterIP"), changed("clusterIPs")) {
        (true, false) => {
            let mut addresses = before.get("clusterIPs").and_then(Value::as_array).cloned().unwrap_or_default();
            let first = spec["clusterIP"].clone();
            if addresses.is_empty() {
                addresses.push(first)
            } else {
                addresses[0] = first
            }
            spec.insert("clusterIPs".into(), addresses.into());
        }
        (false, true) => {
            let first = spec["clusterIPs"][0].clone();
            spec.insert("clusterIP".into(), first);
        }
        (true, true) | (false, false) => {}
    }
}

/// A single `clusterIP` is the list.
fn follow_one_address(service: &mut Object) {
    let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if is_unset(spec, "clusterIPs") && !is_unset(spec, "clusterIP") {
        let ip = spec["clusterIP"].clone();
        spec.insert("clusterIPs".into(), Value::Array(vec![ip]));
    }
}

/// The first of the list is the `clusterIP`.
fn follow_first_address(service: &mut Object) {
    if !has_cluster_ip(service) {
        return;
    }
    let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if is_unset(spec, "clusterIP")
        && let Some(ip) = spec.get("clusterIPs").and_then(|ips| ips.get(0)).cloned()
    {
        spec.insert("clusterIP".into(), ip);
    }
}

/// Families and how many of them, where they are not said.
fn fill_families(service: &mut Object) {
    if !has_cluster_ip(service) {
        return;
    }
    let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut) else { return };
    // A headless service without a selector may list endpoints of either family.
    let headless = spec.get("clusterIP").and_then(Value::as_str) == Some("None");
    let selects = spec.get("selector").and_then(Value::as_object).is_some_and(|selector| !selector.is_empty());
    let (policy, families) = match headless && !selects {
        true => ("RequireDualStack", vec!["IPv4", "IPv6"]),
        false => ("SingleStack", vec!["IPv4"]),
    };
    if spec.get("ipFamilyPolicy").is_none_or(Value::is_null) {
        spec.insert("ipFamilyPolicy".into(), policy.into());
    }
    if is_unset(spec, "ipFamilies") {
        spec.insert("ipFamilies".into(), families.into_iter().map(Value::from).collect());
    }
}

fn keep_addresses(new: &mut Object, old: &Object) {
    if !has_cluster_ip(new) || !has_cluster_ip(old) {
        return;
    }
    let (Some(old), Some(spec)) = (spec(old), new.get_mut("spec").and_then(Value::as_object_mut)) else { return };
    let address_unset = is_unset(spec, "clusterIP") && is_unset(spec, "clusterIPs");
    for member in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        let unset = if member.starts_with("clusterIP") { address_unset } else { is_unset(spec, member) };
        if let (true, Some(value)) = (unset, old.get(member)) {
            spec.insert(member.into(), value.clone());
        }
    }
}

fn keep_node_ports(new: &mut Object, old: &Object) {
    if !has_node_ports(new) || !has_node_ports(old) {
        return;
    }
    let ports_of = |service: &Object| spec(service).and_then(|s| s.get("ports")).and_then(Value::as_array).cloned();
    let before = ports_of(old).unwrap_or_default();
    let ports = new.get_mut("spec").and_then(|s| s.get_mut("ports")).and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
        let same =
            before.iter().find(|b| b.get("port") == port.get("port") && b.get("protocol") == port.get("protocol"));
        let unset = port.get("nodePort").and_then(Value::as_i64).unwrap_or_default() == 0;
        if let (true, Some(kept)) = (unset, same.and_then(|s| s.get("nodePort"))) {
            port.insert("nodePort".into(), kept.clone());
        }
    }
}

/// A value that belongs to the old type goes with it, unless this very request changes it.
fn drop_what_the_type_lost(new: &mut Object, old: &Object) {
    let (loses_ip, loses_ports) =
        (has_cluster_ip(old) && !has_cluster_ip(new), has_node_ports(old) && !has_node_ports(new));
    let (Some(before), Some(spec)) = (spec(old), new.get_mut("spec").and_then(Value::as_object_mut)) else { return };
    let mut drop_unchanged = |member: &str| {
        if spec.get(member) == before.get(member) {
            spec.remove(member);
        }
    };
    if loses_ip {
        ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"].iter().for_each(|member| drop_unchanged(member));
    }
    if loses_ports {
        ["externalTrafficPolicy", "loadBalancerClass", "healthCheckNodePort", "allocateLoadBalancerNodePorts"]
            .iter()
            .for_each(|member| drop_unchanged(member));
        drop_unchanged_node_ports(spec, before);
    }
}

fn drop_unchanged_node_ports(spec: &mut Object, before: &Object) {
    let before: Vec<Value> = before.get("ports").and_then(Value::as_array).cloned().unwrap_or_default();
    let unchanged = |port: &Object| before.iter().any(|b| b.get("nodePort") == port.get("nodePort"));
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(port) = port.as_object_mut().filter(|port| unchanged(port)) {
            port.remove("nodePort");
        }
    }
}
