//! Cells of services, endpoints, ingresses and other network kinds.

use super::{
    look,
    row::{CellFn, Row},
    workloads::{pairs, selector},
};
use gantry_meta::{Object, ObjectView, Value};
use std::collections::BTreeSet;

pub(super) fn cell(plural: &str, column: &str) -> Option<CellFn> {
    match (plural, column) {
        ("services", "External-IP") => Some(external_ip),
        ("services", "Port(s)") => Some(service_ports),
        ("services", "Selector") => Some(|row| pairs(look::object(row.object, "spec.selector"))),
        ("endpoints", "Endpoints") => Some(endpoints),
        ("endpointslices", "Ports") => Some(slice_ports),
        ("endpointslices", "Endpoints") => Some(slice_endpoints),
        ("ingresses", "Hosts") => Some(hosts),
        ("ingresses", "Address") => Some(|row| load_balancer(row.object).join(",").into()),
        ("ingresses", "Ports") => Some(ingress_ports),
        ("ingressclasses", "Name") => Some(class_name),
        ("ingressclasses", "Parameters") => Some(parameters),
        ("ipaddresses", "ParentRef") => Some(parent),
        ("networkpolicies", "Pod-Selector") => Some(|row| selector(row.object, "spec.podSelector", "<none>")),
        _ => None,
    }
}

/// Addresses of the load balancer: sorted, each once.
fn load_balancer(object: &Object) -> Vec<&str> {
    let addresses = look::objects(object, "status.loadBalancer.ingress").map(|i| match look::text(i, "ip") {
        "" => look::text(i, "hostname"),
        ip => ip,
    });
    addresses.filter(|a| !a.is_empty()).collect::<BTreeSet<_>>().into_iter().collect()
}

fn external_ip(row: Row<'_>) -> Value {
    let external = look::texts(row.object, "spec.externalIPs");
    match look::text(row.object, "spec.type") {
        "ClusterIP" | "NodePort" => look::or(external.collect::<Vec<_>>().join(","), "<none>"),
        "LoadBalancer" => {
            let all: Vec<&str> = load_balancer(row.object).into_iter().chain(external).collect();
            look::or(all.join(","), "<pending>")
        }
        "ExternalName" => look::text(row.object, "spec.externalName").into(),
        _ => "<unknown>".into(),
    }
}

fn service_ports(row: Row<'_>) -> Value {
    let ports = look::objects(row.object, "spec.ports").map(|port| {
        let (number, protocol) = (look::int(port, "port"), look::text(port, "protocol"));
        match look::int(port, "nodePort") {
            0 => format!("{number}/{protocol}"),
            node => format!("{number}:{node}/{protocol}"),
        }
    });
    look::or(ports.collect::<Vec<_>>().join(","), "<none>")
}

/// Every ready address of every port, port by port. Subsets without any show as nothing, unlike no subsets.
fn endpoints(row: Row<'_>) -> Value {
    if look::list(row.object, "subsets").is_empty() {
        return "<none>".into();
    }
    let mut all = Vec::new();
    for subset in look::objects(row.object, "subsets") {
        let ips: Vec<&str> = look::objects(subset, "addresses").map(|a| look::text(a, "ip")).collect();
        if look::list(subset, "ports").is_empty() {
            all.extend(ips.iter().map(|ip| (*ip).to_owned()));
        }
        for port in look::objects(subset, "ports").map(|p| look::int(p, "port")) {
            all.extend(ips.iter().map(|ip| host_port(ip, port)));
        }
    }
    look::first_three(&all).into()
}

fn host_port(ip: &str, port: i64) -> String {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}

fn slice_ports(row: Row<'_>) -> Value {
    let ports = look::objects(row.object, "ports").map(|p| match (look::value(p, "port"), look::text(p, "name")) {
        (Value::Null, "") => "*".to_owned(),
        (Value::Null, name) => name.to_owned(),
        (number, _) => look::shown(number),
    });
    look::or(look::first_three(&ports.collect::<Vec<_>>()), "<unset>")
}

fn slice_endpoints(row: Row<'_>) -> Value {
    let addresses = look::objects(row.object, "endpoints").flat_map(|e| look::texts(e, "addresses")).map(str::to_owned);
    look::or(look::first_three(&addresses.collect::<Vec<_>>()), "<unset>")
}

/// The first three hosts. Rules without one count among those that are more, if any rule follows the third host.
fn hosts(row: Row<'_>) -> Value {
    let mut shown = Vec::new();
    let rules = look::list(row.object, "spec.rules").len();
    for (at, host) in look::objects(row.object, "spec.rules").map(|rule| look::text(rule, "host")).enumerate() {
        if !host.is_empty() {
            shown.push(host);
        }
        if shown.len() == 3 && at + 1 < rules {
            return format!("{} + {} more...", shown.join(","), rules - 3).into();
        }
    }
    look::or(shown.join(","), "*")
}

fn ingress_ports(row: Row<'_>) -> Value {
    if look::list(row.object, "spec.tls").is_empty() { "80".into() } else { "80, 443".into() }
}

fn class_name(row: Row<'_>) -> Value {
    default_marked(row.object, &["ingressclass.kubernetes.io/is-default-class"])
}

/// The name, with a remark if one of the annotations makes it the default of its kind.
pub(super) fn default_marked(object: &Object, annotations: &[&str]) -> Value {
    let marks = object.annotations().into_iter().flatten();
    let is_default = marks.into_iter().any(|(key, value)| annotations.contains(&key.as_str()) && value == "true");
    if is_default { format!("{} (default)", object.name()).into() } else { object.name().into() }
}

fn parameters(row: Row<'_>) -> Value {
    let Some(parameters) = look::object(row.object, "spec.parameters") else { return "<none>".into() };
    let (kind, name) = (look::text(parameters, "kind"), look::text(parameters, "name"));
    match look::text(parameters, "apiGroup") {
        "" => format!("{kind}/{name}").into(),
        group => format!("{kind}.{group}/{name}").into(),
    }
}

fn parent(row: Row<'_>) -> Value {
    let Some(parent) = look::object(row.object, "spec.parentRef") else { return "<none>".into() };
    let mut text = look::text(parent, "resource").to_lowercase();
    for (separator, member) in [('.', "group"), ('/', "namespace"), ('/', "name")] {
        let part = look::text(parent, member);
        if !part.is_empty() || member == "name" {
            text.push(separator);
            text.push_str(part);
        }
    }
    text.into()
}
