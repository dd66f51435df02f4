//! Pods that no node daemon will end: bound to a node that is gone, or deleted before they were bound.

use std::time::Duration;

use gantry_plugin::{
    Controller, Cx, Event, Failure, HostRef, Key, Metadata, NoConfig, Ops, Outcome, Plugin, Query, Reader, Watch,
    resource::{NODES, PODS},
};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;

/// A node that is not there may only be late: its pods wait this long.
const QUARANTINE: SignedDuration = SignedDuration::from_secs(40);

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Pod {
    metadata: Metadata,
    spec: PodSpec,
    status: PodStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodSpec {
    node_name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct PodStatus {
    phase: String,
}

/// Named as upstream names it: its account carries the name.
pub struct PodGarbageCollector {
    /// Since when a node has been missing, by our own clock.
    missing: std::sync::Mutex<std::collections::BTreeMap<String, Timestamp>>,
}

impl Plugin for PodGarbageCollector {
    const ID: &'static str = "pod-garbage-collector";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = NoConfig;

    fn new(_: HostRef<'_>, _: NoConfig) -> Result<Self, String> {
        Ok(Self { missing: Default::default() })
    }
}

impl Controller for PodGarbageCollector {
    const WATCHES: &'static [Watch] =
        &[Watch::primary(PODS).indexed(&["spec.nodeName"]), Watch::mapped(NODES).metadata_only()];

    fn map(&self, _: &Cx<'_>, event: &Event<'_>, read: &Reader<'_>) -> Result<Vec<Key>, Failure> {
        let Some(gone) = event.old.filter(|_| event.new.is_none()) else { return Ok(Vec::new()) };
        let pods = read.objects(&Query::all(&PODS).indexed("spec.nodeName", gone.name))?;
        Ok(pods.iter().map(|p| Key::of(p.namespace, p.name)).collect())
    }

    fn reconcile(&self, cx: &Cx<'_>, key: &Key, read: &Reader<'_>, ops: &mut Ops) -> Result<Outcome, Failure> {
        let Some(pod) = read.get::<Pod>(&PODS, &key.namespace, &key.name)? else { return Ok(Outcome::Done) };
        if pod.spec.node_name.is_empty() {
            if pod.metadata.is_terminating() {
                delete(&pod, ops);
            }
            return Ok(Outcome::Done);
        }
        if read.find(&NODES, "", &pod.spec.node_name)?.is_some() {
            self.forget(&pod.spec.node_name);
            return Ok(Outcome::Done);
        }
        let since = self.missing_since(&pod.spec.node_name, cx.now());
        let left = QUARANTINE - cx.now().duration_since(since);
        if left.is_positive() {
            return Ok(Outcome::RequeueAfter(Duration::try_from(left).unwrap_or_default()));
        }
        if read.find_live(&NODES, "", &pod.spec.node_name)?.is_none() && !is_collected(&pod) {
            fail(&pod, cx.now(), ops);
            ops.then();
            delete(&pod, ops);
        }
        Ok(Outcome::Done)
    }
}

impl PodGarbageCollector {
    fn missing_since(&self, node: &str, now: Timestamp) -> Timestamp {
        let mut missing = self.missing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *missing.entry(node.to_owned()).or_insert(now)
    }

    fn forget(&self, node: &str) {
        self.missing.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(node);
    }
}

/// Failed and deleted without grace: what remains is held by a finalizer.
fn is_collected(pod: &Pod) -> bool {
    pod.metadata.is_terminating()
        && pod.metadata.deletion_grace_period_seconds == Some(0)
        && pod.status.phase == "Failed"
}

fn fail(pod: &Pod, now: Timestamp, ops: &mut Ops) {
    let meta = &pod.metadata;
    let condition = json!({"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC",
        "message": "PodGC: node no longer exists", "observedGeneration": meta.generation,
        "lastTransitionTime": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()});
    let finished = matches!(pod.status.phase.as_str(), "Succeeded" | "Failed");
    let phase = if finished { pod.status.phase.as_str() } else { "Failed" };
    let patch = json!({"status": {"phase": phase, "conditions": [condition]}});
    ops.patch_strategic(&PODS, &meta.namespace, &meta.name, &patch)
        .subresource("status")
        .expect_uid(&meta.uid)
        .ignore_not_found()
        .done();
}

fn delete(pod: &Pod, ops: &mut Ops) {
    let meta = &pod.metadata;
    ops.delete(&PODS, &meta.namespace, &meta.name).expect_uid(&meta.uid).grace_seconds(0).done();
}
