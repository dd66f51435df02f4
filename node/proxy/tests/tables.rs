//! From rules in the IR to chains, without a kernel.

use std::collections::BTreeMap;

use gantry_netfilter::{Rule, Table};
use gantry_plugin::rule_ir::ServiceRules;
use gantry_plugin::service_rules::{EndpointSlice, Reach, Service, plan};
use gantry_proxy::chains::{self, Networks};
use gantry_proxy::compile::{CompileError, compile};
use gantry_proxy::table::ServiceTable;
use gantry_runtime::ObjectKey;
use serde_json::{Value, json};

fn networks() -> Networks {
    Networks { pods: Some("10.244.0.0/16".parse().expect("a block")) }
}

fn rules(spec: Value, addresses: &[&str]) -> ServiceRules {
    let endpoint = |a: &&str| json!({"addresses": [a], "nodeName": "n1", "conditions": {"ready": true}});
    let endpoints: Vec<_> = addresses.iter().map(endpoint).collect();
    let service: Service =
        serde_json::from_value(json!({"metadata": {"name": "web", "namespace": "default"}, "spec": spec}))
            .expect("a Service");
    let slice: EndpointSlice = serde_json::from_value(json!({
        "metadata": {"namespace": "default", "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}], "endpoints": endpoints,
    }))
    .expect("an EndpointSlice");
    plan("n1", &[service], &[slice], Reach::LoadBalancer).services.remove(0)
}

fn spec(more: Value) -> Value {
    let mut spec = json!({"clusterIP": "10.96.0.7", "ports": [{"name": "http", "port": 80, "nodePort": 30080}]});
    spec.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    spec
}

fn text(rules: &[Rule]) -> Vec<String> {
    rules.iter().map(|rule| rule.to_string().trim().to_owned()).collect()
}

#[test]
fn a_cluster_ip_and_a_node_port_share_the_service_chain() {
    let compiled =
        compile(&rules(spec(json!({})), &["10.244.0.4", "10.244.0.5"]), &networks()).expect("a plan of ours");
    let chains: BTreeMap<_, _> = compiled.chains.iter().map(|(name, rules)| (name.as_str(), text(rules))).collect();
    let [(ext, ext_rules), (svc, svc_rules)] = chains.iter().collect::<Vec<_>>()[..] else { panic!("{chains:?}") };
    assert!(ext.starts_with("KUBE-EXT-") && svc.starts_with("KUBE-SVC-"));
    assert_eq!(
        *svc_rules,
        [
            "! -s 10.244.0.0/16 -d 10.96.0.7/32 -p tcp -m tcp --dport 80 -j KUBE-MARK-MASQ",
            "-p tcp -m statistic --mode random --probability 0.50000000000 -j DNAT --to-destination 10.244.0.4:8080",
            "-p tcp -j DNAT --to-destination 10.244.0.5:8080",
        ]
    );
    assert_eq!(
        *ext_rules,
        [
            "-m comment --comment \"masquerade traffic for default/web:http node port\" -j KUBE-MARK-MASQ".to_owned(),
            format!("-j {svc}"),
        ]
    );
    assert_eq!(
        text(&compiled.dispatch.nat_services),
        [format!(
            "-d 10.96.0.7/32 -p tcp -m comment --comment \"default/web:http cluster IP\" -m tcp --dport 80 -j {svc}"
        )]
    );
    assert!(compiled.dispatch.filter_services.is_empty());
}

#[test]
fn a_service_without_endpoints_has_refusals_and_no_chain() {
    let compiled = compile(&rules(spec(json!({})), &[]), &networks()).expect("a plan of ours");
    assert!(compiled.chains.is_empty() && compiled.dispatch.nat_services.is_empty());
    let refusal = &text(&compiled.dispatch.filter_services)[0];
    assert!(
        refusal.ends_with("--dport 80 -m addrtype ! --dst-type LOCAL -j REJECT --reject-with icmp-port-unreachable"),
        "{refusal}"
    );
    assert!(text(&compiled.dispatch.filter_node_ports)[0].starts_with("-p tcp"));
}

#[test]
fn affinity_gives_each_endpoint_a_chain_that_remembers_its_clients() {
    let with_affinity = spec(json!({"sessionAffinity": "ClientIP"}));
    let compiled = compile(&rules(with_affinity, &["10.244.0.4", "10.244.0.5"]), &networks()).expect("a plan of ours");
    let remembering = compiled.chains.keys().filter(|name| name.as_str().starts_with("KUBE-SEP-")).count();
    assert_eq!(remembering, 2);
}

#[test]
fn a_plan_that_forwards_to_nowhere_is_refused() {
    let mut wrong = rules(spec(json!({})), &["10.244.0.4"]);
    wrong.pools.clear();
    assert_eq!(compile(&wrong, &networks()), Err(CompileError::NoSuchPool(0)));
}

#[test]
fn a_changed_endpoint_touches_the_services_chain_and_no_shared_one() {
    let key = ObjectKey::new("default", "web");
    let mut table = ServiceTable::default();
    let compiled =
        |addresses: &[&str]| compile(&rules(spec(json!({})), addresses), &networks()).expect("a plan of ours");
    let shared = |name: &_| *name == chains::services() || *name == chains::node_ports();
    let first = table.update(vec![(key.clone(), Some(compiled(&["10.244.0.4"])))]);
    assert!(first.set.chains.keys().any(|chain| chain.name == chains::services() && chain.table == Table::Nat));
    let second = table.update(vec![(key.clone(), Some(compiled(&["10.244.0.4", "10.244.0.5"])))]);
    assert!(second.set.chains.keys().all(|chain| !shared(&chain.name)));
    let third = table.update(vec![(key, None)]);
    assert_eq!(third.removed.len(), 2, "both chains of the service go");
}
