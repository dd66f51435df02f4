//! Nodes that do not report: told apart from slow ones by when we last saw a change, never by comparing clocks.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use gantry_plugin::{
    Failure, Ops, Query, Reader,
    resource::{NODES, PODS},
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::{Node, model::NodeCondition};

/// Conditions that a node's daemon reports.
const REPORTED: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

#[derive(Debug)]
struct Seen {
    lease: Option<String>,
    heartbeat: Option<Timestamp>,
    at: Timestamp,
}

/// What was last seen of each node, and when by our own clock.
#[derive(Debug)]
pub struct Heartbeats {
    grace: Duration,
    seen: Mutex<BTreeMap<String, Seen>>,
}

/// How long a node has been silent.
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    grace: Duration,
    lasted: Duration,
}

impl Silence {
    pub fn is_over(self) -> bool {
        self.lasted >= self.grace
    }

    /// When the answer may be another.
    pub fn look_again(self) -> Duration {
        self.grace.checked_sub(self.lasted).filter(|left| !left.is_zero()).unwrap_or(self.grace)
    }
}

impl Heartbeats {
    pub fn new(grace: Duration) -> Self {
        Self { grace, seen: Mutex::default() }
    }

    /// `lease`: the resourceVersion of the node's lease.
    pub fn look(&self, node: &Node, lease: Option<String>, now: Timestamp) -> Silence {
        let heartbeat = node.condition("Ready").filter(|c| c.status != "Unknown").and_then(|c| c.last_heartbeat_time);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let last =
            seen.entry(node.metadata.name.clone()).or_insert_with(|| Seen { lease: lease.clone(), heartbeat, at: now });
        let reported = heartbeat.is_some() && heartbeat != last.heartbeat;
        if last.lease != lease || reported {
            *last = Seen { lease, heartbeat, at: now };
        }
        Silence { grace: self.grace, lasted: Duration::try_from(now.duration_since(last.at)).unwrap_or_default() }
    }

    pub fn forget(&self, node: &str) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(node);
    }
}

/// Sets every condition the daemon reports to Unknown.
pub fn report_lost(node: &Node, now: Timestamp, ops: &mut Ops) {
    let unknown = |kind: &&str| {
        let old = node.condition(kind);
        if old.is_some_and(|c| c.status == "Unknown") {
            return None;
        }
        let (reason, message) = match old {
            Some(_) => ("NodeStatusUnknown", "Kubelet stopped posting node status."),
            None => ("NodeStatusNeverUpdated", "Kubelet never posted node status."),
        };
        Some(NodeCondition {
            kind: (*kind).into(),
            status: "Unknown".into(),
            last_heartbeat_time: old.map_or(node.metadata.creation_timestamp, |c| c.last_heartbeat_time),
            last_transition_time: Some(now),
            reason: reason.into(),
            message: message.into(),
        })
    };
    let conditions: Vec<NodeCondition> = REPORTED.iter().filter_map(unknown).collect();
    if !conditions.is_empty() {
        let patch = json!({"status": {"conditions": conditions}});
        ops.patch_strategic(&NODES, "", &node.metadata.name, &patch)
            .subresource("status")
            .expect_uid(&node.metadata.uid)
            .expect_resource_version(&node.metadata.resource_version)
            .done();
    }
}

#[derive(Deserialize)]
struct Pod {
    metadata: gantry_plugin::Metadata,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PodStatus {
    conditions: Vec<PodCondition>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PodCondition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

/// Pods of a node that cannot vouch for them are not Ready: services leave them out.
pub fn unready_pods(node: &Node, read: &Reader<'_>, now: Timestamp, ops: &mut Ops) -> Result<(), Failure> {
    for pod in read.list::<Pod>(&Query::all(&PODS).indexed("spec.nodeName", &node.metadata.name))? {
        if !pod.status.conditions.iter().any(|c| c.kind == "Ready" && c.status == "True") {
            continue;
        }
        let condition = json!({"type": "Ready", "status": "False", "lastTransitionTime": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()});
        let patch = json!({"status": {"conditions": [condition]}});
        ops.patch_strategic(&PODS, &pod.metadata.namespace, &pod.metadata.name, &patch)
            .subresource("status")
            .expect_uid(&pod.metadata.uid)
            .ignore_not_found()
            .done();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_lost_when_nothing_of_it_changed_for_the_grace_time() {
        let heartbeats = Heartbeats::new(Duration::from_secs(50));
        let at = |second: i64| Timestamp::from_second(1_000_000 + second).unwrap();
        let (mut node, lease) = (Node::default(), |n: u32| Some(n.to_string()));
        node.metadata.name = "a".into();
        assert!(!heartbeats.look(&node, lease(1), at(0)).is_over());
        assert!(!heartbeats.look(&node, lease(2), at(40)).is_over());
        let silence = heartbeats.look(&node, lease(2), at(60));
        assert_eq!((silence.is_over(), silence.look_again()), (false, Duration::from_secs(30)));
        assert!(heartbeats.look(&node, lease(2), at(90)).is_over());
        assert!(!heartbeats.look(&node, lease(3), at(91)).is_over(), "it is back");
    }
}
