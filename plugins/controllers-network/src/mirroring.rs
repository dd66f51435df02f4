//! Mirrors Endpoints that users made, for services without a selector, to EndpointSlices: what reads slices alone sees
//! them too. Source: KEP-752.

use std::collections::BTreeMap;

use gantry_plugin::{
    Controller, Cx, Failure, HostRef, Key, Metadata, NoConfig, Ops, Outcome, Plugin, Query, Reader, Watch,
    resource::{ENDPOINT_SLICES, ENDPOINTS, SERVICES},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    endpoints::{Address, Endpoints, Subset},
    model::{EndpointPort, LAST_CHANGE_TRIGGER_TIME, MANAGED_BY_SLICE, SERVICE_NAME, Service, TargetRef},
};

const CONTROLLER: &str = "endpointslicemirroring-controller.k8s.io";
const SKIP: &str = "endpointslice.kubernetes.io/skip-mirror";
/// Endpoints that were once used to elect a leader name no backends.
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// More of a subset is not mirrored.
const MAX_ADDRESSES: usize = 1000;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Slice {
    metadata: Metadata,
    address_type: String,
    endpoints: Option<Vec<Endpoint>>,
    ports: Option<Vec<EndpointPort>>,
}

/// As a slice's endpoint. Of the conditions only `ready` is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct Endpoint {
    addresses: Vec<String>,
    conditions: Conditions,
    #[serde(skip_serializing_if = "String::is_empty")]
    hostname: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    node_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_ref: Option<TargetRef>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
struct Conditions {
    ready: bool,
}

/// Endpoints by address family and ports: what becomes a slice each.
type Mirrored = BTreeMap<(&'static str, Vec<EndpointPort>), Vec<Endpoint>>;

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
        let selector = format!("{SERVICE_NAME}={},{MANAGED_BY_SLICE}={CONTROLLER}", key.name);
        let slices = read.list::<Slice>(&Query::within(&ENDPOINT_SLICES, &key.namespace).labels(&selector))?;
        let service = read.get::<Service>(&SERVICES, &key.namespace, &key.name)?;
        let endpoints = read.get::<Endpoints>(&ENDPOINTS, &key.namespace, &key.name)?;
        match endpoints.filter(|e| is_mirrored(e) && service.is_some_and(|s| s.spec.selector.is_empty())) {
            Some(endpoints) => write(&endpoints, &slices, mirror(&endpoints.subsets), ops),
            None => slices.iter().for_each(|slice| delete(slice, ops)),
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
        for (address, ready) in all.take(MAX_ADDRESSES) {
            let family = if address.ip.contains(':') { "IPv6" } else { "IPv4" };
            mirrored.entry((family, ports.clone())).or_default().push(endpoint(address, ready));
        }
    }
    mirrored
}

fn endpoint(address: &Address, ready: bool) -> Endpoint {
    Endpoint {
        addresses: vec![address.ip.clone()],
        conditions: Conditions { ready },
        hostname: address.hostname.clone(),
        node_name: address.node_name.clone(),
        target_ref: address.target_ref.clone(),
    }
}

fn write(endpoints: &Endpoints, slices: &[Slice], mut mirrored: Mirrored, ops: &mut Ops) {
    let (labels, annotations) = (labels(endpoints), annotations(endpoints));
    for slice in slices {
        let mut ports = slice.ports.clone().unwrap_or_default();
        ports.sort();
        let family = if slice.address_type == "IPv6" { "IPv6" } else { "IPv4" };
        let Some((key, wanted)) = mirrored.remove_entry(&(family, ports)) else {
            delete(slice, ops);
            continue;
        };
        let meta = &slice.metadata;
        let is_as = slice.endpoints.as_deref().unwrap_or_default() == wanted
            && (&meta.labels, &meta.annotations) == (&labels, &annotations);
        if !is_as {
            let mut object = object(endpoints, &labels, &annotations, &key, &wanted);
            object["metadata"]["name"] = meta.name.clone().into();
            object["metadata"]["resourceVersion"] = meta.resource_version.clone().into();
            ops.update(&ENDPOINT_SLICES, &meta.namespace, &meta.name, &object).done();
        }
    }
    for (key, wanted) in mirrored {
        let object = object(endpoints, &labels, &annotations, &key, &wanted);
        ops.create(&ENDPOINT_SLICES, &endpoints.metadata.namespace, &object).done();
    }
}

fn delete(slice: &Slice, ops: &mut Ops) {
    let meta = &slice.metadata;
    ops.delete(&ENDPOINT_SLICES, &meta.namespace, &meta.name).expect_uid(&meta.uid).done();
}

fn labels(endpoints: &Endpoints) -> BTreeMap<String, String> {
    let mut labels = endpoints.metadata.labels.clone();
    labels.insert(SERVICE_NAME.into(), endpoints.metadata.name.clone());
    labels.insert(MANAGED_BY_SLICE.into(), CONTROLLER.into());
    labels
}

/// Those of the Endpoints that say nothing about the Endpoints object itself.
fn annotations(endpoints: &Endpoints) -> BTreeMap<String, String> {
    let mut annotations = endpoints.metadata.annotations.clone();
    annotations.retain(|name, _| name != LAST_CHANGE_TRIGGER_TIME && name != LAST_APPLIED);
    annotations
}

fn object(
    endpoints: &Endpoints,
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
    (family, ports): &(&'static str, Vec<EndpointPort>),
    wanted: &[Endpoint],
) -> Value {
    let meta = &endpoints.metadata;
    let owner = json!({"apiVersion": "v1", "kind": "Endpoints", "name": meta.name, "uid": meta.uid,
        "controller": true, "blockOwnerDeletion": true});
    let mut metadata = json!({"namespace": meta.namespace, "generateName": format!("{}-", meta.name),
        "labels": labels, "ownerReferences": [owner]});
    if !annotations.is_empty() {
        metadata["annotations"] = json!(annotations);
    }
    json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata,
        "addressType": family, "endpoints": wanted, "ports": ports})
}

#[cfg(test)]
mod tests {
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
    fn endpoints_that_ask_not_to_be_mirrored_are_not() {
        let endpoints = |meta: Value| {
            serde_json::from_value::<Endpoints>(json!({"metadata": meta, "subsets": []})).expect("endpoints")
        };
        assert!(is_mirrored(&endpoints(json!({"name": "a"}))));
        assert!(!is_mirrored(&endpoints(json!({"name": "a", "labels": {SKIP: "true"}}))));
        assert!(!is_mirrored(&endpoints(json!({"name": "a", "annotations": {LEADER: "{}"}}))));
    }
}
