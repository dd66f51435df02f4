//! Mirrors Endpoints that users made, for services without a selector, to EndpointSlices: what reads slices alone sees
//! them too. Source: KEP-752.

use std::collections::BTreeMap;

use gantry_plugin::{
    Controller, Cx, Failure, HostRef, Key, NoConfig, Ops, Outcome, Plugin, Reader, Watch,
    resource::{ENDPOINT_SLICES, ENDPOINTS, SERVICES},
};

use crate::{
    endpoints::{Address, Endpoints, Subset},
    model::{EndpointPort, LAST_CHANGE_TRIGGER_TIME, Service},
    slices::{Conditions, Endpoint, Slice, Wanted, labels},
};

const CONTROLLER: &str = "endpointslicemirroring-controller.k8s.io";
const SKIP: &str = "endpointslice.kubernetes.io/skip-mirror";
/// Endpoints that were once used to elect a leader name no backends.
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// More addresses with the same ports are not mirrored: they make one slice, and no slice may hold more.
const MAX_ADDRESSES: usize = 1000;

/// Address family and ports.
type Kind = (&'static str, Vec<EndpointPort>);
/// Endpoints by their kind: what becomes a slice each.
type Mirrored = BTreeMap<Kind, Vec<Endpoint>>;

/// Named as upstream names it: its events and its account carry the name.
pub struct EndpointSliceMirroringController;

impl Plugin for EndpointSliceMirroringController {
    const ID: &'static str = "endpointslicemirroring-controller";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = NoConfig;

    fn new(_: HostRef<'_>, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
}

impl Controller for EndpointSliceMirroringController {
    const WATCHES: &'static [Watch] =
        &[Watch::primary(ENDPOINTS), Watch::primary(SERVICES), Watch::owned(ENDPOINT_SLICES, ENDPOINTS)];

    fn reconcile(&self, _: &Cx<'_>, key: &Key, read: &Reader<'_>, ops: &mut Ops) -> Result<Outcome, Failure> {
        let slices = Slice::kept_by(CONTROLLER, key, read)?;
        let service = read.get::<Service>(&SERVICES, &key.namespace, &key.name)?;
        let endpoints = read.get::<Endpoints>(&ENDPOINTS, &key.namespace, &key.name)?;
        match endpoints.filter(|e| is_mirrored(e) && service.is_some_and(|s| s.spec.selector.is_empty())) {
            Some(endpoints) => write(&endpoints, &slices, mirror(&endpoints.subsets), ops),
            None => slices.iter().for_each(|slice| slice.delete(ops)),
        }
        Ok(Outcome::Done)
    }
}

fn is_mirrored(endpoints: &Endpoints) -> bool {
    let meta = &endpoints.metadata;
    !meta.is_terminating()
        && meta.labels.get(SKIP).is_none_or(|skip| skip != "true")
        && !meta.annotations.contains_key(LEADER)
}

fn mirror(subsets: &[Subset]) -> Mirrored {
    let mut mirrored = Mirrored::new();
    for subset in subsets {
        let mut ports: Vec<EndpointPort> = subset.ports.iter().map(EndpointPort::from).collect();
        ports.sort();
        let ready = subset.addresses.iter().map(|address| (address, true));
        let all = ready.chain(subset.not_ready_addresses.iter().map(|address| (address, false)));
        for (address, ready) in all {
            let family = if address.ip.contains(':') { "IPv6" } else { "IPv4" };
            let endpoints = mirrored.entry((family, ports.clone())).or_default();
            if endpoints.len() < MAX_ADDRESSES {
                endpoints.push(endpoint(address, ready));
            }
        }
    }
    mirrored
}

fn endpoint(address: &Address, ready: bool) -> Endpoint {
    Endpoint {
        addresses: vec![address.ip.clone()],
        conditions: Conditions { ready, ..Conditions::default() },
        hostname: address.hostname.clone(),
        node_name: address.node_name.clone(),
        target_ref: address.target_ref.clone(),
        zone: String::new(),
    }
}

fn write(endpoints: &Endpoints, slices: &[Slice], mut mirrored: Mirrored, ops: &mut Ops) {
    let (labels, annotations) = (labels(CONTROLLER, &endpoints.metadata), annotations(endpoints));
    let mut put = |existing: Option<&Slice>, (family, ports): &Kind, addresses: &[Endpoint]| {
        let wanted = Wanted {
            owner_kind: "Endpoints",
            owner: &endpoints.metadata,
            labels: &labels,
            annotations: annotations.clone(),
            address_type: family,
            endpoints: addresses,
            ports,
        };
        wanted.put(existing, ops);
    };
    let mut superfluous = Vec::new();
    for slice in slices {
        let mut ports = slice.ports.clone().unwrap_or_default();
        ports.sort();
        let family = if slice.address_type == "IPv6" { "IPv6" } else { "IPv4" };
        let meta = &slice.metadata;
        match mirrored.remove_entry(&(family, ports)) {
            None => superfluous.push(slice),
            Some((_, wanted))
                if slice.endpoints.as_deref().unwrap_or_default() == wanted
                    && (&meta.labels, &meta.annotations) == (&labels, &annotations) => {}
            Some((kind, wanted)) => put(Some(slice), &kind, &wanted),
        }
    }
    mirrored.iter().for_each(|(kind, wanted)| put(None, kind, wanted));
    superfluous.iter().for_each(|slice| slice.delete(ops));
}

/// Those of the Endpoints that say nothing about the Endpoints object itself.
fn annotations(endpoints: &Endpoints) -> BTreeMap<String, String> {
    let mut annotations = endpoints.metadata.annotations.clone();
    annotations.retain(|name, _| name != LAST_CHANGE_TRIGGER_TIME && name != LAST_APPLIED);
    annotations
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn subsets_with_the_same_ports_share_a_slice_and_families_do_not() {
        let subsets: Vec<Subset> = serde_json::from_value(json!([
            {"addresses": [{"ip": "10.0.0.1"}], "notReadyAddresses": [{"ip": "fd00::1"}],
             "ports": [{"port": 80, "protocol": "TCP"}]},
            {"notReadyAddresses": [{"ip": "10.0.0.2"}], "ports": [{"port": 80, "protocol": "TCP"}]},
            {"addresses": [{"ip": "10.0.0.3"}], "ports": [{"name": "b", "port": 81, "protocol": "UDP"}]},
        ]))
        .expect("subsets");
        let mirrored = mirror(&subsets);
        let sizes: Vec<_> = mirrored.iter().map(|((family, ports), e)| (*family, ports[0].port, e.len())).collect();
        assert_eq!(sizes, [("IPv4", 80, 2), ("IPv4", 81, 1), ("IPv6", 80, 1)]);
        let first = &mirrored.values().next().expect("a slice")[..];
        assert!(first[0].conditions.ready && !first[1].conditions.ready);
    }

    #[test]
    fn no_slice_gets_more_than_it_may_hold() {
        let addresses = |first: usize| -> Vec<Value> {
            (first..first + 600).map(|n| json!({"ip": format!("10.0.{}.{}", n / 250, n % 250)})).collect()
        };
        let ports = json!([{"port": 80, "protocol": "TCP"}]);
        let subsets =
            json!([{"addresses": addresses(0), "ports": ports}, {"addresses": addresses(600), "ports": ports}]);
        let mirrored = mirror(&serde_json::from_value::<Vec<Subset>>(subsets).expect("subsets"));
        assert_eq!(mirrored.values().map(Vec::len).collect::<Vec<_>>(), [MAX_ADDRESSES]);
    }

    #[test]
    fn endpoints_that_ask_not_to_be_mirrored_are_not() {
        let endpoints = |meta: Value| {
            serde_json::from_value::<Endpoints>(json!({"metadata": meta, "subsets": []})).expect("endpoints")
        };
        assert!(is_mirrored(&endpoints(json!({"name": "a"}))));
        assert!(!is_mirrored(&endpoints(json!({"name": "a", "labels": {SKIP: "true"}}))));
        assert!(!is_mirrored(&endpoints(json!({"name": "a", "annotations": {LEADER: "{}"}}))));
    }
}
