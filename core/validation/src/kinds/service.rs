//! Service.

use gantry_meta::Value;

use crate::{
    field::{Causes, Field, Root},
    metadata, names,
    rules::{net, numbers},
    table::Update,
};

const KUBELET_PORT: i64 = 10250;
const AFFINITY_MAX_SECONDS: i64 = 86_400;

/// What the rules ask about a Service all the time.
struct Service<'a> {
    spec: Field<'a>,
    kind: &'a str,
}

impl<'a> Service<'a> {
    fn new(object: Root<'a>) -> Self {
        let spec = object.member("spec");
        let kind = spec.member("type").text();
        Self { spec, kind }
    }

    fn cluster_ips(&self) -> Vec<&'a str> {
        self.spec.member("clusterIPs").items().map(|ip| ip.text()).collect()
    }

    fn is_headless(&self) -> bool {
        self.cluster_ips() == ["None"]
    }

    fn is_external_name(&self) -> bool {
        self.kind == "ExternalName"
    }

    fn is_load_balancer(&self) -> bool {
        self.kind == "LoadBalancer"
    }

    fn is_reached_from_outside(&self) -> bool {
        matches!(self.kind, "LoadBalancer" | "NodePort")
            || (self.kind == "ClusterIP" && !self.spec.member("externalIPs").is_empty())
    }
}

pub fn create(object: Root<'_>, causes: &mut Causes) {
    let service = Service::new(object);
    let before = causes.len();
    cluster_ips(&service, causes);
    // The reference looks at addresses before anything else.
    if causes.len() > before {
        return;
    }
    of_type(&service, causes);
    ports(&service, causes);
    metadata::labels(&service.spec.member("selector"), causes);
    session_affinity(&service.spec, causes);
    for address in service.spec.member("externalIPs").items() {
        net::non_special_ip(&address, causes);
    }
    causes.require_one_of(&service.spec.member("type"), &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]);
    node_ports(&service, causes);
    duplicate_ports(&service, causes);
    load_balancer_fields(&service, causes);
    load_balancer_class(&service, causes);
    traffic(&service, causes);
}

fn of_type(service: &Service<'_>, causes: &mut Causes) {
    let ports = service.spec.member("ports");
    if ports.is_empty() && !service.is_headless() && !service.is_external_name() {
        causes.required(&ports);
    }
    match service.kind {
        "LoadBalancer" | "NodePort" => {
            for port in ports.items().filter(|_| service.is_load_balancer()) {
                if port.member("port").int() == Some(KUBELET_PORT) {
                    causes.invalid(&port, "may not expose port 10250 externally since it is used by kubelet");
                }
            }
            if service.is_headless() {
                let first = service.spec.member("clusterIPs").items().next();
                first.iter().for_each(|first| causes.invalid(first, "may not be set to 'None' for this type"));
            }
        }
        "ExternalName" => external_name(&service.spec, causes),
        _ => {}
    }
}

fn external_name(spec: &Field<'_>, causes: &mut Causes) {
    for member in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        let field = spec.member(member);
        if !field.is_empty() || (member == "ipFamilyPolicy" && field.is_set()) {
            causes.forbidden(&field, "may not be set for ExternalName services");
        }
    }
    let name = spec.member("externalName");
    match name.text().trim_end_matches('.') {
        "" => causes.required(&name),
        cname => causes.invalid_each(&name, names::dns_subdomain(cname)),
    }
}

fn ports(service: &Service<'_>, causes: &mut Causes) {
    let ports = service.spec.member("ports");
    let mut seen: Vec<&str> = Vec::new();
    for port in ports.items() {
        let name = port.member("name");
        if !name.is_empty() {
            causes.invalid_each(&name, names::dns_label(name.text()));
            if seen.contains(&name.text()) {
                causes.duplicate(&name);
            }
            seen.push(name.text());
        } else if ports.len() > 1 {
            causes.required(&name);
        }
        numbers::port(&port.member("port"), causes);
        causes.require_one_of(&port.member("protocol"), &["SCTP", "TCP", "UDP"]);
        numbers::port_or_name(&port.member("targetPort"), causes);
        let protocol = port.member("appProtocol");
        if protocol.is_set() {
            causes.invalid_each(&protocol, names::qualified_name(protocol.text()));
        }
    }
}

fn session_affinity(spec: &Field<'_>, causes: &mut Causes) {
    let (affinity, config) = (spec.member("sessionAffinity"), spec.member("sessionAffinityConfig"));
    causes.require_one_of(&affinity, &["ClientIP", "None"]);
    match affinity.text() {
        "ClientIP" => {
            let client = config.member("clientIP");
            let seconds = client.member("timeoutSeconds");
            if !config.is_set() {
                causes.required(&config);
            } else if !client.is_set() {
                causes.required(&client);
            } else if !seconds.is_set() {
                causes.required(&seconds);
            } else {
                numbers::in_range(&seconds, 1, AFFINITY_MAX_SECONDS, causes);
            }
        }
        "None" if config.is_set() => {
            causes.forbidden(&config, "must not be set when session affinity is None");
        }
        _ => {}
    }
}

fn cluster_ips(service: &Service<'_>, causes: &mut Causes) {
    if service.is_external_name() {
        return;
    }
    let (one, all) = (service.spec.member("clusterIP"), service.spec.member("clusterIPs"));
    match (one.is_empty(), all.items().next()) {
        (false, None) => causes.required(&all),
        (false, Some(first)) if first.text() != one.text() => {
            causes.invalid(&all, "first value must match `clusterIP`");
        }
        (true, Some(_)) => causes.invalid(&all, "must be empty when `clusterIP` is not specified"),
        _ => {}
    }
    families(&service.spec, causes);
    if !addresses_parse(&all, causes) {
        return;
    }
    let ips = service.cluster_ips();
    if ips.len() == 2 && ips[0].contains(':') == ips[1].contains(':') {
        causes.invalid(&all, "may specify no more than one IP for each IP family");
    }
    if !service.is_headless() {
        for (ip, family) in all.items().zip(service.spec.member("ipFamilies").items()) {
            if (family.text() == "IPv6") != ip.text().contains(':') {
                causes.invalid(&ip, "expected a value of the family that `ipFamilies` indicates");
            }
        }
    }
}

fn families(spec: &Field<'_>, causes: &mut Causes) {
    let mut seen: Vec<&str> = Vec::new();
    for family in spec.member("ipFamilies").items() {
        causes.one_of(&family, &["IPv4", "IPv6"]);
        if seen.contains(&family.text()) {
            causes.duplicate(&family);
        }
        seen.push(family.text());
    }
    let policy = spec.member("ipFamilyPolicy");
    if policy.is_set() {
        causes.one_of(&policy, &["SingleStack", "PreferDualStack", "RequireDualStack"]);
    }
}

fn addresses_parse(all: &Field<'_>, causes: &mut Causes) -> bool {
    let before = causes.len();
    for (at, ip) in all.items().enumerate() {
        if at == 0 && ip.text() == "None" {
            if all.len() > 1 {
                causes.invalid(all, "'None' must be the first and only value");
            }
        } else {
            net::ip(&ip, causes);
        }
    }
    let fine = causes.len() == before;
    if all.len() > 2 {
        causes.invalid(all, "may only hold up to 2 values");
    }
    fine
}

fn node_ports(service: &Service<'_>, causes: &mut Causes) {
    let given = |port: &Field<'_>| port.member("nodePort").int().is_some_and(|n| n != 0);
    let ports = service.spec.member("ports");
    for port in ports.items().filter(|port| service.kind == "ClusterIP" && given(port)) {
        causes.forbidden(&port.member("nodePort"), "may not be used when `type` is 'ClusterIP'");
    }
    duplicates(&ports, "nodePort", |port| port.member("nodePort"), causes);
}

fn duplicate_ports(service: &Service<'_>, causes: &mut Causes) {
    duplicates(&service.spec.member("ports"), "port", |port| port.clone(), causes);
}

/// The same number twice for one protocol.
fn duplicates(
    ports: &Field<'_>,
    member: &'static str,
    reported: for<'a> fn(&Field<'a>) -> Field<'a>,
    causes: &mut Causes,
) {
    let mut seen: Vec<(i64, &str)> = Vec::new();
    for port in ports.items() {
        let one = (port.member(member).int().unwrap_or_default(), port.member("protocol").text());
        if one.0 == 0 {
            continue;
        }
        if seen.contains(&one) {
            causes.duplicate(&reported(&port));
        }
        seen.push(one);
    }
}

fn load_balancer_fields(service: &Service<'_>, causes: &mut Causes) {
    // The reference capitalises this name.
    let ranges = service.spec.member_as("loadBalancerSourceRanges", "LoadBalancerSourceRanges");
    if !ranges.is_empty() {
        if !service.is_load_balancer() {
            causes.forbidden(&ranges, "may only be used when `type` is 'LoadBalancer'");
        }
        for range in ranges.items() {
            net::cidr(&range, causes);
        }
    }
    let allocate = service.spec.member("allocateLoadBalancerNodePorts");
    if allocate.is_set() && !service.is_load_balancer() {
        causes.forbidden(&allocate, "may only be used when `type` is 'LoadBalancer'");
    }
}

fn load_balancer_class(service: &Service<'_>, causes: &mut Causes) {
    let class = service.spec.member("loadBalancerClass");
    if !class.is_set() {
        return;
    }
    if service.is_load_balancer() {
        causes.invalid_each(&class, names::qualified_name(class.text()));
    } else {
        causes.forbidden(&class, "may only be used when `type` is 'LoadBalancer'");
    }
}

fn traffic(service: &Service<'_>, causes: &mut Causes) {
    let external = service.spec.member("externalTrafficPolicy");
    if service.is_reached_from_outside() {
        causes.require_one_of(&external, &["Cluster", "Local"]);
    } else if !external.is_empty() {
        causes.invalid(&external, "may only be set for externally-accessible services");
    }
    let health = service.spec.member("healthCheckNodePort");
    if health.int().is_some_and(|n| n != 0) {
        if service.is_load_balancer() && external.text() == "Local" {
            numbers::port(&health, causes);
        } else {
            causes.invalid(
                &health,
                "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
            );
        }
    }
    let internal = service.spec.member("internalTrafficPolicy");
    if internal.is_set() {
        causes.one_of(&internal, &["Cluster", "Local"]);
    }
    let distribution = service.spec.member("trafficDistribution");
    if distribution.is_set() {
        causes.one_of(&distribution, &["PreferClose", "PreferSameZone", "PreferSameNode"]);
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    if update.subresource == Some("status") {
        let service = Service::new(update.new);
        let status = update.new.member("status").member("loadBalancer");
        return load_balancer_status(&status, service.is_load_balancer(), causes);
    }
    let (new, old) = (Service::new(update.new), Service::new(update.old));
    kept_addresses(&new, &old, causes);
    if new.is_load_balancer() && old.is_load_balancer() {
        causes.immutable(&new.spec.member("loadBalancerClass"), &old.spec.member("loadBalancerClass"));
    }
    create(update.new, causes);
}

/// The first cluster address stays for good, unless the type changes from or to ExternalName.
fn kept_addresses(new: &Service<'_>, old: &Service<'_>, causes: &mut Causes) {
    if new.is_external_name() || old.is_external_name() || (new.is_headless() && old.is_headless()) {
        return;
    }
    let (new_ips, old_ips) = (new.cluster_ips(), old.cluster_ips());
    let field = new.spec.member("clusterIPs");
    let at = |index: usize| field.items().nth(index).unwrap_or_else(|| field.clone());
    if new_ips.is_empty() && !old_ips.is_empty() {
        return causes.invalid(&field, "primary clusterIP can not be unset");
    }
    let compared = if new_ips.len() == old_ips.len() { new_ips.len() } else { 1 };
    for (index, (new, old)) in new_ips.iter().zip(&old_ips).take(compared).enumerate() {
        if new != old {
            causes.invalid(&at(index), "may not change once set");
        }
    }
}

/// `status.loadBalancer` of a Service or an Ingress.
pub fn load_balancer_status(status: &Field<'_>, allowed: bool, causes: &mut Causes) {
    let ingress = status.member("ingress");
    if !allowed && !ingress.is_empty() {
        return causes.forbidden(&ingress, "may only be used when `spec.type` is 'LoadBalancer'");
    }
    for point in ingress.items() {
        let (ip, mode, hostname) = (point.member("ip"), point.member("ipMode"), point.member("hostname"));
        if !ip.is_empty() {
            net::ip(&ip, causes);
        }
        if mode.is_set() {
            match ip.is_empty() {
                true => causes.forbidden(&mode, "may not be specified when `ip` is not set"),
                false => causes.one_of(&mode, &["Proxy", "VIP"]),
            }
        }
        if !hostname.is_empty() {
            causes.invalid_each(&hostname, names::dns_subdomain(hostname.text()));
            if net::parse_ip(hostname.text()).is_some() {
                causes.invalid(&hostname, "must be a DNS name, not an IP address");
            }
        }
        for port in point.member("ports").items() {
            let error = port.member("error");
            if error.value().is_some_and(Value::is_string) {
                causes.invalid_each(&error, names::qualified_name(error.text()));
            }
            causes.one_of(&port.member("protocol"), &["SCTP", "TCP", "UDP"]);
            numbers::port(&port.member("port"), causes);
        }
    }
}
