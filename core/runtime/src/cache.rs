//! What a reflector has seen, decoded once, indexed, and announced to subscribers.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use parking_lot::RwLock;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};
use tracing::warn;

use crate::{Observed, ReflectorTarget};

/// Namespace (empty for cluster-scoped objects) and name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ObjectKey {
    pub namespace: Arc<str>,
    pub name: Arc<str>,
}

impl ObjectKey {
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl std::fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.namespace, self.name) }
    }
}

/// What a cache keeps of an object: anything that serde reads (k8s-openapi structs, `serde_json::Value`, a struct of the few
/// fields that matter), or the [`Observed`] bytes themselves.
pub trait CacheContent: Sized + Send + Sync + 'static {
    fn decode(observed: &Observed) -> Result<Self, serde_json::Error>;
}

impl<T: DeserializeOwned + Send + Sync + 'static> CacheContent for T {
    fn decode(observed: &Observed) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(&observed.json)
    }
}

impl CacheContent for Observed {
    fn decode(observed: &Observed) -> Result<Self, serde_json::Error> {
        Ok(observed.clone())
    }
}

/// One version of an object in a cache. The content is read through `Deref`.
#[derive(Debug)]
pub struct Cached<T> {
    pub key: ObjectKey,
    pub uid: String,
    pub resource_version: String,
    pub content: T,
}

impl<T> std::ops::Deref for Cached<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.content
    }
}

/// A change of a cache, in the order in which it happened.
#[derive(Debug)]
pub enum CacheEvent<T> {
    /// `old` is `None` where the object is new to the cache.
    Applied { old: Option<Arc<Cached<T>>>, new: Arc<Cached<T>> },
    /// The last state that the cache had.
    Deleted(Arc<Cached<T>>),
}

impl<T> Clone for CacheEvent<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Applied { old, new } => Self::Applied { old: old.clone(), new: new.clone() },
            Self::Deleted(old) => Self::Deleted(old.clone()),
        }
    }
}

impl<T> CacheEvent<T> {
    /// The newest state that the event carries.
    pub fn object(&self) -> &Arc<Cached<T>> {
        match self {
            Self::Applied { new, .. } => new,
            Self::Deleted(old) => old,
        }
    }
}

type KeysOf<T> = Box<dyn Fn(&Cached<T>) -> Vec<String> + Send + Sync>;

struct Index<T> {
    keys_of: KeysOf<T>,
    entries: HashMap<String, HashSet<ObjectKey>>,
}

struct State<T> {
    objects: HashMap<ObjectKey, Arc<Cached<T>>>,
    indexes: HashMap<&'static str, Index<T>>,
    subscribers: Vec<mpsc::UnboundedSender<CacheEvent<T>>>,
}

/// The objects of one reflector. Reads take a read lock and hand out shared objects; hold no guard.
pub struct Cache<T> {
    state: RwLock<State<T>>,
    synced: watch::Sender<bool>,
}

impl<T: CacheContent> Default for Cache<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: CacheContent> Cache<T> {
    pub fn new() -> Self {
        let state = State { objects: HashMap::new(), indexes: HashMap::new(), subscribers: Vec::new() };
        Self { state: RwLock::new(state), synced: watch::Sender::new(false) }
    }

    /// Adds an index before anything is cached: `keys_of` says under which keys an object is found.
    #[must_use]
    pub fn with_index(
        self,
        name: &'static str,
        keys_of: impl Fn(&Cached<T>) -> Vec<String> + Send + Sync + 'static,
    ) -> Self {
        let index = Index { keys_of: Box::new(keys_of), entries: HashMap::new() };
        self.state.write().indexes.insert(name, index);
        self
    }

    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<Cached<T>>> {
        self.state.read().objects.get(&ObjectKey::new(namespace, name)).cloned()
    }

    pub fn list(&self) -> Vec<Arc<Cached<T>>> {
        self.state.read().objects.values().cloned().collect()
    }

    pub fn list_namespace(&self, namespace: &str) -> Vec<Arc<Cached<T>>> {
        let state = self.state.read();
        state.objects.values().filter(|object| &*object.key.namespace == namespace).cloned().collect()
    }

    /// The objects that the index `name` finds under `key`; none for an index that does not exist.
    pub fn indexed(&self, name: &str, key: &str) -> Vec<Arc<Cached<T>>> {
        let state = self.state.read();
        let found = state.indexes.get(name).and_then(|index| index.entries.get(key));
        found.into_iter().flatten().filter_map(|key| state.objects.get(key)).cloned().collect()
    }

    pub fn len(&self) -> usize {
        self.state.read().objects.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a first list has arrived.
    pub fn has_synced(&self) -> bool {
        *self.synced.borrow()
    }

    /// Resolves when a first list has arrived.
    pub async fn wait_synced(&self) {
        let mut synced = self.synced.subscribe();
        // An error would mean that the sender is gone, and it is a field of `self`.
        let _ = synced.wait_for(|synced| *synced).await;
    }

    /// All objects now (as `Applied` without `old`), then every change. Unbounded: who subscribes must keep reading, or drop
    /// the receiver.
    pub fn subscribe(&self) -> mpsc::UnboundedReceiver<CacheEvent<T>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut state = self.state.write();
        for new in state.objects.values() {
            let _ = sender.send(CacheEvent::Applied { old: None, new: new.clone() });
        }
        state.subscribers.push(sender);
        receiver
    }
}

impl<T> State<T> {
    fn put(&mut self, new: Cached<T>) {
        let new = Arc::new(new);
        let old = self.objects.insert(new.key.clone(), new.clone());
        for index in self.indexes.values_mut() {
            if let Some(old) = &old {
                index.remove(old);
            }
            index.add(&new);
        }
        self.tell(CacheEvent::Applied { old, new });
    }

    fn remove(&mut self, key: &ObjectKey) {
        let Some(old) = self.objects.remove(key) else { return };
        self.indexes.values_mut().for_each(|index| index.remove(&old));
        self.tell(CacheEvent::Deleted(old));
    }

    fn tell(&mut self, event: CacheEvent<T>) {
        self.subscribers.retain(|subscriber| subscriber.send(event.clone()).is_ok());
    }
}

impl<T> Index<T> {
    fn add(&mut self, object: &Cached<T>) {
        for key in (self.keys_of)(object) {
            self.entries.entry(key).or_default().insert(object.key.clone());
        }
    }

    fn remove(&mut self, object: &Cached<T>) {
        for key in (self.keys_of)(object) {
            if let Some(keys) = self.entries.get_mut(&key) {
                keys.remove(&object.key);
                if keys.is_empty() {
                    self.entries.remove(&key);
                }
            }
        }
    }
}

fn key_of(observed: &Observed) -> ObjectKey {
    ObjectKey::new(&observed.namespace, &observed.name)
}

/// `None`, with a warning, for what does not decode: such an object counts as absent.
fn decoded<T: CacheContent>(observed: Observed) -> Option<Cached<T>> {
    match T::decode(&observed) {
        Ok(content) => Some(Cached {
            key: key_of(&observed),
            uid: observed.uid,
            resource_version: observed.resource_version,
            content,
        }),
        Err(error) => {
            warn!(object = %key_of(&observed), %error, "an object cannot be read and is left out");
            None
        }
    }
}

impl<T: CacheContent> ReflectorTarget for Cache<T> {
    fn replaced(&self, items: Vec<Observed>) {
        let items: Vec<Cached<T>> = items.into_iter().filter_map(decoded).collect();
        let mut state = self.state.write();
        let present: HashSet<ObjectKey> = items.iter().map(|item| item.key.clone()).collect();
        let gone: Vec<ObjectKey> = state.objects.keys().filter(|key| !present.contains(*key)).cloned().collect();
        gone.iter().for_each(|key| state.remove(key));
        for item in items {
            let known = state.objects.get(&item.key).is_some_and(|old| old.resource_version == item.resource_version);
            if !known {
                state.put(item);
            }
        }
        drop(state);
        self.synced.send_replace(true);
    }

    fn applied(&self, object: Observed) {
        let key = key_of(&object);
        let decoded = decoded(object);
        let mut state = self.state.write();
        match decoded {
            Some(object) => state.put(object),
            None => state.remove(&key),
        }
    }

    fn deleted(&self, object: Observed) {
        self.state.write().remove(&key_of(&object));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, Debug)]
    struct Placed {
        node: String,
    }

    fn observed(name: &str, revision: &str, json: &str) -> Observed {
        Observed {
            namespace: "ns".into(),
            name: name.into(),
            uid: String::new(),
            resource_version: revision.into(),
            json: Bytes::copy_from_slice(json.as_bytes()),
        }
    }

    fn names(objects: &[Arc<Cached<Placed>>]) -> Vec<String> {
        let mut names: Vec<String> = objects.iter().map(|object| object.key.to_string()).collect();
        names.sort();
        names
    }

    #[test]
    fn an_index_follows_objects_as_they_change() {
        let cache = Cache::<Placed>::new().with_index("node", |pod| vec![pod.node.clone()]);
        cache.replaced(vec![observed("a", "1", r#"{"node":"n1"}"#), observed("b", "1", r#"{"node":"n1"}"#)]);
        assert_eq!(names(&cache.indexed("node", "n1")), ["ns/a", "ns/b"]);
        cache.applied(observed("a", "2", r#"{"node":"n2"}"#));
        assert_eq!(names(&cache.indexed("node", "n1")), ["ns/b"]);
        assert_eq!(names(&cache.indexed("node", "n2")), ["ns/a"]);
        cache.deleted(observed("a", "3", "{}"));
        assert!(cache.indexed("node", "n2").is_empty());
        assert_eq!(names(&cache.list_namespace("ns")), ["ns/b"]);
    }

    #[tokio::test]
    async fn a_subscriber_sees_what_is_there_and_then_every_change() {
        let cache = Cache::<Placed>::new();
        cache.replaced(vec![observed("a", "1", r#"{"node":"n1"}"#)]);
        cache.wait_synced().await;
        let mut events = cache.subscribe();
        cache.replaced(vec![observed("a", "1", r#"{"node":"n1"}"#), observed("b", "2", r#"{"node":"n1"}"#)]);
        cache.deleted(observed("a", "3", "{}"));
        let mut seen = Vec::new();
        while let Ok(event) = events.try_recv() {
            seen.push(match &event {
                CacheEvent::Applied { old, new } => {
                    format!("{} {}", if old.is_some() { "~" } else { "+" }, new.key.name)
                }
                CacheEvent::Deleted(old) => format!("- {}", old.key.name),
            });
        }
        assert_eq!(seen, ["+ a", "+ b", "- a"], "an unchanged object of a second list is no event");
    }

    #[test]
    fn what_does_not_decode_counts_as_absent() {
        let cache = Cache::<Placed>::new();
        cache.applied(observed("a", "1", r#"{"node":"n1"}"#));
        cache.applied(observed("a", "2", r#"{"node":7}"#));
        assert!(cache.is_empty());
    }
}
