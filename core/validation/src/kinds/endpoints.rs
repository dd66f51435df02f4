//! Endpoints.

use gantry_kinds::fields::core_v1::{EndpointAddress, EndpointPort, EndpointSubset, Endpoints};

use crate::{
    field::{Causes, Field, Root},
    names,
    rules::{net, numbers},
    table::Update,
};

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

pub fn create(object: Root<'_>, causes: &mut Causes) {
    for subset in object.member(Endpoints::SUBSETS).items() {
        let (ready, not_ready) =
            (subset.member(EndpointSubset::ADDRESSES), subset.member(EndpointSubset::NOT_READY_ADDRESSES));
        if ready.is_empty() && not_ready.is_empty() {
            causes.required(&subset);
        }
        ready.items().chain(not_ready.items()).for_each(|one| address(&one, causes));
        let ports = subset.member(EndpointSubset::PORTS);
        ports.items().for_each(|one| port(&one, ports.len() > 1, causes));
    }
}

fn address(address: &Field<'_>, causes: &mut Causes) {
    let (ip, hostname, node) = (
        address.member(EndpointAddress::IP),
        address.member(EndpointAddress::HOSTNAME),
        address.member(EndpointAddress::NODE_NAME),
    );
    net::ip(&ip, causes);
    if !hostname.is_empty() {
        causes.invalid_each(&hostname, names::dns_label(hostname.text()));
    }
    if node.is_set() {
        causes.invalid_each(&node, names::dns_subdomain(node.text()));
    }
    // An address that does not parse is reported by both checks.
    net::non_special_ip(&ip, causes);
}

fn port(port: &Field<'_>, require_name: bool, causes: &mut Causes) {
    let name = port.member(EndpointPort::NAME);
    if !name.is_empty() {
        causes.invalid_each(&name, names::dns_label(name.text()));
    } else if require_name {
        causes.required(&name);
    }
    numbers::port(&port.member(EndpointPort::PORT), causes);
    causes.require_one_of(&port.member(EndpointPort::PROTOCOL), &PROTOCOLS);
    let app = port.member(EndpointPort::APP_PROTOCOL);
    if app.is_set() {
        causes.invalid_each(&app, names::qualified_name(app.text()));
    }
}

/// Subsets that were stored stay as they are.
pub fn update(update: Update<'_>, causes: &mut Causes) {
    if update.new.member(Endpoints::SUBSETS).value() != update.old.member(Endpoints::SUBSETS).value() {
        create(update.new, causes);
    }
}
