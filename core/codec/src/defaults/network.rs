//! Conditional defaults of services and of the `networking.k8s.io` group.

use super::{Rule, Surroundings, items, member, set_if_absent, text};
use gantry_meta::{Object, Value};
use serde_json::json;

pub(super) fn rule(short_name: &str) -> Option<Rule> {
    match short_name {
        "NetworkPolicySpec" => Some(network_policy_spec),
        _ => None,
    }
}

pub(super) fn service_rule(short_name: &str) -> Option<Rule> {
    match short_name {
        "Service" => Some(service),
        "ServicePort" => Some(service_port),
        "ServiceSpec" => Some(service_spec),
        _ => None,
    }
}

/// Policies without types apply to what comes in, and to what goes out if they have a rule for it.
fn network_policy_spec(spec: &mut Object, _: &Surroundings) {
    let has_egress = spec.get("egress").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
    let types = if has_egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
    set_if_absent(spec, "policyTypes", types);
}

fn service(service: &mut Object, _: &Surroundings) {
    let balanced = service.get("spec").and_then(|s| s.get("type")).is_some_and(|t| t == "LoadBalancer");
    let status = service.get_mut("status").and_then(Value::as_object_mut);
    let balancer = status.and_then(|s| s.get_mut("loadBalancer")).and_then(Value::as_object_mut);
    if let Some(balancer) = balancer.filter(|_| balanced) {
        items(balancer, "ingress").filter(|i| i.contains_key("ip")).for_each(|i| set_if_absent(i, "ipMode", "VIP"));
    }
}

fn service_port(port: &mut Object, _: &Surroundings) {
    let target = port.get("targetPort");
    let unset = target.is_none_or(|t| t.is_null() || t.as_i64() == Some(0) || t.as_str() == Some(""));
    if let Some(number) = port.get("port").cloned().filter(|_| unset) {
        port.insert("targetPort".to_owned(), number);
    }
}

fn service_spec(spec: &mut Object, _: &Surroundings) {
    session_affinity(spec);
    let has_external = spec.get("externalIPs").and_then(Value::as_array).is_some_and(|ips| !ips.is_empty());
    let kind = text(spec, "type").to_owned();
    let (cluster, balancer) = (kind == "ClusterIP", kind == "LoadBalancer");
    let exposed = balancer || kind == "NodePort";
    if exposed || (cluster && has_external) {
        set_if_absent(spec, "externalTrafficPolicy", "Cluster");
    }
    if exposed || cluster {
        set_if_absent(spec, "internalTrafficPolicy", "Cluster");
    }
    if balancer {
        set_if_absent(spec, "allocateLoadBalancerNodePorts", true);
    }
}

fn session_affinity(spec: &mut Object) {
    match text(spec, "sessionAffinity") {
        "None" => {
            spec.remove("sessionAffinityConfig");
        }
        "ClientIP" => {
            let client = member(spec, "sessionAffinityConfig").and_then(|config| member(config, "clientIP"));
            if let Some(client) = client {
                set_if_absent(client, "timeoutSeconds", 10_800);
            }
        }
        _ => {}
    }
}
