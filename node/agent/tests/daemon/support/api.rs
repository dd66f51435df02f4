//! A small API in memory: objects by resource and name, watches, status patches. It keeps no rules; the tests' pods are
//! complete as written.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use gantry_meta::{GroupVersionResource, Reason, Status};
use gantry_runtime::{
    DeleteOptions, ListOptions, Listed, ObjectSink, ObjectSource, Observed, Patch, SinkError, SourceError, WatchEvent,
    WatchStream, WriteTarget,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};

type Key = (String, String, String);

#[derive(Default)]
struct State {
    objects: BTreeMap<Key, Value>,
    revision: u64,
    log: Vec<(u64, Key, WatchEvent)>,
}

/// The API. Cheap to clone.
#[derive(Clone)]
pub struct FakeApi {
    state: Arc<Mutex<State>>,
    changed: watch::Sender<u64>,
    events: broadcast::Sender<(u64, Key, WatchEvent)>,
}

fn observed(key: &Key, value: &Value) -> Observed {
    let meta = |name: &str| value["metadata"][name].as_str().unwrap_or_default().to_owned();
    Observed {
        namespace: key.1.clone(),
        name: key.2.clone(),
        uid: meta("uid"),
        resource_version: meta("resourceVersion"),
        json: Bytes::from(value.to_string()),
    }
}

fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in patch {
        match value {
            Value::Null => drop(target.as_object_mut().expect("an object").remove(name)),
            // Enough of a strategic merge: lists carry all that the node owns.
            Value::Array(items) => {
                let kept: Vec<Value> = items.iter().filter(|item| item.get("$patch").is_none()).cloned().collect();
                target[name] = json!(kept);
            }
            value => merge(&mut target[name], value),
        }
    }
}

impl FakeApi {
    pub fn new() -> Self {
        Self { state: Arc::default(), changed: watch::Sender::new(0), events: broadcast::Sender::new(4096) }
    }

    fn put(&self, key: Key, mut value: Value) -> Observed {
        let mut state = self.state.lock();
        state.revision += 1;
        let revision = state.revision;
        value["metadata"]["resourceVersion"] = json!(revision.to_string());
        if value["metadata"]["uid"].as_str().is_none() {
            value["metadata"]["uid"] = json!(format!("uid-{revision}"));
        }
        let object = observed(&key, &value);
        let known = state.objects.insert(key.clone(), value).is_some();
        let event = if known { WatchEvent::Modified(object.clone()) } else { WatchEvent::Added(object.clone()) };
        self.announce(&mut state, key, event);
        object
    }

    fn announce(&self, state: &mut State, key: Key, event: WatchEvent) {
        let entry = (state.revision, key, event);
        state.log.push(entry.clone());
        let _ = self.events.send(entry);
        self.changed.send_replace(state.revision);
    }

    fn remove(&self, key: &Key) {
        let mut state = self.state.lock();
        state.revision += 1;
        if let Some(value) = state.objects.remove(key) {
            let event = WatchEvent::Deleted(observed(key, &value));
            self.announce(&mut state, key.clone(), event);
        }
    }

    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        self.state.lock().objects.get(&(resource.into(), namespace.into(), name.into())).cloned()
    }

    /// Creates or replaces.
    pub fn set(&self, resource: &str, namespace: &str, name: &str, mut value: Value) {
        value["metadata"]["name"] = json!(name);
        value["metadata"]["namespace"] = json!(namespace);
        self.put((resource.into(), namespace.into(), name.into()), value);
    }

    /// Asks for a pod's end, as a DELETE does.
    pub fn delete_pod(&self, name: &str, grace_seconds: i64) {
        let mut pod = self.get("pods", "default", name).expect("the pod exists");
        pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        pod["metadata"]["deletionGracePeriodSeconds"] = json!(grace_seconds);
        self.put(("pods".into(), "default".into(), name.into()), pod);
    }

    /// Waits until `check` finds what it looks for; fails loudly with the object's last state.
    pub async fn until<T>(
        &self,
        resource: &str,
        name: &str,
        what: &str,
        check: impl Fn(Option<&Value>) -> Option<T>,
    ) -> T {
        let namespace = if resource == "nodes" { "" } else { "default" };
        let mut changed = self.changed.subscribe();
        let wait = async {
            loop {
                if let Some(found) = check(self.get(resource, namespace, name).as_ref()) {
                    return found;
                }
                changed.changed().await.expect("the API lives");
            }
        };
        match tokio::time::timeout(Duration::from_secs(60), wait).await {
            Ok(found) => found,
            Err(_) => panic!(
                "{name}: {what} did not come; {:#}\nevents: {:#?}",
                json!(self.get(resource, namespace, name)),
                self.reasons()
            ),
        }
    }

    /// Reasons and messages of all events.
    pub fn reasons(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let state = self.state.lock();
        let events = state.objects.iter().filter(|(key, _)| key.0 == "events");
        events.map(|(_, event)| (text(&event["reason"]), text(&event["message"]))).collect()
    }

    /// Waits for an event with this reason.
    pub async fn until_event(&self, reason: &str) {
        let mut changed = self.changed.subscribe();
        let wait = async {
            while !self.reasons().iter().any(|(r, _)| r == reason) {
                changed.changed().await.expect("the API lives");
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait)
            .await
            .unwrap_or_else(|_| panic!("no event {reason}: {:?}", self.reasons()));
    }
}

fn selected(key: &Key, value: &Value, resource: &str, options: &ListOptions) -> bool {
    let field = |path: &str| path.split('.').fold(value, |v, part| &v[part]).as_str().unwrap_or_default().to_owned();
    let fits = options
        .field_selector
        .split(',')
        .filter_map(|term| term.split_once('='))
        .all(|(path, wanted)| field(path) == wanted);
    key.0 == resource && (options.namespace.is_empty() || options.namespace == key.1) && fits
}

#[async_trait]
impl ObjectSource for FakeApi {
    async fn get(
        &self,
        resource: &GroupVersionResource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Observed>, SourceError> {
        let key = (resource.resource.to_string(), namespace.to_owned(), name.to_owned());
        Ok(self.state.lock().objects.get(&key).map(|value| observed(&key, value)))
    }

    async fn list(&self, resource: &GroupVersionResource, options: &ListOptions) -> Result<Listed, SourceError> {
        let state = self.state.lock();
        let items = state.objects.iter().filter(|(key, value)| selected(key, value, &resource.resource, options));
        let items = items.map(|(key, value)| observed(key, value)).collect();
        Ok(Listed { resource_version: state.revision.to_string(), items })
    }

    async fn watch(
        &self,
        resource: &GroupVersionResource,
        options: &ListOptions,
        after: &str,
    ) -> Result<WatchStream, SourceError> {
        let after: u64 = after.parse().expect("a revision of ours");
        let state = self.state.lock();
        let past: Vec<_> = state.log.iter().filter(|(revision, ..)| *revision > after).cloned().collect();
        let future = self.events.subscribe();
        drop(state);
        let (resource, options) = (resource.resource.to_string(), options.clone());
        let future = stream::unfold(future, |mut events| async move { events.recv().await.ok().map(|e| (e, events)) });
        let all = stream::iter(past).chain(future).filter_map(move |(_, key, event)| {
            let object = match &event {
                WatchEvent::Added(o) | WatchEvent::Modified(o) | WatchEvent::Deleted(o) => o.json.clone(),
                WatchEvent::Bookmark(_) => Bytes::new(),
            };
            let value: Value = serde_json::from_slice(&object).unwrap_or_default();
            let keep = selected(&key, &value, &resource, &options);
            async move { keep.then_some(Ok(event)) }
        });
        Ok(all.boxed())
    }
}

fn refused(reason: Reason) -> SinkError {
    SinkError::Refused(Box::new(Status::failure(reason, "refused")))
}

fn key_of(target: &WriteTarget) -> Key {
    (target.resource.resource.to_string(), target.namespace.clone(), target.name.clone())
}

#[async_trait]
impl ObjectSink for FakeApi {
    async fn create(&self, target: &WriteTarget, body: Bytes) -> Result<Observed, SinkError> {
        let key = key_of(target);
        if target.subresource == "token" {
            let token = json!({"metadata": {}, "status": {"token": "the-token", "expirationTimestamp": "2099-01-01T00:00:00Z"}});
            return Ok(observed(&key, &token));
        }
        if self.state.lock().objects.contains_key(&key) {
            return Err(refused(Reason::AlreadyExists));
        }
        let mut value: Value = serde_json::from_slice(&body).expect("JSON");
        if key.0 == "nodes" {
            value["spec"]["podCIDRs"] = json!(["10.252.7.0/24"]);
        }
        Ok(self.put(key, value))
    }

    async fn update(&self, target: &WriteTarget, body: Bytes) -> Result<Observed, SinkError> {
        Ok(self.put(key_of(target), serde_json::from_slice(&body).expect("JSON")))
    }

    async fn patch(&self, target: &WriteTarget, patch: Patch) -> Result<Observed, SinkError> {
        let (Patch::Merge(body) | Patch::Strategic(body)) = patch else { panic!("the node sends no other patch") };
        let key = key_of(target);
        let mut value = self.state.lock().objects.get(&key).cloned().ok_or_else(|| refused(Reason::NotFound))?;
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        let uid = &body["metadata"]["uid"];
        if !uid.is_null() && *uid != value["metadata"]["uid"] {
            return Err(refused(Reason::Conflict));
        }
        merge(&mut value, &body);
        Ok(self.put(key, value))
    }

    async fn delete(&self, target: &WriteTarget, options: &DeleteOptions) -> Result<(), SinkError> {
        let key = key_of(target);
        let value = self.state.lock().objects.get(&key).cloned().ok_or_else(|| refused(Reason::NotFound))?;
        if options.uid.as_deref().is_some_and(|uid| value["metadata"]["uid"] != uid) {
            return Err(refused(Reason::Conflict));
        }
        self.remove(&key);
        Ok(())
    }
}
