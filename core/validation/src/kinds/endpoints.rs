//! Endpoints.

use crate::{
    field::{Causes, Field, Root},
    names,
    rules::{net, numbers},
    table::Update,
};

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

pub fn create(object: Root<'_>, causes: &mut Causes) {
    for subset in object.member("subsets").items() {
        let (ready, not_ready) = (subset.member("addresses"), subset.member("notReadyAddresses"));
        if ready.is_empty() && not_ready.is_empty() {
            causes.required(&subset);
        }
        ready.items().chain(not_ready.items()).for_each(|one| address(&one, causes));
        let ports = subset.member("ports");
        ports.items().for_each(|one| port(&one, ports.len() > 1, causes));
    }
}

fn address(address: &Field<'_>, causes: &mut Causes) {
    let (ip, hostname, node) = (address.member("ip"), address.member("hostname"), address.member("nodeName"));
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
    let name = port.member("name");
    if !name.is_empty() {
        causes.invalid_each(&name, names::dns_label(name.text()));
    } else if require_name {
        causes.required(&name);
    }
    numbers::port(&port.member("port"), causes);
    causes.require_one_of(&port.member("protocol"), &PROTOCOLS);
    let app = port.member("appProtocol");
    if app.is_set() {
        causes.invalid_each(&app, names::qualified_name(app.text()));
    }
}

/// Subsets that were stored stay as they are.
pub fn update(update: Update<'_>, causes: &mut Causes) {
    if update.new.member("subsets").value() != update.old.member("subsets").value() {
        create(update.new, causes);
    }
}
