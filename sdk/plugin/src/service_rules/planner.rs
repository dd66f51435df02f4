//! The rules themselves.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::backends::Backends;
use super::objects::{EndpointSlice, PROXY_NAME_LABEL, Service, ServicePort};
use crate::rule_ir::{
    Action, Backend, ClientIpAffinity, Destination, HealthCheck, Masquerade, Pool, Rule, RuleIr, Scope, ServiceRules,
    Source,
};

/// How far a service can be reached from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reach {
    /// Its cluster IP and its `externalIPs`.
    Cluster,
    /// And its node ports.
    NodePorts,
    /// And the addresses of its load balancer.
    LoadBalancer,
}

/// Seconds that a client stays with its backend where the service does not say.
const AFFINITY_SECONDS: u32 = 10_800;

/// Plans all services that have a cluster IP; others, and those that another proxy serves, get no rules.
pub fn plan(node: &str, services: &[Service], slices: &[EndpointSlice], reach: Reach) -> RuleIr {
    let mut by_service: BTreeMap<(&str, &str), Vec<&EndpointSlice>> = BTreeMap::new();
    for slice in slices {
        by_service.entry((&slice.metadata.namespace, slice.service_name())).or_default().push(slice);
    }
    let planned = services.iter().filter_map(|service| {
        let key = (service.metadata.namespace.as_str(), service.metadata.name.as_str());
        plan_service(node, service, by_service.get(&key).map(Vec::as_slice).unwrap_or_default(), reach)
    });
    RuleIr { services: planned.collect() }
}

/// `None`: nothing is to be done for the service.
pub fn plan_service(node: &str, service: &Service, slices: &[&EndpointSlice], reach: Reach) -> Option<ServiceRules> {
    let cluster_ip: IpAddr = service.spec.cluster_ip.parse().ok()?;
    if service.metadata.labels.contains_key(PROXY_NAME_LABEL) {
        return None;
    }
    let mut rules = ServiceRules {
        namespace: service.metadata.namespace.clone(),
        name: service.metadata.name.clone(),
        ..ServiceRules::default()
    };
    for port in &service.spec.ports {
        let mut plan = PortPlan { service, port, backends: Backends::of(port, slices, node), rules: &mut rules };
        plan.cluster_ip(cluster_ip);
        plan.outside(reach);
    }
    rules.health_check = health_check(node, service, slices, reach);
    Some(rules)
}

fn health_check(node: &str, service: &Service, slices: &[&EndpointSlice], reach: Reach) -> Option<HealthCheck> {
    let port = service.spec.health_check_node_port;
    let asked = reach == Reach::LoadBalancer && port != 0 && service.spec.external_traffic_policy == "Local";
    asked.then(|| {
        let ready_here = |e: &&super::Endpoint| e.is_ready() && e.node_name.as_deref() == Some(node);
        let addresses = slices.iter().flat_map(|s| &s.endpoints).filter(ready_here).filter_map(|e| e.address());
        let local: std::collections::BTreeSet<_> = addresses.collect();
        HealthCheck { port, local_backends: u32::try_from(local.len()).unwrap_or(u32::MAX) }
    })
}

/// One port of one service while its rules are written.
struct PortPlan<'a> {
    service: &'a Service,
    port: &'a ServicePort,
    backends: Backends,
    rules: &'a mut ServiceRules,
}

impl PortPlan<'_> {
    fn cluster_ip(&mut self, address: IpAddr) {
        let to = Destination::Address { address, port: self.port.port };
        let local = self.service.spec.internal_traffic_policy == "Local";
        let action = match (self.backends.cluster.is_empty(), local, self.backends.local.is_empty()) {
            (true, ..) => Action::Reject,
            (false, true, true) => Action::Drop,
            (false, true, false) => self.forward_local(Masquerade::Strangers),
            (false, false, _) => self.forward_cluster(Masquerade::Strangers),
        };
        self.rule(to, Source::Anyone, action, "cluster IP");
    }

    fn outside(&mut self, reach: Reach) {
        let external = self.service.spec.external_ips.iter().filter_map(|ip| ip.parse().ok());
        let external: Vec<IpAddr> = external.collect();
        for address in external {
            self.external(Destination::Address { address, port: self.port.port }, "external IP");
        }
        if reach >= Reach::NodePorts && self.port.node_port != 0 {
            self.external(Destination::NodePort { port: self.port.node_port }, "node port");
        }
        if reach >= Reach::LoadBalancer {
            self.load_balancer();
        }
    }

    fn load_balancer(&mut self) {
        let ingress = &self.service.status.load_balancer.ingress;
        let here = ingress.iter().filter(|i| i.ip_mode != "Proxy").filter_map(|i| i.ip.parse().ok());
        let addresses: Vec<IpAddr> = here.collect();
        for address in addresses {
            let to = Destination::Address { address, port: self.port.port };
            let blocks = self.service.spec.load_balancer_source_ranges.clone();
            if blocks.is_empty() {
                self.external(to, "load balancer");
            } else {
                self.external_from(to, Source::Blocks { blocks }, "load balancer");
                self.rule(to, Source::Anyone, Action::Drop, "load balancer, other sources");
            }
        }
    }

    fn external(&mut self, to: Destination, note: &str) {
        self.external_from(to, Source::Anyone, note);
    }

    /// Under the policy Local, clients of the cluster still reach every backend; strangers only those here, and keep their
    /// address.
    fn external_from(&mut self, to: Destination, from: Source, note: &str) {
        if self.backends.cluster.is_empty() {
            return self.rule(to, from, Action::Reject, note);
        }
        if self.service.spec.external_traffic_policy != "Local" {
            let action = self.forward_cluster(Masquerade::Everybody);
            return self.rule(to, from, action, note);
        }
        let from_pods = self.forward_cluster(Masquerade::Nobody);
        self.rule(to, Source::Pods, from_pods, note);
        let from_node = self.forward_cluster(Masquerade::Everybody);
        self.rule(to, Source::Node, from_node, note);
        let action = if self.backends.local.is_empty() { Action::Drop } else { self.forward_local(Masquerade::Nobody) };
        self.rule(to, from, action, note);
    }

    fn rule(&mut self, to: Destination, from: Source, action: Action, note: &str) {
        let port = self.port.name.clone();
        self.rules.rules.push(Rule { port, protocol: self.port.protocol, to, from, action, note: note.to_owned() });
    }

    fn forward_cluster(&mut self, masquerade: Masquerade) -> Action {
        let pool = self.pool(Scope::Cluster, self.backends.cluster.clone());
        Action::Forward { pool, masquerade }
    }

    fn forward_local(&mut self, masquerade: Masquerade) -> Action {
        let pool = self.pool(Scope::Node, self.backends.local.clone());
        Action::Forward { pool, masquerade }
    }

    /// The pool of that scope, made when it is first used.
    fn pool(&mut self, scope: Scope, backends: Vec<Backend>) -> usize {
        let (port, protocol) = (self.port.name.clone(), self.port.protocol);
        let same = |pool: &Pool| (&pool.port, pool.protocol, pool.scope) == (&port, protocol, scope);
        let known = self.rules.pools.iter().position(same);
        known.unwrap_or_else(|| {
            let affinity = affinity(self.service);
            self.rules.pools.push(Pool { port, protocol, scope, affinity, backends });
            self.rules.pools.len() - 1
        })
    }
}

fn affinity(service: &Service) -> Option<ClientIpAffinity> {
    let spec = &service.spec;
    let timeout_seconds = spec.session_affinity_config.client_ip.timeout_seconds.unwrap_or(AFFINITY_SECONDS);
    (spec.session_affinity == "ClientIP").then_some(ClientIpAffinity { timeout_seconds })
}
