//! Pods leave nodes whose NoExecute taints they do not tolerate, after as long as they tolerate them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use gantry_plugin::{
    Controller, Cx, Event, EventType, Failure, HostRef, Key, Metadata, NoConfig, ObjectReference, Ops, Outcome, Plugin,
    Query, Reader, Watch,
    resource::{NODES, PODS},
};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;

use crate::node::{Node, Taint};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Pod {
    metadata: Metadata,
    spec: PodSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodSpec {
    node_name: String,
    tolerations: Vec<Toleration>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Toleration {
    key: String,
    operator: String,
    value: String,
    effect: String,
    toleration_seconds: Option<i64>,
}

impl Toleration {
    fn covers(&self, taint: &Taint) -> bool {
        (self.effect.is_empty() || self.effect == taint.effect)
            && (self.key.is_empty() || self.key == taint.key)
            && match self.operator.as_str() {
                "Exists" => true,
                "" | "Equal" => self.key == taint.key && self.value == taint.value,
                _ => false,
            }
    }
}

/// Named as upstream names it: its events and its account carry the name.
///
/// Taints that people set say nothing of when that was: pods are given their time from when it was noticed first.
#[derive(Default)]
pub struct TaintEvictionController {
    /// Uid of the pod, and since when it is known that it has to leave.
    noticed: Mutex<BTreeMap<Key, (String, Timestamp)>>,
}

impl TaintEvictionController {
    fn noticed_at(&self, key: &Key, uid: &str, now: Timestamp) -> Timestamp {
        let mut noticed = self.noticed.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = noticed.entry(key.clone()).or_insert_with(|| (uid.to_owned(), now));
        if entry.0 != uid {
            *entry = (uid.to_owned(), now);
        }
        entry.1
    }

    fn forget(&self, key: &Key) {
        self.noticed.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

impl Plugin for TaintEvictionController {
    const ID: &'static str = "taint-eviction-controller";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = NoConfig;

    fn new(_: HostRef<'_>, _: NoConfig) -> Result<Self, String> {
        Ok(Self::default())
    }
}

impl Controller for TaintEvictionController {
    const WATCHES: &'static [Watch] = &[Watch::mapped(NODES), Watch::mapped(PODS).indexed(&["spec.nodeName"])];

    /// Pods that were just bound, and all pods of a node whose taints changed.
    fn map(&self, _: &Cx<'_>, event: &Event<'_>, read: &Reader<'_>) -> Result<Vec<Key>, Failure> {
        let Some(new) = event.new else { return Ok(Vec::new()) };
        if new.resource.kind == "Pod" {
            let bound = |o: gantry_plugin::Obj<'_>| Ok::<_, Failure>(o.decode::<Pod>()?.spec.node_name);
            let before = event.old.map(bound).transpose()?.unwrap_or_default();
            let changed = before != bound(new)? || event.old.is_none();
            return Ok(if changed { vec![Key::of(new.namespace, new.name)] } else { Vec::new() });
        }
        let taints = |o: gantry_plugin::Obj<'_>| Ok::<_, Failure>(no_execute(&o.decode::<Node>()?));
        let now = taints(new)?;
        if event.old.map(taints).transpose()?.unwrap_or_default() == now {
            return Ok(Vec::new());
        }
        let pods = read.objects(&Query::all(&PODS).indexed("spec.nodeName", new.name))?;
        Ok(pods.iter().map(|p| Key::of(p.namespace, p.name)).collect())
    }

    fn reconcile(&self, cx: &Cx<'_>, key: &Key, read: &Reader<'_>, ops: &mut Ops) -> Result<Outcome, Failure> {
        let pod = read.get::<Pod>(&PODS, &key.namespace, &key.name)?;
        let pod = pod.filter(|pod| !pod.spec.node_name.is_empty() && !pod.metadata.is_terminating());
        let node = pod.as_ref().map(|pod| read.get::<Node>(&NODES, "", &pod.spec.node_name)).transpose()?.flatten();
        let (Some(pod), Some(node)) = (pod, node) else {
            self.forget(key);
            return Ok(Outcome::Done);
        };
        let since = self.noticed_at(key, &pod.metadata.uid, cx.now());
        match must_leave_at(&pod, &no_execute(&node), since) {
            None => self.forget(key),
            Some(at) if at <= cx.now() => evict(&pod, cx.now(), ops),
            Some(at) => {
                return Ok(Outcome::RequeueAfter(Duration::try_from(at.duration_since(cx.now())).unwrap_or_default()));
            }
        }
        Ok(Outcome::Done)
    }
}

fn no_execute(node: &Node) -> Vec<Taint> {
    node.spec.taints.iter().filter(|t| t.effect == "NoExecute").cloned().collect()
}

/// `None`: every taint is tolerated for ever. `noticed`: when taints count from that do not say when they were added.
fn must_leave_at(pod: &Pod, taints: &[Taint], noticed: Timestamp) -> Option<Timestamp> {
    taints.iter().filter_map(|taint| leaves_for(pod, taint, noticed)).min()
}

fn leaves_for(pod: &Pod, taint: &Taint, noticed: Timestamp) -> Option<Timestamp> {
    let mut covering = pod.spec.tolerations.iter().filter(|t| t.covers(taint)).peekable();
    if covering.peek().is_none() {
        return Some(noticed);
    }
    // The shortest toleration counts; one without seconds sets no limit of its own.
    let seconds = covering.filter_map(|t| t.toleration_seconds).min()?;
    let since = taint.time_added.unwrap_or(noticed);
    Some(since.checked_add(SignedDuration::from_secs(seconds.max(0))).unwrap_or(Timestamp::MAX))
}

fn evict(pod: &Pod, now: Timestamp, ops: &mut Ops) {
    let meta = &pod.metadata;
    let condition = json!({"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager",
        "message": "Taint manager: deleting due to NoExecute taint", "observedGeneration": meta.generation,
        "lastTransitionTime": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()});
    ops.patch_strategic(&PODS, &meta.namespace, &meta.name, &json!({"status": {"conditions": [condition]}}))
        .subresource("status")
        .expect_uid(&meta.uid)
        .ignore_not_found()
        .done();
    ops.then();
    let message = format!("Marking for deletion Pod {}/{}", meta.namespace, meta.name);
    ops.event(&ObjectReference::to(&PODS, meta), EventType::Normal, "TaintManagerEviction", &message).done();
    ops.delete(&PODS, &meta.namespace, &meta.name).expect_uid(&meta.uid).done();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(tolerations: &str) -> Pod {
        serde_json::from_str(&format!(r#"{{"spec":{{"tolerations":{tolerations}}}}}"#)).unwrap()
    }

    #[test]
    fn a_pod_leaves_when_its_shortest_toleration_ends() {
        let now = Timestamp::from_second(1000).unwrap();
        let taint =
            Taint { key: "down".into(), effect: "NoExecute".into(), time_added: Some(now), ..Default::default() };
        let leaves = |tolerations: &str| must_leave_at(&pod(tolerations), std::slice::from_ref(&taint), now);
        assert_eq!(leaves("[]"), Some(now));
        assert_eq!(leaves(r#"[{"operator":"Exists"}]"#), None);
        assert_eq!(
            leaves(
                r#"[{"key":"down","operator":"Exists","tolerationSeconds":30},{"key":"down","operator":"Exists","tolerationSeconds":5}]"#
            ),
            Some(Timestamp::from_second(1005).unwrap())
        );
        assert_eq!(leaves(r#"[{"key":"down","operator":"Exists","effect":"NoSchedule"}]"#), Some(now));
    }
}
