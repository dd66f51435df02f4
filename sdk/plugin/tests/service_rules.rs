//! What a Service and its EndpointSlices become, as a service type's plan.

use gantry_plugin::rule_ir::{
    Action, ClientIpAffinity, Destination, HealthCheck, Masquerade, RuleIr, ServiceRules, Source,
};
use gantry_plugin::service_rules::{EndpointSlice, Reach, Service, plan};
use serde_json::{Value, json};

fn service(spec: Value) -> Service {
    serde_json::from_value(json!({"metadata": {"name": "web", "namespace": "default"}, "spec": spec}))
        .expect("a Service")
}

fn slice(endpoints: Value) -> EndpointSlice {
    serde_json::from_value(json!({
        "metadata": {"name": "web-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4", "ports": [{"name": "http", "protocol": "TCP", "port": 8080}], "endpoints": endpoints,
    }))
    .expect("an EndpointSlice")
}

fn endpoint(address: &str, node: &str, ready: bool, terminating: bool) -> Value {
    json!({"addresses": [address], "nodeName": node,
           "conditions": {"ready": ready, "serving": true, "terminating": terminating}})
}

fn cluster_ip() -> Value {
    json!({"type": "ClusterIP", "clusterIP": "10.96.0.7", "ports": [{"name": "http", "port": 80}]})
}

fn with(mut spec: Value, more: Value) -> Value {
    let more = more.as_object().expect("an object").clone();
    spec.as_object_mut().expect("an object").extend(more);
    spec
}

fn planned(spec: Value, endpoints: Value, reach: Reach) -> ServiceRules {
    let RuleIr { mut services } = plan("node-1", &[service(spec)], &[slice(endpoints)], reach);
    services.pop().expect("the service has rules")
}

fn targets(rules: &ServiceRules, rule: usize) -> Vec<String> {
    let Action::Forward { pool, .. } = rules.rules[rule].action else {
        panic!("{:?} forwards nothing", rules.rules[rule])
    };
    rules.pools[pool].backends.iter().map(|b| format!("{}:{}", b.address, b.port)).collect()
}

#[test]
fn a_cluster_ip_leads_to_the_ready_endpoints_in_a_stable_order() {
    let endpoints = json!([
        endpoint("10.244.1.9", "node-2", true, false),
        endpoint("10.244.0.4", "node-1", true, false),
        endpoint("10.244.0.5", "node-1", false, false),
    ]);
    let rules = planned(cluster_ip(), endpoints, Reach::Cluster);
    assert_eq!(targets(&rules, 0), ["10.244.0.4:8080", "10.244.1.9:8080"]);
    let address = "10.96.0.7".parse().expect("an address");
    assert_eq!(rules.rules[0].to, Destination::Address { address, port: 80 });
}

#[test]
fn endpoints_that_are_leaving_serve_only_while_no_other_is_ready() {
    let leaving = endpoint("10.244.0.4", "node-1", false, true);
    let rules = planned(cluster_ip(), json!([leaving]), Reach::Cluster);
    assert_eq!(targets(&rules, 0), ["10.244.0.4:8080"]);
    let rules = planned(cluster_ip(), json!([leaving, endpoint("10.244.0.5", "node-1", true, false)]), Reach::Cluster);
    assert_eq!(targets(&rules, 0), ["10.244.0.5:8080"]);
}

#[test]
fn a_service_without_endpoints_refuses() {
    let spec = with(cluster_ip(), json!({"ports": [{"name": "http", "port": 80, "nodePort": 30080}]}));
    let rules = planned(spec, Value::Null, Reach::NodePorts);
    assert!(rules.rules.iter().all(|rule| rule.action == Action::Reject));
    assert_eq!(rules.rules.len(), 2);
}

#[test]
fn internal_policy_local_uses_this_nodes_endpoints_or_swallows() {
    let spec = with(cluster_ip(), json!({"internalTrafficPolicy": "Local"}));
    let far = endpoint("10.244.1.9", "node-2", true, false);
    let rules = planned(spec.clone(), json!([far]), Reach::Cluster);
    assert_eq!(rules.rules[0].action, Action::Drop);
    let rules = planned(spec, json!([far, endpoint("10.244.0.4", "node-1", true, false)]), Reach::Cluster);
    assert_eq!(targets(&rules, 0), ["10.244.0.4:8080"]);
}

#[test]
fn external_policy_local_keeps_strangers_addresses_and_lets_the_cluster_reach_all() {
    let spec = with(
        cluster_ip(),
        json!({"externalTrafficPolicy": "Local", "healthCheckNodePort": 31000,
        "ports": [{"name": "http", "port": 80, "nodePort": 30080}]}),
    );
    let endpoints =
        json!([endpoint("10.244.1.9", "node-2", true, false), endpoint("10.244.0.4", "node-1", true, false)]);
    let rules = planned(spec, endpoints, Reach::LoadBalancer);
    let by_source: Vec<_> = rules.rules[1..].iter().map(|rule| rule.from.clone()).collect();
    assert_eq!(by_source, [Source::Pods, Source::Node, Source::Anyone]);
    assert_eq!(targets(&rules, 1).len(), 2);
    assert_eq!(targets(&rules, 3), ["10.244.0.4:8080"]);
    assert!(matches!(rules.rules[3].action, Action::Forward { masquerade: Masquerade::Nobody, .. }));
    assert_eq!(rules.health_check, Some(HealthCheck { port: 31000, local_backends: 1 }));
}

#[test]
fn a_load_balancers_source_ranges_shut_out_everybody_else() {
    let spec = with(cluster_ip(), json!({"loadBalancerSourceRanges": ["192.0.2.0/24"]}));
    let mut service = service(spec);
    service.status =
        serde_json::from_value(json!({"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}})).expect("a status");
    let slices = [slice(json!([endpoint("10.244.0.4", "node-1", true, false)]))];
    let rules = plan("node-1", &[service], &slices, Reach::LoadBalancer).services.remove(0);
    assert_eq!(rules.rules[1].from, Source::Blocks { blocks: vec!["192.0.2.0/24".into()] });
    assert_eq!(rules.rules[2].action, Action::Drop);
}

#[test]
fn affinity_headless_and_foreign_proxies_are_heeded() {
    let spec = with(cluster_ip(), json!({"sessionAffinity": "ClientIP"}));
    let rules = planned(spec, json!([endpoint("10.244.0.4", "node-1", true, false)]), Reach::Cluster);
    assert_eq!(rules.pools[0].affinity, Some(ClientIpAffinity { timeout_seconds: 10_800 }));
    let headless = service(with(cluster_ip(), json!({"clusterIP": "None"})));
    let mut foreign = service(cluster_ip());
    foreign.metadata.labels.insert("service.kubernetes.io/service-proxy-name".into(), "other".into());
    assert_eq!(plan("node-1", &[headless, foreign], &[], Reach::Cluster), RuleIr::default());
}

#[test]
fn hints_narrow_the_choice_only_if_every_endpoint_has_one() {
    let hinted = |address: &str, node: &str| {
        with(endpoint(address, node, true, false), json!({"hints": {"forNodes": [{"name": node}]}}))
    };
    let both = json!([hinted("10.244.1.9", "node-2"), hinted("10.244.0.4", "node-1")]);
    assert_eq!(targets(&planned(cluster_ip(), both, Reach::Cluster), 0), ["10.244.0.4:8080"]);
    let one = json!([hinted("10.244.0.4", "node-1"), endpoint("10.244.1.9", "node-2", true, false)]);
    assert_eq!(targets(&planned(cluster_ip(), one, Reach::Cluster), 0).len(), 2);
}

mod claims {
    use gantry_plugin::service_rules::claims::{cluster_ip_claim, node_port_claims};

    use super::{json, service};

    #[test]
    fn an_update_that_names_no_address_keeps_the_one_it_had_and_ports_without_a_number_get_any() {
        let old = service(json!({"clusterIP": "10.96.0.7"}));
        let new = service(json!({"ports": [{"port": 80, "nodePort": 30080}, {"port": 443}]}));
        assert_eq!(cluster_ip_claim(Some(&old), &new).and_then(|claim| claim.want), Some("10.96.0.7".into()));
        let wants: Vec<_> = node_port_claims(&new, false).into_iter().map(|claim| claim.want).collect();
        assert_eq!(wants, [Some("30080".into()), None]);
    }

    #[test]
    fn a_headless_service_claims_nothing_and_one_port_on_two_protocols_has_one_node_port() {
        assert_eq!(cluster_ip_claim(None, &service(json!({"clusterIP": "None"}))), None);
        let both = service(json!({"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}));
        let claims = node_port_claims(&both, false);
        assert_eq!(claims.len(), 1);
        assert_eq!(claims[0].fields, ["/spec/ports/0/nodePort", "/spec/ports/1/nodePort"]);
    }
}
