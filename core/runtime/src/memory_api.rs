//! An API in memory, for tests of what stands on [`ObjectSource`] and [`ObjectSink`]: it keeps objects, counts revisions,
//! checks preconditions, binds pods, and replays its history to watches.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use gantry_meta::{GroupVersionResource, LabelSelector, ObjectView, Reason, Status, Value};
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::watch;

use crate::{
    DeleteOptions, ListOptions, Listed, ObjectSink, ObjectSource, Observed, Patch, SinkError, SourceError, WatchEvent,
    WatchStream, WriteTarget,
};

type Place = (GroupVersionResource, String, String);

#[derive(Default)]
struct State {
    objects: BTreeMap<Place, Value>,
    history: Vec<(u64, GroupVersionResource, WatchEvent)>,
    writes: Vec<String>,
}

/// Clones share the objects.
#[derive(Clone)]
pub struct MemoryApi {
    state: Arc<Mutex<State>>,
    revision: Arc<watch::Sender<u64>>,
    watch_delay_ms: Arc<AtomicU64>,
}

impl Default for MemoryApi {
    fn default() -> Self {
        Self { state: Arc::default(), revision: Arc::new(watch::Sender::new(0)), watch_delay_ms: Arc::default() }
    }
}

fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn observed(object: &Value) -> Observed {
    Observed {
        namespace: text(object, "/metadata/namespace").into(),
        name: text(object, "/metadata/name").into(),
        uid: text(object, "/metadata/uid").into(),
        resource_version: text(object, "/metadata/resourceVersion").into(),
        json: Bytes::from(object.to_string()),
    }
}

fn refused(status: Status) -> SinkError {
    SinkError::Refused(Box::new(status))
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in patch {
        if value.is_null() {
            target.as_object_mut().map(|members| members.remove(name));
        } else {
            merge(&mut target[name], value);
        }
    }
}

impl MemoryApi {
    /// Watches learn of changes only after this time, as of a server far away.
    pub fn delay_watches(&self, delay: Duration) {
        self.watch_delay_ms.store(delay.as_millis() as u64, Ordering::Relaxed);
    }

    /// Puts an object there, new or not, as somebody else would. Needs `metadata.name`.
    pub fn put(&self, resource: &GroupVersionResource, mut object: Value) {
        let at =
            (resource.clone(), text(&object, "/metadata/namespace").into(), text(&object, "/metadata/name").into());
        let mut state = self.state.lock();
        if let Some(old) = state.objects.get(&at) {
            object["metadata"]["uid"] = old["metadata"]["uid"].clone();
        }
        self.store(&mut state, at, object);
    }

    pub fn object(&self, resource: &GroupVersionResource, namespace: &str, name: &str) -> Option<Value> {
        self.state.lock().objects.get(&(resource.clone(), namespace.into(), name.into())).cloned()
    }

    pub fn objects(&self, resource: &GroupVersionResource) -> Vec<Value> {
        self.state
            .lock()
            .objects
            .iter()
            .filter(|((r, ..), _)| r == resource)
            .map(|(_, object)| object.clone())
            .collect()
    }

    /// Every write so far, as `VERB RESOURCE[/SUBRESOURCE] NAMESPACE/NAME`.
    pub fn writes(&self) -> Vec<String> {
        self.state.lock().writes.clone()
    }

    /// Waits until `holds`; looked at after each change.
    pub async fn until(&self, mut holds: impl FnMut(&Self) -> bool) {
        let mut changes = self.revision.subscribe();
        loop {
            changes.borrow_and_update();
            if holds(self) {
                return;
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn store(&self, state: &mut State, at: Place, mut object: Value) -> Value {
        let revision = *self.revision.borrow() + 1;
        object["metadata"]["resourceVersion"] = revision.to_string().into();
        if text(&object, "/metadata/uid").is_empty() {
            object["metadata"]["uid"] = format!("uid-{revision}").into();
        }
        let event = if state.objects.contains_key(&at) { WatchEvent::Modified } else { WatchEvent::Added };
        state.history.push((revision, at.0.clone(), event(observed(&object))));
        state.objects.insert(at, object.clone());
        self.revision.send_replace(revision);
        object
    }

    fn remove(&self, state: &mut State, at: &Place) {
        if let Some(mut object) = state.objects.remove(at) {
            let revision = *self.revision.borrow() + 1;
            object["metadata"]["resourceVersion"] = revision.to_string().into();
            state.history.push((revision, at.0.clone(), WatchEvent::Deleted(observed(&object))));
            self.revision.send_replace(revision);
        }
    }

    fn change(&self, verb: &str, target: &WriteTarget, change: impl FnOnce(&mut Value)) -> Result<Observed, SinkError> {
        let (mut state, at) = (self.state.lock(), place(target));
        state.note(verb, target);
        let Some(current) = state.objects.get(&at).cloned() else { return Err(not_found(target)) };
        let mut next = current.clone();
        next["metadata"].as_object_mut().map(|metadata| metadata.remove("resourceVersion"));
        change(&mut next);
        for member in ["uid", "resourceVersion"] {
            let given = next["metadata"].get(member).cloned().unwrap_or(Value::Null);
            if !given.is_null() && given != current["metadata"][member] {
                let GroupVersionResource { group, resource, .. } = &target.resource;
                return Err(refused(Status::conflict(group, resource, &target.name, "the precondition does not hold")));
            }
        }
        if target.subresource == "status" {
            let status = next["status"].take();
            next = current.clone();
            next["status"] = status;
        }
        next["metadata"]["uid"] = current["metadata"]["uid"].clone();
        next["metadata"]["resourceVersion"] = current["metadata"]["resourceVersion"].clone();
        let object = if next == current { current } else { self.store(&mut state, at, next) };
        Ok(observed(&object))
    }

    fn bind(&self, target: &WriteTarget, binding: &Value) -> Result<Observed, SinkError> {
        let node = text(binding, "/target/name").to_owned();
        let bound =
            self.state.lock().objects.get(&place(target)).is_some_and(|pod| !text(pod, "/spec/nodeName").is_empty());
        if bound {
            return Err(refused(Status::conflict("", "pods", &target.name, "the pod is already assigned to a node")));
        }
        self.change("bind", target, |pod| {
            pod["spec"]["nodeName"] = node.into();
            pod["status"]["conditions"] = json!([{"type": "PodScheduled", "status": "True"}]);
        })
    }
}

impl State {
    fn note(&mut self, verb: &str, target: &WriteTarget) {
        let slash = if target.subresource.is_empty() { "" } else { "/" };
        let what = format!("{}{slash}{}", target.resource.resource, target.subresource);
        self.writes.push(format!("{verb} {what} {}/{}", target.namespace, target.name));
    }
}

fn place(target: &WriteTarget) -> Place {
    (target.resource.clone(), target.namespace.clone(), target.name.clone())
}

fn not_found(target: &WriteTarget) -> SinkError {
    refused(Status::not_found(&target.resource.group, &target.resource.resource, &target.name))
}

fn body_of(body: &Bytes) -> Result<Value, SinkError> {
    serde_json::from_slice(body).map_err(|e| refused(Status::bad_request(e.to_string())))
}

#[async_trait]
impl ObjectSink for MemoryApi {
    async fn create(&self, target: &WriteTarget, body: Bytes) -> Result<Observed, SinkError> {
        let mut object = body_of(&body)?;
        if target.subresource == "binding" {
            return self.bind(target, &object);
        }
        let mut state = self.state.lock();
        if text(&object, "/metadata/name").is_empty() {
            let generated = format!("{}{:05}", text(&object, "/metadata/generateName"), *self.revision.borrow() + 1);
            object["metadata"]["name"] = generated.into();
        }
        let target = WriteTarget { name: text(&object, "/metadata/name").into(), ..target.clone() };
        if !target.namespace.is_empty() {
            object["metadata"]["namespace"] = target.namespace.as_str().into();
        }
        state.note("create", &target);
        if state.objects.contains_key(&place(&target)) {
            let GroupVersionResource { group, resource, .. } = &target.resource;
            return Err(refused(Status::already_exists(group, resource, &target.name)));
        }
        Ok(observed(&self.store(&mut state, place(&target), object)))
    }

    async fn update(&self, target: &WriteTarget, body: Bytes) -> Result<Observed, SinkError> {
        let new = body_of(&body)?;
        self.change("update", target, |object| *object = new)
    }

    async fn patch(&self, target: &WriteTarget, patch: Patch) -> Result<Observed, SinkError> {
        let (Patch::Merge(body) | Patch::Strategic(body) | Patch::Apply { body, .. }) = patch else {
            return Err(refused(Status::failure(Reason::UnsupportedMediaType, "the API in memory merges only")));
        };
        let patch = body_of(&body)?;
        self.change("patch", target, |object| merge(object, &patch))
    }

    async fn delete(&self, target: &WriteTarget, options: &DeleteOptions) -> Result<(), SinkError> {
        let (mut state, at) = (self.state.lock(), place(target));
        state.note("delete", target);
        let Some(object) = state.objects.get(&at) else { return Err(not_found(target)) };
        if options.uid.as_ref().is_some_and(|uid| uid != text(object, "/metadata/uid")) {
            let GroupVersionResource { group, resource, .. } = &target.resource;
            return Err(refused(Status::conflict(group, resource, &target.name, "another uid")));
        }
        let kept = object.as_object().is_some_and(|object| object.finalizers().next().is_some());
        if kept {
            let mut object = object.clone();
            object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
            self.store(&mut state, at, object);
        } else {
            self.remove(&mut state, &at);
        }
        Ok(())
    }
}

fn is_selected(object: &Value, options: &ListOptions) -> bool {
    let labels = LabelSelector::parse(&options.label_selector).expect("tests give good selectors");
    let name = options.field_selector.strip_prefix("metadata.name=");
    (options.namespace.is_empty() || text(object, "/metadata/namespace") == options.namespace)
        && name.is_none_or(|name| text(object, "/metadata/name") == name)
        && labels.matches(object.pointer("/metadata/labels").and_then(Value::as_object))
}

#[async_trait]
impl ObjectSource for MemoryApi {
    async fn get(
        &self,
        resource: &GroupVersionResource,
        ns: &str,
        name: &str,
    ) -> Result<Option<Observed>, SourceError> {
        Ok(self.object(resource, ns, name).as_ref().map(observed))
    }

    async fn list(&self, resource: &GroupVersionResource, options: &ListOptions) -> Result<Listed, SourceError> {
        let state = self.state.lock();
        let of_resource =
            state.objects.iter().filter(|((r, ..), object)| r == resource && is_selected(object, options));
        let items = of_resource.map(|(_, object)| observed(object)).collect();
        Ok(Listed { resource_version: self.revision.borrow().to_string(), items })
    }

    async fn watch(
        &self,
        resource: &GroupVersionResource,
        _: &ListOptions,
        after: &str,
    ) -> Result<WatchStream, SourceError> {
        let (api, resource) = (self.clone(), resource.clone());
        let (after, changes) = (after.parse::<u64>().unwrap_or(0), self.revision.subscribe());
        let batches = stream::unfold((after, changes), move |(after, mut changes)| {
            let (api, resource) = (api.clone(), resource.clone());
            async move {
                changes.wait_for(|revision| *revision > after).await.ok()?;
                let delay = api.watch_delay_ms.load(Ordering::Relaxed);
                if delay > 0 {
                    tokio::time::sleep(Duration::from_millis(delay)).await;
                }
                let state = api.state.lock();
                let newer = state.history.iter().filter(|(revision, r, _)| *revision > after && *r == resource);
                let events: Vec<_> = newer.map(|(_, _, event)| Ok(event.clone())).collect();
                let seen = *api.revision.borrow();
                Some((stream::iter(events), (seen, changes)))
            }
        });
        Ok(batches.flatten().boxed())
    }
}
