//! Endpoints: what slices replaced, still read by older clients. One object a service, at most 1,000 addresses.

use std::collections::BTreeMap;

use gantry_plugin::{
    Controller, Cx, Event, Failure, HostRef, Key, Metadata, NoConfig, Ops, Outcome, Plugin, Reader, Watch,
    resource::{ENDPOINTS, NODES, PODS, SERVICES},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    backends::{self, Backend},
    model::{HEADLESS, LAST_CHANGE_TRIGGER_TIME, Service, TargetRef},
};

const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const CONTROLLER: &str = "endpoint-controller";
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
const MAX_ADDRESSES: usize = 1000;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Endpoints {
    pub(crate) metadata: Metadata,
    pub(crate) subsets: Vec<Subset>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Subset {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) addresses: Vec<Address>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) not_ready_addresses: Vec<Address>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) ports: Vec<Port>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Address {
    pub(crate) ip: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) hostname: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) node_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target_ref: Option<TargetRef>,
}

/// As a slice's port, but an empty name is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Port {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
    pub(crate) port: i64,
    pub(crate) protocol: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) app_protocol: Option<String>,
}

/// Named as upstream names it: its events and its account carry the name.
pub struct EndpointsController;

impl Plugin for EndpointsController {
    const ID: &'static str = "endpoint-controller";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = NoConfig;

    fn new(_: HostRef<'_>, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
}

impl Controller for EndpointsController {
    const WATCHES: &'static [Watch] =
        &[Watch::primary(SERVICES), Watch::mapped(PODS), Watch::mapped(NODES), Watch::primary(ENDPOINTS)];

    fn map(&self, _: &Cx<'_>, event: &Event<'_>, read: &Reader<'_>) -> Result<Vec<Key>, Failure> {
        match event.latest().map(|o| o.resource.kind) {
            Some("Node") => backends::services_of_node(event, read),
            _ => backends::services_of_pod(event, read),
        }
    }

    fn reconcile(&self, cx: &Cx<'_>, key: &Key, read: &Reader<'_>, ops: &mut Ops) -> Result<Outcome, Failure> {
        let existing = read.get::<Endpoints>(&ENDPOINTS, &key.namespace, &key.name)?;
        let Some(service) = read.get::<Service>(&SERVICES, &key.namespace, &key.name)? else {
            remove_ours(existing, ops);
            return Ok(Outcome::Done);
        };
        if !service.selects() || service.metadata.is_terminating() {
            return Ok(Outcome::Done);
        }
        let mut backends = backends::find(&service, read)?;
        // A terminating pod is none of its business: it knows ready and not ready only.
        backends.retain(|b| !b.terminating || service.spec.publish_not_ready_addresses);
        let over = backends.len() > MAX_ADDRESSES;
        backends.truncate(MAX_ADDRESSES);
        let changed = backends.iter().filter_map(|b| b.changed).max().unwrap_or(cx.now());
        let (subsets, labels) = (subsets(&backends), labels(&service));
        if existing.as_ref().is_some_and(|e| e.subsets == subsets && e.metadata.labels == labels) {
            return Ok(Outcome::Done);
        }
        let mut annotations =
            BTreeMap::from([(LAST_CHANGE_TRIGGER_TIME, changed.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())]);
        if over {
            annotations.insert(OVER_CAPACITY, "truncated".into());
        }
        let mut object = json!({"apiVersion": "v1", "kind": "Endpoints",
            "metadata": {"name": key.name, "namespace": key.namespace, "labels": labels, "annotations": annotations},
            "subsets": if subsets.is_empty() { Value::Null } else { json!(subsets) }});
        match existing {
            Some(existing) => {
                object["metadata"]["resourceVersion"] = existing.metadata.resource_version.into();
                ops.update(&ENDPOINTS, &key.namespace, &key.name, &object).done();
            }
            None => ops.create(&ENDPOINTS, &key.namespace, &object).done(),
        }
        Ok(Outcome::Done)
    }
}

/// Endpoints that we made go with their service; those that users made stay.
fn remove_ours(existing: Option<Endpoints>, ops: &mut Ops) {
    let ours = existing.filter(|e| e.metadata.labels.get(MANAGED_BY).is_some_and(|v| v == CONTROLLER));
    if let Some(Endpoints { metadata, .. }) = ours {
        ops.delete(&ENDPOINTS, &metadata.namespace, &metadata.name).expect_uid(&metadata.uid).done();
    }
}

fn labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = service.metadata.labels.clone();
    labels.insert(MANAGED_BY.into(), CONTROLLER.into());
    if service.is_headless() {
        labels.insert(HEADLESS.into(), String::new());
    } else {
        labels.remove(HEADLESS);
    }
    labels
}

/// One subset for each set of ports; addresses in order.
fn subsets(backends: &[Backend]) -> Vec<Subset> {
    let mut by_ports: BTreeMap<Vec<Port>, Subset> = BTreeMap::new();
    for backend in backends {
        let ports: Vec<Port> = backend.ports.iter().map(port).collect();
        let subset = by_ports.entry(ports.clone()).or_insert_with(|| Subset { ports, ..Default::default() });
        let address = Address {
            ip: backend.ip.clone(),
            hostname: backend.hostname.clone(),
            node_name: backend.node_name.clone(),
            target_ref: Some(backend.target.clone()),
        };
        if backend.ready { subset.addresses.push(address) } else { subset.not_ready_addresses.push(address) }
    }
    by_ports.into_values().collect()
}

fn port(port: &crate::model::EndpointPort) -> Port {
    Port {
        name: port.name.clone(),
        port: port.port,
        protocol: port.protocol.clone(),
        app_protocol: port.app_protocol.clone(),
    }
}

impl From<&Port> for crate::model::EndpointPort {
    fn from(port: &Port) -> Self {
        Self {
            name: port.name.clone(),
            port: port.port,
            protocol: port.protocol.clone(),
            app_protocol: port.app_protocol.clone(),
        }
    }
}
