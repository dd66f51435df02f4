//! EndpointSlice.

use gantry_kinds::{
    FieldName,
    fields::discovery_v1::{Endpoint, EndpointHints, EndpointPort, EndpointSlice, ForNode},
};

use crate::{
    field::{Causes, Field, Root},
    metadata, names,
    rules::net,
    table::Update,
};

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
const ENDPOINTS_MAX: usize = 1000;
const ADDRESSES_MAX: usize = 100;
const PORTS_MAX: usize = 20_000;
const HINTS_MAX: usize = 8;
const TOPOLOGY_MAX: usize = 16;

pub fn create(object: Root<'_>, causes: &mut Causes) {
    address_type(&object.member(EndpointSlice::ADDRESS_TYPE), causes);
    ports(&object.member(EndpointSlice::PORTS), causes);
    endpoints(object, causes);
}

fn address_type(kind: &Field<'_>, causes: &mut Causes) {
    causes.require_one_of(kind, &["FQDN", "IPv4", "IPv6"]);
}

fn endpoints(object: Root<'_>, causes: &mut Causes) {
    let (kind, endpoints) =
        (object.member(EndpointSlice::ADDRESS_TYPE).text(), object.member(EndpointSlice::ENDPOINTS));
    if endpoints.len() > ENDPOINTS_MAX {
        causes.too_many(&endpoints, ENDPOINTS_MAX);
    } else {
        endpoints.items().for_each(|one| endpoint(&one, kind, causes));
    }
}

fn endpoint(endpoint: &Field<'_>, kind: &str, causes: &mut Causes) {
    let addresses = endpoint.member(Endpoint::ADDRESSES);
    if addresses.is_empty() {
        causes.required(&addresses);
    } else if addresses.len() > ADDRESSES_MAX {
        causes.too_many(&addresses, ADDRESSES_MAX);
    }
    addresses.items().for_each(|address| self::address(&addresses, &address, kind, causes));
    let node = endpoint.member(Endpoint::NODE_NAME);
    if node.is_set() {
        causes.invalid_each(&node, names::dns_subdomain(node.text()));
    }
    let topology = endpoint.member(Endpoint::DEPRECATED_TOPOLOGY);
    if topology.len() > TOPOLOGY_MAX {
        causes.too_many(&topology, TOPOLOGY_MAX);
    }
    metadata::labels(&topology, causes);
    let hostname = endpoint.member(Endpoint::HOSTNAME);
    if hostname.is_set() {
        causes.invalid_each(&hostname, names::dns_label(hostname.text()));
    }
    hints(&endpoint.member(Endpoint::HINTS), causes);
}

type NameCheck = fn(&str) -> names::Reasons;

/// Zones and nodes that an endpoint is meant for, each once.
fn hints(hints: &Field<'_>, causes: &mut Causes) {
    let lists: [(FieldName, NameCheck); 2] =
        [(EndpointHints::FOR_ZONES, names::label_value), (EndpointHints::FOR_NODES, names::dns_subdomain)];
    for (member, check) in lists {
        let list = hints.member(member);
        if list.len() > HINTS_MAX {
            return causes.too_many(&list, HINTS_MAX);
        }
        let mut seen: Vec<&str> = Vec::new();
        for name in list.items().map(|hint| hint.member(ForNode::NAME)) {
            if seen.contains(&name.text()) {
                causes.duplicate(&name);
            }
            seen.push(name.text());
            causes.invalid_each(&name, check(name.text()));
        }
    }
}

fn address<'a>(addresses: &Field<'a>, address: &Field<'a>, kind: &str, causes: &mut Causes) {
    match (kind, net::parse_ip(address.text())) {
        ("FQDN", _) => fully_qualified_name(address, causes),
        ("IPv4" | "IPv6", None) => causes.invalid(address, "must be a valid IP address"),
        ("IPv6", Some(ip)) if ip.to_string() != address.text() => {
            causes.invalid(address, "must be in canonical form");
        }
        ("IPv4" | "IPv6", Some(ip)) => {
            if ip.is_ipv4() != (kind == "IPv4") {
                // The wrong family is reported at the list.
                causes.invalid(addresses, "must contain addresses of the slice's addressType");
            }
            net::non_special_ip(address, causes);
        }
        _ => {}
    }
}

/// At least two segments; the last dot does not count.
fn fully_qualified_name(name: &Field<'_>, causes: &mut Causes) {
    if !causes.require(name) {
        return;
    }
    let text = name.text().strip_suffix('.').unwrap_or(name.text());
    let reasons = names::dns_subdomain(text);
    if !reasons.is_empty() {
        causes.invalid_each(name, reasons);
    } else if !text.contains('.') {
        causes.invalid(name, "should be a domain with at least two segments separated by dots");
    }
}

fn ports(ports: &Field<'_>, causes: &mut Causes) {
    if ports.len() > PORTS_MAX {
        return causes.too_many(ports, PORTS_MAX);
    }
    let mut seen: Vec<&str> = Vec::new();
    for port in ports.items() {
        let name = port.member(EndpointPort::NAME);
        if !name.is_empty() {
            causes.invalid_each(&name, names::dns_label(name.text()));
        }
        if seen.contains(&name.text()) {
            causes.duplicate(&name);
        }
        seen.push(name.text());
        let protocol = port.member(EndpointPort::PROTOCOL);
        match protocol.is_set() {
            true => causes.one_of(&protocol, &PROTOCOLS),
            false => causes.required(&protocol),
        }
        let app = port.member(EndpointPort::APP_PROTOCOL);
        if app.is_set() {
            causes.invalid_each(&app, names::qualified_name(app.text()));
        }
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    address_type(&update.new.member(EndpointSlice::ADDRESS_TYPE), causes);
    ports(&update.new.member(EndpointSlice::PORTS), causes);
    // What is stored may be older than the rules.
    if update.new.member(EndpointSlice::ENDPOINTS).value() != update.old.member(EndpointSlice::ENDPOINTS).value() {
        endpoints(update.new, causes);
    }
    causes.immutable(&update.new.member(EndpointSlice::ADDRESS_TYPE), &update.old.member(EndpointSlice::ADDRESS_TYPE));
}
