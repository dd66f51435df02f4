//! Nodes: a pod range for each, taints that follow their conditions, and what happens when one falls silent.

mod model;
mod pod_cidr;
mod silence;
mod taints;

use std::time::Duration;

use gantry_plugin::{
    Controller, Cx, Event, EventType, Failure, HostRef, Key, ObjectReference, Ops, Outcome, Plugin, Query, Reader,
    Watch,
    resource::{LEASES, NODES, PODS},
};
use serde::Deserialize;
use serde_json::json;

pub use model::{Node, Taint};
use pod_cidr::PodCidrs;
use silence::Heartbeats;

const LEASE_NAMESPACE: &str = "kube-node-lease";
const TTL: &str = "node.alpha.kubernetes.io/ttl";

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// Pods of the whole cluster: `10.244.0.0/16`.
    pub cluster_cidr: String,
    /// Bits of each node's range.
    pub node_mask_bits: u8,
    /// How long a node may be silent before it counts as lost.
    pub grace_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { cluster_cidr: "10.244.0.0/16".into(), node_mask_bits: 24, grace_seconds: 50 }
    }
}

/// Named as upstream names it: its events and its account carry the name.
pub struct NodeController {
    ranges: PodCidrs,
    heartbeats: Heartbeats,
}

impl Plugin for NodeController {
    const ID: &'static str = "node-controller";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const CONFIG_SCHEMA: &'static str = r#"{"type":"object","additionalProperties":false,"properties":{"clusterCidr":{"type":"string"},"nodeMaskBits":{"type":"integer","minimum":8,"maximum":30},"graceSeconds":{"type":"integer","minimum":1}}}"#;
    type Config = Config;

    fn new(_: HostRef<'_>, config: Config) -> Result<Self, String> {
        Ok(Self {
            ranges: PodCidrs::new(&config.cluster_cidr, config.node_mask_bits)?,
            heartbeats: Heartbeats::new(Duration::from_secs(config.grace_seconds)),
        })
    }
}

impl Controller for NodeController {
    const WATCHES: &'static [Watch] =
        &[Watch::primary(NODES), Watch::cached(LEASES), Watch::cached(PODS).indexed(&["spec.nodeName"])];

    fn map(&self, _: &Cx<'_>, event: &Event<'_>, _: &Reader<'_>) -> Result<Vec<Key>, Failure> {
        Ok(event.latest().map(|o| Key::of("", o.name)).into_iter().collect())
    }

    fn reconcile(&self, cx: &Cx<'_>, key: &Key, read: &Reader<'_>, ops: &mut Ops) -> Result<Outcome, Failure> {
        let nodes = read.list::<Node>(&Query::all(&NODES))?;
        let Some(node) = nodes.iter().find(|n| n.metadata.name == key.name) else {
            self.ranges.forget(&key.name);
            self.heartbeats.forget(&key.name);
            return Ok(Outcome::Done);
        };
        if node.metadata.is_terminating() {
            return Ok(Outcome::Done);
        }
        register(node, ops);
        self.ranges.assign(node, &nodes, ops)?;
        let renewed = read.find(&LEASES, LEASE_NAMESPACE, &key.name)?.map(|l| l.resource_version.to_owned());
        let silence = self.heartbeats.look(node, renewed, cx.now());
        if silence.is_over() {
            silence::report_lost(node, cx.now(), ops);
        }
        taints::follow_conditions(node, silence.is_over(), &nodes, cx.now(), ops);
        if silence.is_over() || !node.is_ready() {
            silence::unready_pods(node, read, cx.now(), ops)?;
        }
        Ok(Outcome::RequeueAfter(silence.look_again()))
    }
}

/// Once for each node: the event that tells of it, and how long its daemon may trust cached secrets.
fn register(node: &Node, ops: &mut Ops) {
    if node.metadata.annotations.contains_key(TTL) {
        return;
    }
    let patch = json!({"metadata": {"annotations": {TTL: "0"}}});
    let done = ops.patch_merge(&NODES, "", &node.metadata.name, &patch).expect_uid(&node.metadata.uid).id();
    let about = ObjectReference::to(&NODES, &node.metadata);
    let message = format!("Node {0} event: Registered Node {0} in Controller", node.metadata.name);
    ops.event(&about, EventType::Normal, "RegisteredNode", &message).if_succeeded(done).done();
}
