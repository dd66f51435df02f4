//! Service.

mod addresses;
mod update;

pub use update::update;

use gantry_kinds::{
    FieldName,
    fields::{
        core_v1::{ClientIPConfig, Service as ServiceFields, ServicePort, ServiceSpec, SessionAffinityConfig},
        meta_v1::ObjectMeta,
    },
};

use crate::{
    field::{Causes, Field, Root},
    metadata, names,
    rules::{net, numbers},
};

const AFFINITY_MAX_SECONDS: i64 = 86_400;
const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
const TOPOLOGY: &str = "service.kubernetes.io/topology-mode";
/// Ranges as they were set before there was the field.
const SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";

/// What the rules ask about a Service all the time.
struct Service<'a> {
    spec: Field<'a>,
    kind: &'a str,
}

impl<'a> Service<'a> {
    fn new(object: Root<'a>) -> Self {
        let spec = object.member(ServiceFields::SPEC);
        let kind = spec.member(ServiceSpec::TYPE).text();
        Self { spec, kind }
    }

    fn cluster_ips(&self) -> Vec<&'a str> {
        self.spec.member(ServiceSpec::CLUSTER_IPS).items().map(|ip| ip.text()).collect()
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

    fn is_health_checked(&self) -> bool {
        self.is_load_balancer() && self.spec.member(ServiceSpec::EXTERNAL_TRAFFIC_POLICY).text() == "Local"
    }

    fn is_reached_from_outside(&self) -> bool {
        matches!(self.kind, "LoadBalancer" | "NodePort")
            || (self.kind == "ClusterIP" && !self.spec.member(ServiceSpec::EXTERNAL_IPS).is_empty())
    }
}

/// See [`crate::service_addresses`].
pub fn address_causes(new: Root<'_>, old: Option<Root<'_>>, causes: &mut Causes) {
    addresses::check(&Service::new(new), old.map(Service::new).as_ref(), causes);
}

pub fn create(object: Root<'_>, causes: &mut Causes) {
    let service = Service::new(object);
    let before = causes.len();
    addresses::check(&service, None, causes);
    // The reference looks at addresses before anything else.
    if causes.len() == before {
        self::service(&service, object, None, causes);
    }
}

/// The rules that hold on create and update alike, but for addresses. What is `old` stays as it is spelled.
fn service(service: &Service<'_>, object: Root<'_>, old: Option<Root<'_>>, causes: &mut Causes) {
    topology(object, causes);
    of_type(service, causes);
    ports(service, causes);
    metadata::labels(&service.spec.member(ServiceSpec::SELECTOR), causes);
    session_affinity(&service.spec, causes);
    let before = texts(old, ServiceSpec::EXTERNAL_IPS);
    for address in service.spec.member(ServiceSpec::EXTERNAL_IPS).items() {
        if before.contains(&address.text()) || net::ip(&address, causes).is_some() {
            net::non_special_ip(&address, causes);
        }
    }
    causes.require_one_of(
        &service.spec.member(ServiceSpec::TYPE),
        &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"],
    );
    node_ports(service, causes);
    duplicate_ports(service, causes);
    load_balancer_fields(service, object, old, causes);
    load_balancer_class(service, causes);
    traffic(service, causes);
}

/// The texts of a list of the old service.
fn texts<'a>(old: Option<Root<'a>>, list: FieldName) -> Vec<&'a str> {
    old.into_iter()
        .flat_map(|old| old.member(ServiceFields::SPEC).member(list).items())
        .map(|item| item.text())
        .collect()
}

fn topology(object: Root<'_>, causes: &mut Causes) {
    let annotations = object.member(ServiceFields::METADATA).member(ObjectMeta::ANNOTATIONS);
    let (mode, hints) = (annotations.entry(TOPOLOGY), annotations.entry(HINTS));
    if mode.is_set() && hints.is_set() && mode.text() != hints.text() {
        causes.invalid(&mode, "must match the annotation of hints when both are specified");
    }
}

fn of_type(service: &Service<'_>, causes: &mut Causes) {
    let ports = service.spec.member(ServiceSpec::PORTS);
    if ports.is_empty() && !service.is_headless() && !service.is_external_name() {
        causes.required(&ports);
    }
    match service.kind {
        "LoadBalancer" | "NodePort" if service.is_headless() => {
            let first = service.spec.member(ServiceSpec::CLUSTER_IPS).element(0);
            causes.invalid(&first, "may not be set to 'None' for this type");
        }
        "ExternalName" => external_name(&service.spec, causes),
        _ => {}
    }
}

fn external_name(spec: &Field<'_>, causes: &mut Causes) {
    for member in [ServiceSpec::CLUSTER_IPS, ServiceSpec::IP_FAMILIES, ServiceSpec::IP_FAMILY_POLICY] {
        let field = spec.member(member);
        if !field.is_empty() || (member == ServiceSpec::IP_FAMILY_POLICY && field.is_set()) {
            causes.forbidden(&field, "may not be set for ExternalName services");
        }
    }
    let name = spec.member(ServiceSpec::EXTERNAL_NAME);
    match name.text().strip_suffix('.').unwrap_or(name.text()) {
        "" => causes.required(&name),
        cname => causes.invalid_each(&name, names::dns_subdomain(cname)),
    }
}

fn ports(service: &Service<'_>, causes: &mut Causes) {
    let ports = service.spec.member(ServiceSpec::PORTS);
    let mut seen: Vec<&str> = Vec::new();
    for port in ports.items() {
        let name = port.member(ServicePort::NAME);
        if !name.is_empty() {
            causes.invalid_each(&name, names::dns_label(name.text()));
            if seen.contains(&name.text()) {
                causes.duplicate(&name);
            }
            seen.push(name.text());
        } else if ports.len() > 1 {
            causes.required(&name);
        }
        numbers::port(&port.member(ServicePort::PORT), causes);
        causes.require_one_of(&port.member(ServicePort::PROTOCOL), &["SCTP", "TCP", "UDP"]);
        numbers::port_or_name(&port.member(ServicePort::TARGET_PORT), causes);
        let protocol = port.member(ServicePort::APP_PROTOCOL);
        if protocol.is_set() {
            causes.invalid_each(&protocol, names::qualified_name(protocol.text()));
        }
    }
}

fn session_affinity(spec: &Field<'_>, causes: &mut Causes) {
    let (affinity, config) =
        (spec.member(ServiceSpec::SESSION_AFFINITY), spec.member(ServiceSpec::SESSION_AFFINITY_CONFIG));
    causes.require_one_of(&affinity, &["ClientIP", "None"]);
    match affinity.text() {
        "ClientIP" => {
            let client = config.member(SessionAffinityConfig::CLIENT_IP);
            let seconds = client.member(ClientIPConfig::TIMEOUT_SECONDS);
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

fn node_ports(service: &Service<'_>, causes: &mut Causes) {
    let given = |port: &Field<'_>| port.member(ServicePort::NODE_PORT).int().is_some_and(|n| n != 0);
    let ports = service.spec.member(ServiceSpec::PORTS);
    for port in ports.items().filter(|port| service.kind == "ClusterIP" && given(port)) {
        causes.forbidden(&port.member(ServicePort::NODE_PORT), "may not be used when `type` is 'ClusterIP'");
    }
    duplicates(&ports, ServicePort::NODE_PORT, |port| port.member(ServicePort::NODE_PORT), causes);
}

fn duplicate_ports(service: &Service<'_>, causes: &mut Causes) {
    duplicates(&service.spec.member(ServiceSpec::PORTS), ServicePort::PORT, |port| port.clone(), causes);
}

/// The same number twice for one protocol.
fn duplicates(
    ports: &Field<'_>,
    member: FieldName,
    reported: for<'a> fn(&Field<'a>) -> Field<'a>,
    causes: &mut Causes,
) {
    let mut seen: Vec<(i64, &str)> = Vec::new();
    for port in ports.items() {
        let one = (port.member(member).int().unwrap_or_default(), port.member(ServicePort::PROTOCOL).text());
        if one.0 == 0 {
            continue;
        }
        if seen.contains(&one) {
            causes.duplicate(&reported(&port));
        }
        seen.push(one);
    }
}

fn load_balancer_fields(service: &Service<'_>, object: Root<'_>, old: Option<Root<'_>>, causes: &mut Causes) {
    // The reference capitalises this name.
    let ranges = service.spec.member_as(ServiceSpec::LOAD_BALANCER_SOURCE_RANGES, "LoadBalancerSourceRanges");
    let annotation = object.member(ServiceFields::METADATA).member(ObjectMeta::ANNOTATIONS).entry(SOURCE_RANGES);
    if !ranges.is_empty() {
        of_load_balancers(service, &ranges, causes);
        let before: Vec<&str> =
            texts(old, ServiceSpec::LOAD_BALANCER_SOURCE_RANGES).into_iter().map(str::trim).collect();
        for range in ranges.items().filter(|range| !before.contains(&range.text().trim())) {
            net::cidr_in(range.text().trim(), &range, causes);
        }
    } else if annotation.is_set() {
        of_load_balancers(service, &annotation, causes);
        let before = old
            .map(|old| old.member(ServiceFields::METADATA).member(ObjectMeta::ANNOTATIONS).entry(SOURCE_RANGES).text());
        if before != Some(annotation.text()) && !annotation.text().trim().is_empty() {
            annotation.text().split(',').for_each(|range| net::cidr_in(range.trim(), &annotation, causes));
        }
    }
    let allocate = service.spec.member(ServiceSpec::ALLOCATE_LOAD_BALANCER_NODE_PORTS);
    if allocate.is_set() {
        of_load_balancers(service, &allocate, causes);
    }
}

fn of_load_balancers(service: &Service<'_>, field: &Field<'_>, causes: &mut Causes) {
    if !service.is_load_balancer() {
        causes.forbidden(field, "may only be used when `type` is 'LoadBalancer'");
    }
}

fn load_balancer_class(service: &Service<'_>, causes: &mut Causes) {
    let class = service.spec.member(ServiceSpec::LOAD_BALANCER_CLASS);
    if !class.is_set() {
        return;
    }
    of_load_balancers(service, &class, causes);
    if service.is_load_balancer() {
        causes.invalid_each(&class, names::qualified_name(class.text()));
    }
}

fn traffic(service: &Service<'_>, causes: &mut Causes) {
    let external = service.spec.member(ServiceSpec::EXTERNAL_TRAFFIC_POLICY);
    if service.is_reached_from_outside() {
        causes.require_one_of(&external, &["Cluster", "Local"]);
    } else if !external.is_empty() {
        causes.invalid(&external, "may only be set for externally-accessible services");
    }
    let health = service.spec.member(ServiceSpec::HEALTH_CHECK_NODE_PORT);
    if health.int().is_some_and(|n| n != 0) {
        if service.is_health_checked() {
            numbers::port(&health, causes);
        } else {
            causes.invalid(
                &health,
                "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
            );
        }
    }
    let internal = service.spec.member(ServiceSpec::INTERNAL_TRAFFIC_POLICY);
    if internal.is_set() {
        causes.one_of(&internal, &["Cluster", "Local"]);
    }
    let distribution = service.spec.member(ServiceSpec::TRAFFIC_DISTRIBUTION);
    if distribution.is_set() {
        causes.one_of(&distribution, &["PreferClose", "PreferSameZone", "PreferSameNode"]);
    }
}
