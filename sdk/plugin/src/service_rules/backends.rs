//! Which endpoints of a service port take traffic on a node.

use std::collections::BTreeSet;

use super::objects::{Endpoint, EndpointSlice, ServicePort};
use crate::rule_ir::Backend;

/// The endpoints of one service port, as one node sees them. Each list is sorted, without repetitions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Backends {
    /// Those that take traffic from anywhere: the ready ones, or, if there are none, those that are leaving but still answer.
    pub cluster: Vec<Backend>,
    /// The same, of those on this node alone.
    pub local: Vec<Backend>,
}

impl Backends {
    /// Selects from the slices of one service.
    pub fn of(port: &ServicePort, slices: &[&EndpointSlice], node: &str) -> Self {
        let all: Vec<_> = slices.iter().flat_map(|slice| candidates(port, slice)).collect();
        let here: Vec<_> = all.iter().filter(|(e, _)| e.node_name.as_deref() == Some(node)).copied().collect();
        Self { cluster: usable(&nearest(all, node)), local: usable(&here) }
    }
}

type Candidate<'a> = (&'a Endpoint, Backend);

fn candidates<'a>(port: &ServicePort, slice: &'a EndpointSlice) -> impl Iterator<Item = Candidate<'a>> {
    let number = (slice.address_type == "IPv4").then(|| port_number(port, slice)).flatten();
    number.into_iter().flat_map(|number| {
        let backend = move |e: &'a Endpoint| Some((e, Backend { address: e.address()?, port: number, weight: 1 }));
        slice.endpoints.iter().filter_map(backend)
    })
}

/// A service's port and a slice's belong together by name and protocol.
fn port_number(port: &ServicePort, slice: &EndpointSlice) -> Option<u16> {
    let same = |p: &&super::objects::EndpointPort| {
        p.name.as_deref().unwrap_or_default() == port.name
            && p.protocol.is_none_or(|protocol| protocol == port.protocol)
    };
    slice.ports.iter().find(same)?.port
}

/// Only endpoints hinted for this node, if every ready one has such a hint and one is meant for this node.
fn nearest<'a>(all: Vec<Candidate<'a>>, node: &str) -> Vec<Candidate<'a>> {
    let names = |e: &'a Endpoint| e.hints.as_ref().map(|hints| hints.for_nodes.as_slice()).unwrap_or_default();
    let all_hinted = all.iter().filter(|(e, _)| e.is_ready()).all(|(e, _)| !names(e).is_empty());
    let near: Vec<_> = all.iter().filter(|(e, _)| names(e).iter().any(|hint| hint.name == node)).copied().collect();
    if all_hinted && near.iter().any(|(e, _)| e.is_ready()) { near } else { all }
}

fn usable(candidates: &[Candidate<'_>]) -> Vec<Backend> {
    let pick = |wanted: fn(&Endpoint) -> bool| -> Vec<Backend> {
        let unique: BTreeSet<_> =
            candidates.iter().filter(|(e, _)| wanted(e)).map(|(_, b)| (b.address, b.port)).collect();
        unique.into_iter().map(|(address, port)| Backend { address, port, weight: 1 }).collect()
    };
    let ready = pick(Endpoint::is_ready);
    if ready.is_empty() { pick(Endpoint::is_leaving) } else { ready }
}
