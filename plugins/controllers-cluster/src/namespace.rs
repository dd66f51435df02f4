//! Deleting a namespace: first everything in it, then the namespace. Source: API reference, Namespace, "finalizers".

use std::{collections::BTreeSet, time::Duration};

use gantry_plugin::{
    Controller, Cx, Event, Failure, HostRef, Key, Metadata, NoConfig, Ops, Outcome, Plugin, Query, Reader, Resource,
    Watch, resource::NAMESPACES,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const FINALIZER: &str = "kubernetes";
/// What goes tells by its event, events themselves aside: nobody follows those.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How long a namespace that was asked to go keeps its content: what deletes a list that begins with the namespace, as
/// `kubectl delete -f` does, still finds the rest of it, and every server has seen that nothing may be created in it.
const SETTLING: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Namespace {
    metadata: Metadata,
    spec: Spec,
    status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    finalizers: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    last_transition_time: Option<Timestamp>,
    reason: String,
    message: String,
}

/// Named as upstream names it: its account carries the name.
pub struct NamespaceController;

impl Plugin for NamespaceController {
    const ID: &'static str = "namespace-controller";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = NoConfig;

    fn new(_: HostRef<'_>, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
}

impl Controller for NamespaceController {
    const WATCHES: &'static [Watch] = &[Watch::primary(NAMESPACES), Watch::every_deletable_resource()];

    /// Something that is gone, or lost a finalizer, may have been the last that held its namespace.
    fn map(&self, _: &Cx<'_>, event: &Event<'_>, read: &Reader<'_>) -> Result<Vec<Key>, Failure> {
        let Some(object) = event.latest().filter(|o| !o.namespace.is_empty() && event.old.is_some()) else {
            return Ok(Vec::new());
        };
        let namespace = read.find(&NAMESPACES, "", object.namespace)?;
        let ending = namespace.map(|n| n.metadata()).transpose()?.is_some_and(|m| m.is_terminating());
        Ok(if ending { vec![Key::of("", object.namespace)] } else { Vec::new() })
    }

    fn reconcile(&self, cx: &Cx<'_>, key: &Key, read: &Reader<'_>, ops: &mut Ops) -> Result<Outcome, Failure> {
        let Some(namespace) = read.get::<Namespace>(&NAMESPACES, "", &key.name)? else { return Ok(Outcome::Done) };
        if !namespace.metadata.is_terminating() || !namespace.spec.finalizers.iter().any(|f| f == FINALIZER) {
            return Ok(Outcome::Done);
        }
        if let Some(left) = settling(&namespace.metadata, cx.now()) {
            return Ok(Outcome::RequeueAfter(left));
        }
        let remaining = remaining(read, &key.name)?;
        if remaining.is_empty() {
            finalize(&namespace, ops);
            return Ok(Outcome::Done);
        }
        for left in next_to_go(&remaining).filter(|left| left.deletable > 0) {
            ops.delete_collection(&left.resource, &key.name).ignore_not_found().done();
        }
        report(&namespace, &remaining, cx.now(), ops);
        Ok(Outcome::RequeueAfter(LOOK_AGAIN))
    }
}

/// What is left of the time that a namespace keeps its content.
fn settling(namespace: &Metadata, now: Timestamp) -> Option<Duration> {
    let until = namespace.deletion_timestamp?.checked_add(SETTLING).ok()?;
    Duration::try_from(until.duration_since(now)).ok().filter(|left| !left.is_zero())
}

/// What is left of one resource.
struct Left<'a> {
    resource: Resource<'a>,
    count: usize,
    /// Those that nobody has asked to go yet.
    deletable: usize,
    finalizers: Vec<String>,
}

/// Pods go before everything else: what protects them or runs beside them (policies, accounts, configuration) must be
/// there as long as they are.
fn next_to_go<'l, 'a>(remaining: &'l [Left<'a>]) -> impl Iterator<Item = &'l Left<'a>> {
    let is_pods = |left: &Left<'_>| left.resource.group.is_empty() && left.resource.resource == "pods";
    let pods_remain = remaining.iter().any(is_pods);
    remaining.iter().filter(move |left| !pods_remain || is_pods(left))
}

/// Asks the cache, and where that has nothing left, the API itself: only it knows what was created a moment ago.
fn remaining<'a>(read: &Reader<'a>, namespace: &str) -> Result<Vec<Left<'a>>, Failure> {
    let known = read.objects(&Query::everything().namespace(namespace).metadata_only())?;
    let mut left: Vec<Left<'a>> = Vec::new();
    for object in known {
        count(&mut left, object.resource, &object.metadata()?);
    }
    if !left.is_empty() {
        return Ok(left);
    }
    for served in read.resources()?.into_iter().filter(|r| r.namespaced && r.deletable) {
        let query = Query::within(&served.resource, namespace).metadata_only().live();
        for object in read.objects(&query)? {
            count(&mut left, served.resource, &object.metadata()?);
        }
    }
    Ok(left)
}

fn count<'a>(left: &mut Vec<Left<'a>>, resource: Resource<'a>, metadata: &Metadata) {
    let at = left.iter().position(|l| l.resource == resource).unwrap_or_else(|| {
        left.push(Left { resource, count: 0, deletable: 0, finalizers: Vec::new() });
        left.len() - 1
    });
    left[at].count += 1;
    left[at].deletable += usize::from(!metadata.is_terminating());
    left[at].finalizers.extend(metadata.finalizers.iter().cloned());
}

fn finalize(namespace: &Namespace, ops: &mut Ops) {
    let meta = &namespace.metadata;
    let others: Vec<&String> = namespace.spec.finalizers.iter().filter(|f| *f != FINALIZER).collect();
    let body = json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": meta.name, "uid": meta.uid, "resourceVersion": meta.resource_version},
        "spec": {"finalizers": others}});
    ops.update(&NAMESPACES, "", &meta.name, &body).subresource("finalize").ignore_not_found().done();
}

/// Those that no namespace here can have: every resource is known, and what is deleted is deleted.
const UNTROUBLED: [Wanted<'static>; 3] = [
    ("NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered", "All resources successfully discovered"),
    (
        "NamespaceDeletionGroupVersionParsingFailure",
        false,
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    (
        "NamespaceDeletionContentFailure",
        false,
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
];

/// The five conditions that tell a user what holds the namespace; they appear together.
fn report(namespace: &Namespace, remaining: &[Left<'_>], now: Timestamp, ops: &mut Ops) {
    let (content, finalizers) = (remaining_content(remaining), remaining_finalizers(remaining));
    let content = ("NamespaceContentRemaining", true, "SomeResourcesRemain", content.as_str());
    let finalizers = match &finalizers {
        Some(held) => ("NamespaceFinalizersRemaining", true, "SomeFinalizersRemain", held.as_str()),
        None => (
            "NamespaceFinalizersRemaining",
            false,
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
        ),
    };
    let wanted = UNTROUBLED.into_iter().chain([content, finalizers]);
    let conditions: Vec<Condition> = wanted.map(|w| condition(&namespace.status.conditions, w, now)).collect();
    if conditions != namespace.status.conditions {
        let patch: Value = json!({"status": {"conditions": conditions}});
        ops.patch_status(&NAMESPACES, "", &namespace.metadata.name, &patch)
            .expect_uid(&namespace.metadata.uid)
            .ignore_not_found()
            .done();
    }
}

fn remaining_content(remaining: &[Left<'_>]) -> String {
    let count = |left: &Left<'_>| {
        format!("{}.{} has {} resource instances", left.resource.resource, left.resource.group, left.count)
    };
    let counts: Vec<String> = remaining.iter().map(count).collect();
    format!("Some resources are remaining: {}", counts.join(", "))
}

/// `None` if nothing is held by one.
fn remaining_finalizers(remaining: &[Left<'_>]) -> Option<String> {
    let held: BTreeSet<&str> = remaining.iter().flat_map(|left| &left.finalizers).map(String::as_str).collect();
    let held: Vec<&str> = held.into_iter().collect();
    (!held.is_empty()).then(|| format!("Some content in the namespace has finalizers remaining: {}", held.join(", ")))
}

/// Type, whether it holds, reason and message of a condition.
type Wanted<'a> = (&'a str, bool, &'a str, &'a str);

fn condition(old: &[Condition], (kind, holds, reason, message): Wanted<'_>, now: Timestamp) -> Condition {
    let status = if holds { "True" } else { "False" };
    let same = old.iter().find(|c| c.kind == kind && c.status == status);
    Condition {
        kind: kind.into(),
        status: status.into(),
        last_transition_time: same.map_or(Some(now), |c| c.last_transition_time),
        reason: reason.into(),
        message: message.into(),
    }
}
