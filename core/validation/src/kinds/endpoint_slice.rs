//! EndpointSlice.

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
    address_type(&object.member("addressType"), causes);
    slice(object, causes);
}

fn address_type(kind: &Field<'_>, causes: &mut Causes) {
    causes.require_one_of(kind, &["FQDN", "IPv4", "IPv6"]);
}

fn slice(object: Root<'_>, causes: &mut Causes) {
    let (kind, endpoints) = (object.member("addressType").text(), object.member("endpoints"));
    if endpoints.len() > ENDPOINTS_MAX {
        causes.too_many(&endpoints, ENDPOINTS_MAX);
    } else {
        endpoints.items().for_each(|one| endpoint(&one, kind, causes));
    }
    ports(&object.member("ports"), causes);
}

fn endpoint(endpoint: &Field<'_>, kind: &str, causes: &mut Causes) {
    let addresses = endpoint.member("addresses");
    if addresses.is_empty() {
        causes.required(&addresses);
    } else if addresses.len() > ADDRESSES_MAX {
        causes.too_many(&addresses, ADDRESSES_MAX);
    }
    addresses.items().for_each(|address| self::address(&addresses, &address, kind, causes));
    let node = endpoint.member("nodeName");
    if node.is_set() {
        causes.invalid_each(&node, names::dns_subdomain(node.text()));
    }
    let topology = endpoint.member("deprecatedTopology");
    if topology.len() > TOPOLOGY_MAX {
        causes.too_many(&topology, TOPOLOGY_MAX);
    }
    metadata::labels(&topology, causes);
    let hostname = endpoint.member("hostname");
    if hostname.is_set() {
        causes.invalid_each(&hostname, names::dns_label(hostname.text()));
    }
    for hints in ["forZones", "forNodes"] {
        let hints = endpoint.member("hints").member(hints);
        if hints.len() > HINTS_MAX {
            causes.too_many(&hints, HINTS_MAX);
        }
    }
}

fn address<'a>(addresses: &Field<'a>, address: &Field<'a>, kind: &str, causes: &mut Causes) {
    match kind {
        "FQDN" => causes.invalid_each(address, names::dns_subdomain(address.text())),
        "IPv4" | "IPv6" => match net::parse_ip(address.text()) {
            Some(ip) if ip.is_ipv4() == (kind == "IPv4") => net::non_special_ip(address, causes),
            // The wrong family is reported at the list.
            Some(_) => causes.invalid(addresses, "must contain addresses of the slice's addressType"),
            None => causes.invalid(address, "must be a valid IP address"),
        },
        _ => {}
    }
}

fn ports(ports: &Field<'_>, causes: &mut Causes) {
    if ports.len() > PORTS_MAX {
        return causes.too_many(ports, PORTS_MAX);
    }
    let mut seen: Vec<&str> = Vec::new();
    for port in ports.items() {
        let name = port.member("name");
        if !name.is_empty() {
            causes.invalid_each(&name, names::dns_label(name.text()));
        }
        if seen.contains(&name.text()) {
            causes.duplicate(&name);
        }
        seen.push(name.text());
        causes.require_one_of(&port.member("protocol"), &PROTOCOLS);
        let app = port.member("appProtocol");
        if app.is_set() {
            causes.invalid_each(&app, names::qualified_name(app.text()));
        }
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    slice(update.new, causes);
    causes.immutable(&update.new.member("addressType"), &update.old.member("addressType"));
}
