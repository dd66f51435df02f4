//! NetworkPolicy.

use gantry_kinds::fields::networking_v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use gantry_meta::Value;

use crate::{
    field::{Causes, Field, Root},
    names,
    ratchet::Ratchet,
    rules::{net, numbers, selector},
    table::Update,
};

pub fn create(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member(NetworkPolicy::SPEC);
    selector::label_selector(&spec.member(NetworkPolicySpec::POD_SELECTOR), causes);
    for (direction, peers) in [
        (NetworkPolicySpec::INGRESS, NetworkPolicyIngressRule::FROM),
        (NetworkPolicySpec::EGRESS, NetworkPolicyEgressRule::TO),
    ] {
        for rule in spec.member(direction).items() {
            rule.member(NetworkPolicyEgressRule::PORTS).items().for_each(|port| self::port(&port, causes));
            rule.member(peers).items().for_each(|peer| self::peer(&peer, causes));
        }
    }
    let types = spec.member(NetworkPolicySpec::POLICY_TYPES);
    if types.len() > 2 {
        return causes.invalid(&types, "may not specify more than two policyTypes");
    }
    types.items().for_each(|one| causes.one_of(&one, &["Egress", "Ingress"]));
}

fn port(port: &Field<'_>, causes: &mut Causes) {
    let (protocol, number, end) = (
        port.member(NetworkPolicyPort::PROTOCOL),
        port.member(NetworkPolicyPort::PORT),
        port.member(NetworkPolicyPort::END_PORT),
    );
    if protocol.is_set() {
        causes.one_of(&protocol, &["SCTP", "TCP", "UDP"]);
    }
    match number.value() {
        None if end.is_set() => causes.invalid(&end, "may not be specified when `port` is not specified"),
        None => {}
        Some(Value::String(name)) => {
            if end.is_set() {
                causes.invalid(&end, "may not be specified when `port` is non-numeric");
            }
            causes.invalid_each(&number, names::port_name(name));
        }
        Some(_) => {
            numbers::port(&number, causes);
            if end.is_set() {
                if end.int() < number.int() {
                    causes.invalid(&end, "must be greater than or equal to `port`");
                }
                numbers::port(&end, causes);
            }
        }
    }
}

fn peer(peer: &Field<'_>, causes: &mut Causes) {
    let (pods, namespaces, block) = (
        peer.member(NetworkPolicyPeer::POD_SELECTOR),
        peer.member(NetworkPolicyPeer::NAMESPACE_SELECTOR),
        peer.member(NetworkPolicyPeer::IP_BLOCK),
    );
    selector::label_selector(&pods, causes);
    selector::label_selector(&namespaces, causes);
    if block.is_set() {
        ip_block(&block, causes);
    }
    match (pods.is_set() || namespaces.is_set(), block.is_set()) {
        (false, false) => causes.required(peer),
        (true, true) => causes.forbidden(peer, "may not specify both ipBlock and another peer"),
        _ => {}
    }
}

fn ip_block(block: &Field<'_>, causes: &mut Causes) {
    let cidr = block.member(IPBlock::CIDR);
    if !causes.require(&cidr) {
        return;
    }
    causes.ratcheted(Ratchet::Value, |causes| _ = net::cidr(&cidr, causes));
    let Some(outer) = net::parse_range_somehow(cidr.text()) else { return };
    for except in block.member(IPBlock::EXCEPT).items() {
        causes.ratcheted(Ratchet::Value, |causes| _ = net::cidr(&except, causes));
        if net::parse_range_somehow(except.text()).is_some_and(|inner| !net::strictly_contains(outer, inner)) {
            causes.invalid(&except, "must be a strict subset of `cidr`");
        }
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    create(update.new, causes);
}
