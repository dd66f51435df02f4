//! What the scheduler knows of a pod and of a node, read once when they come from the API.

use std::collections::BTreeMap;

use bytes::Bytes;
use gantry_runtime::Observed;
use serde::Deserialize;

use crate::requests::{Amounts, Asking, Container, Requested, Resources, amounts, requested};

/// A port on the node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct HostPort {
    pub(crate) ip: String,
    pub(crate) protocol: String,
    pub(crate) port: i64,
}

/// The PodScheduled condition as it stands.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Condition {
    #[serde(rename = "type")]
    kind: String,
    pub(crate) status: String,
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) last_transition_time: Option<String>,
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) struct PodFacts {
    pub(crate) uid: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) resource_version: String,
    pub(crate) generation: u64,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) terminating: bool,
    /// Succeeded or failed: it uses nothing any more.
    pub(crate) finished: bool,
    /// Empty until it is bound.
    pub(crate) node: String,
    pub(crate) scheduler: String,
    pub(crate) priority: i32,
    pub(crate) gated: bool,
    pub(crate) requested: Requested,
    pub(crate) ports: Vec<HostPort>,
    pub(crate) condition: Option<Condition>,
    pub(crate) json: Bytes,
}

#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct NodeFacts {
    pub(crate) name: String,
    pub(crate) unschedulable: bool,
    pub(crate) labels: BTreeMap<String, String>,
    /// Key, value, effect.
    pub(crate) taints: Vec<(String, String, String)>,
    pub(crate) allocatable: Amounts,
    /// Name and bytes.
    pub(crate) images: Vec<(String, i64)>,
    /// Type and status.
    pub(crate) conditions: Vec<(String, String)>,
    pub(crate) json: Bytes,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    labels: Option<BTreeMap<String, String>>,
    generation: u64,
    deletion_timestamp: Option<String>,
}

#[derive(Deserialize)]
struct Pod {
    #[serde(default)]
    metadata: Meta,
    #[serde(default)]
    spec: PodSpec,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct PodSpec {
    node_name: String,
    scheduler_name: String,
    priority: Option<i32>,
    containers: Vec<Container>,
    init_containers: Option<Vec<Container>>,
    overhead: Option<BTreeMap<String, String>>,
    resources: Option<Resources>,
    scheduling_gates: Option<Vec<serde::de::IgnoredAny>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PodStatus {
    phase: String,
    conditions: Option<Vec<Condition>>,
}

#[derive(Deserialize)]
struct Node {
    #[serde(default)]
    metadata: Meta,
    #[serde(default)]
    spec: NodeSpec,
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NodeSpec {
    unschedulable: bool,
    taints: Option<Vec<Taint>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Taint {
    key: String,
    value: String,
    effect: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NodeStatus {
    allocatable: Option<BTreeMap<String, String>>,
    capacity: Option<BTreeMap<String, String>>,
    images: Option<Vec<Image>>,
    conditions: Option<Vec<Condition>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Image {
    names: Option<Vec<String>>,
    size_bytes: i64,
}

impl PodFacts {
    pub(crate) fn read(observed: &Observed) -> Result<Self, serde_json::Error> {
        let Pod { metadata, spec, status } = serde_json::from_slice(&observed.json)?;
        let init_containers = spec.init_containers.unwrap_or_default();
        let asking = Asking {
            containers: &spec.containers,
            init_containers: &init_containers,
            pod_level: spec.resources.as_ref(),
            overhead: spec.overhead.as_ref(),
        };
        Ok(Self {
            uid: observed.uid.clone(),
            namespace: observed.namespace.clone(),
            name: observed.name.clone(),
            resource_version: observed.resource_version.clone(),
            generation: metadata.generation,
            labels: metadata.labels.unwrap_or_default(),
            terminating: metadata.deletion_timestamp.is_some(),
            finished: matches!(&*status.phase, "Succeeded" | "Failed"),
            requested: requested(&asking),
            ports: host_ports(&spec.containers, &init_containers),
            node: spec.node_name,
            scheduler: spec.scheduler_name,
            priority: spec.priority.unwrap_or_default(),
            gated: spec.scheduling_gates.is_some_and(|gates| !gates.is_empty()),
            condition: status.conditions.unwrap_or_default().into_iter().find(|c| c.kind == "PodScheduled"),
            json: observed.json.clone(),
        })
    }

    pub(crate) fn reference(&self) -> serde_json::Value {
        serde_json::json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": self.namespace,
            "name": self.name,
            "uid": self.uid,
            "resourceVersion": self.resource_version,
        })
    }

    /// Whether the scheduler has to find a node for it.
    pub(crate) fn is_waiting(&self) -> bool {
        self.node.is_empty() && !self.terminating && !self.finished
    }

    /// Whether anything changed that could make it schedulable.
    pub(crate) fn differs(&self, old: &Self) -> bool {
        self.generation != old.generation || self.labels != old.labels || self.gated != old.gated
    }
}

/// Those of containers and sidecars: other init containers are over when the pod runs.
fn host_ports(containers: &[Container], init_containers: &[Container]) -> Vec<HostPort> {
    let sidecars = init_containers.iter().filter(|container| container.restart_policy == "Always");
    let ports = containers.iter().chain(sidecars).flat_map(|container| container.ports.iter().flatten());
    let or = |text: &str, default: &str| if text.is_empty() { default.to_owned() } else { text.to_owned() };
    ports
        .filter(|port| port.host_port > 0)
        .map(|port| HostPort {
            ip: or(&port.host_ip, "0.0.0.0"),
            protocol: or(&port.protocol, "TCP"),
            port: port.host_port,
        })
        .collect()
}

impl NodeFacts {
    pub(crate) fn read(observed: &Observed) -> Result<Self, serde_json::Error> {
        let Node { metadata, spec, status } = serde_json::from_slice(&observed.json)?;
        let images = status.images.unwrap_or_default().into_iter();
        let images = images.flat_map(|image| {
            let size = image.size_bytes;
            image.names.unwrap_or_default().into_iter().map(move |name| (name, size))
        });
        let taints = spec.taints.unwrap_or_default().into_iter();
        Ok(Self {
            name: observed.name.clone(),
            unschedulable: spec.unschedulable,
            labels: metadata.labels.unwrap_or_default(),
            taints: taints.map(|taint| (taint.key, taint.value, taint.effect)).collect(),
            allocatable: amounts(status.allocatable.or(status.capacity).as_ref()),
            images: images.collect(),
            conditions: status.conditions.unwrap_or_default().into_iter().map(|c| (c.kind, c.status)).collect(),
            json: observed.json.clone(),
        })
    }

    /// What differs from an earlier state, as `GANTRY_ACTION_...`. 0: nothing that matters here (a heartbeat).
    pub(crate) fn changes_from(&self, old: &Self) -> u32 {
        let changes = [
            (self.labels != old.labels, gantry_abi::ACTION_LABELS),
            (self.taints != old.taints || self.unschedulable != old.unschedulable, gantry_abi::ACTION_TAINTS),
            (self.allocatable != old.allocatable, gantry_abi::ACTION_ALLOCATABLE),
            (self.conditions != old.conditions, gantry_abi::ACTION_CONDITIONS),
            (self.images != old.images, gantry_abi::ACTION_OTHER),
        ];
        changes.iter().filter(|(changed, _)| *changed).map(|(_, action)| action).sum()
    }
}
