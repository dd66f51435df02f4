//! The objects of one resource, as controllers read them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use gantry_meta::{GroupVersionResource, LabelSelector, Value};
use gantry_plugin_host::{ObjectRecord, ResourceName};
use gantry_runtime::{Observed, ReflectorTarget};
use hashbrown::HashMap;
use parking_lot::RwLock;
use serde::Deserialize;
use tokio::sync::{mpsc, watch};
use tracing::warn;

/// An object and what is asked of it often.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) record: Arc<ObjectRecord>,
    labels: Labels,
    pub(crate) owners: Vec<Owner>,
    pub(crate) terminating: bool,
    /// Index path and value.
    indexed: Vec<(Arc<str>, String)>,
}

/// A handful of pairs, of which there is one for every object of the cluster: a map of them would weigh more than the rest.
type Labels = Box<[(Box<str>, Box<str>)]>;

#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Owner {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) controller: bool,
}

impl Owner {
    pub(crate) fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }
}

impl Entry {
    pub(crate) fn controller(&self) -> Option<&Owner> {
        self.owners.iter().find(|owner| owner.controller)
    }

    fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|(name, _)| **name == *key).map(|(_, value)| &**value)
    }

    fn place(&self) -> Place {
        (self.record.namespace.clone(), self.record.name.clone())
    }
}

/// Namespace and name: the order of lists.
type Place = (Box<str>, Box<str>);

/// A change of a store: `old` is absent for what is new, `new` for what is gone.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) old: Option<Arc<Entry>>,
    pub(crate) new: Option<Arc<Entry>>,
}

/// Who hears of changes, and under which number it knows this store.
struct Subscriber {
    sender: mpsc::UnboundedSender<(usize, Change)>,
    watch: usize,
}

#[derive(Default)]
struct Content {
    objects: BTreeMap<Place, Arc<Entry>>,
    by_owner: HashMap<String, BTreeSet<Place>>,
    /// By path and value.
    by_index: HashMap<(Arc<str>, String), BTreeSet<Place>>,
    subscribers: Vec<Subscriber>,
}

/// What to list. Empty texts do not restrict.
#[derive(Clone, Copy, Default)]
pub(crate) struct Selection<'q> {
    pub(crate) namespace: &'q str,
    pub(crate) name: &'q str,
    pub(crate) owner_uid: &'q str,
    pub(crate) index: Option<(&'q str, &'q str)>,
    pub(crate) labels: Option<&'q LabelSelector>,
}

/// Filled by one reflector, read by any number of controllers.
pub(crate) struct ResourceStore {
    pub(crate) resource: GroupVersionResource,
    indexes: Vec<Arc<str>>,
    content: RwLock<Content>,
    /// The highest resourceVersion that was told; `None` before the first list.
    progress: watch::Sender<Option<u64>>,
    kind: RwLock<Arc<ResourceName>>,
}

impl ResourceStore {
    /// `kind` may be empty: then it is learned from the first object.
    pub(crate) fn new(resource: GroupVersionResource, kind: &str, indexes: Vec<Arc<str>>) -> Self {
        let name = resource_name(&resource, kind);
        Self {
            resource,
            indexes,
            content: RwLock::default(),
            progress: watch::Sender::new(None),
            kind: RwLock::new(Arc::new(name)),
        }
    }

    pub(crate) fn has_index(&self, path: &str) -> bool {
        self.indexes.iter().any(|index| &**index == path)
    }

    /// Resolves when a first list has arrived.
    pub(crate) async fn synced(&self) {
        // The sender is a field of `self`, so it cannot be gone.
        let _ = self.progress.subscribe().wait_for(Option::is_some).await;
    }

    /// Resolves when everything up to this revision was told.
    pub(crate) async fn reached(&self, revision: u64) {
        let _ = self.progress.subscribe().wait_for(|seen| seen.is_some_and(|seen| seen >= revision)).await;
    }

    /// Resolves when the object is gone, is going, or is another one than `uid`.
    pub(crate) async fn going(&self, namespace: &str, name: &str, uid: &str) {
        let still_there = || {
            self.get(namespace, name)
                .is_some_and(|entry| !entry.terminating && (uid.is_empty() || *entry.record.uid == *uid))
        };
        let _ = self.progress.subscribe().wait_for(|_| !still_there()).await;
    }

    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<Arc<Entry>> {
        self.content.read().objects.get(&(namespace.into(), name.into())).cloned()
    }

    /// In order of namespace and name.
    pub(crate) fn list(&self, selection: &Selection<'_>) -> Vec<Arc<Entry>> {
        let content = self.content.read();
        let matches = |entry: &&Arc<Entry>| {
            let record = &entry.record;
            (selection.namespace.is_empty() || *record.namespace == *selection.namespace)
                && (selection.name.is_empty() || *record.name == *selection.name)
                && (selection.owner_uid.is_empty() || entry.owners.iter().any(|o| o.uid == selection.owner_uid))
                && selection.labels.is_none_or(|s| s.matches_with(|key| entry.label(key)))
        };
        let places = |places: Option<&BTreeSet<Place>>| -> Vec<Arc<Entry>> {
            let found = places.into_iter().flatten().filter_map(|place| content.objects.get(place));
            found.filter(matches).cloned().collect()
        };
        if let Some((path, value)) = selection.index {
            return places(content.by_index.get(&(path.into(), value.to_owned())));
        }
        if !selection.owner_uid.is_empty() {
            return places(content.by_owner.get(selection.owner_uid));
        }
        if selection.namespace.is_empty() {
            return content.objects.values().filter(matches).cloned().collect();
        }
        let first: Place = (selection.namespace.into(), "".into());
        let within = content.objects.range(first..).take_while(|((ns, _), _)| **ns == *selection.namespace);
        within.map(|(_, entry)| entry).filter(matches).cloned().collect()
    }

    /// All there is now, as new, and then every change. `watch` goes with each.
    pub(crate) fn subscribe(&self, sender: mpsc::UnboundedSender<(usize, Change)>, watch: usize) {
        let mut content = self.content.write();
        for entry in content.objects.values() {
            let _ = sender.send((watch, Change { old: None, new: Some(entry.clone()) }));
        }
        content.subscribers.push(Subscriber { sender, watch });
    }

    fn entry(&self, observed: Observed) -> Option<Arc<Entry>> {
        match decode(&observed, &self.indexes) {
            Ok(decoded) => Some(Arc::new(self.assemble(observed, decoded))),
            Err(error) => {
                warn!(resource = %self.resource.resource, name = observed.name, %error, "an object cannot be read and is left out");
                None
            }
        }
    }

    fn assemble(&self, observed: Observed, decoded: Decoded) -> Entry {
        if self.kind.read().kind.is_empty() {
            *self.kind.write() = Arc::new(resource_name(&self.resource, &decoded.kind));
        }
        let record = ObjectRecord {
            resource: self.kind.read().clone(),
            namespace: observed.namespace.into(),
            name: observed.name.into(),
            uid: observed.uid.into(),
            resource_version: observed.resource_version.into(),
            json: observed.json,
        };
        Entry {
            record: Arc::new(record),
            labels: decoded.labels,
            owners: decoded.owners,
            terminating: decoded.terminating,
            indexed: decoded.indexed,
        }
    }

    fn note(&self, resource_version: &str) {
        // What is no number cannot be waited for; see `reached`.
        if let Ok(revision) = resource_version.parse::<u64>() {
            self.progress.send_modify(|seen| *seen = Some(seen.unwrap_or(0).max(revision)));
        }
    }
}

impl ReflectorTarget for ResourceStore {
    fn replaced(&self, items: Vec<Observed>) {
        let entries: Vec<Arc<Entry>> = items.into_iter().filter_map(|item| self.entry(item)).collect();
        let mut content = self.content.write();
        let present: BTreeSet<Place> = entries.iter().map(|entry| entry.place()).collect();
        let gone: Vec<Place> = content.objects.keys().filter(|place| !present.contains(*place)).cloned().collect();
        gone.iter().for_each(|place| content.remove(place));
        for entry in entries {
            let known = content.objects.get(&entry.place());
            if known.is_none_or(|known| known.record.resource_version != entry.record.resource_version) {
                content.put(entry);
            }
        }
        drop(content);
        self.progress.send_modify(|seen| *seen = Some(seen.unwrap_or(0)));
    }

    fn applied(&self, object: Observed) {
        let (place, revision) =
            ((object.namespace.as_str().into(), object.name.as_str().into()), object.resource_version.clone());
        let entry = self.entry(object);
        let mut content = self.content.write();
        match entry {
            Some(entry) => content.put(entry),
            None => content.remove(&place),
        }
        drop(content);
        self.note(&revision);
    }

    fn deleted(&self, object: Observed) {
        self.content.write().remove(&(object.namespace.as_str().into(), object.name.as_str().into()));
        self.note(&object.resource_version);
    }

    fn progressed(&self, resource_version: &str) {
        self.note(resource_version);
    }
}

impl Content {
    fn put(&mut self, new: Arc<Entry>) {
        let place = new.place();
        let old = self.objects.insert(place.clone(), new.clone());
        if let Some(old) = &old {
            self.unindex(old, &place);
        }
        for owner in &new.owners {
            self.by_owner.entry(owner.uid.clone()).or_default().insert(place.clone());
        }
        for index in &new.indexed {
            self.by_index.entry(index.clone()).or_default().insert(place.clone());
        }
        self.tell(&Change { old, new: Some(new) });
    }

    fn remove(&mut self, place: &Place) {
        let Some(old) = self.objects.remove(place) else { return };
        self.unindex(&old, place);
        self.tell(&Change { old: Some(old), new: None });
    }

    fn unindex(&mut self, old: &Entry, place: &Place) {
        for owner in &old.owners {
            forget(&mut self.by_owner, &owner.uid, place);
        }
        for index in &old.indexed {
            forget(&mut self.by_index, index, place);
        }
    }

    fn tell(&mut self, change: &Change) {
        self.subscribers.retain(|to| to.sender.send((to.watch, change.clone())).is_ok());
    }
}

fn forget<K: std::hash::Hash + Eq>(index: &mut HashMap<K, BTreeSet<Place>>, key: &K, place: &Place) {
    if let Some(places) = index.get_mut(key) {
        places.remove(place);
        if places.is_empty() {
            index.remove(key);
        }
    }
}

pub(crate) fn resource_name(resource: &GroupVersionResource, kind: &str) -> ResourceName {
    ResourceName {
        group: (*resource.group).into(),
        version: (*resource.version).into(),
        resource: (*resource.resource).into(),
        kind: kind.into(),
    }
}

struct Decoded {
    kind: String,
    labels: Labels,
    owners: Vec<Owner>,
    terminating: bool,
    indexed: Vec<(Arc<str>, String)>,
}

fn decode(observed: &Observed, indexes: &[Arc<str>]) -> Result<Decoded, serde_json::Error> {
    #[derive(Deserialize)]
    struct Head {
        #[serde(default)]
        kind: String,
        metadata: Meta,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Meta {
        #[serde(default)]
        labels: Option<BTreeMap<Box<str>, Box<str>>>,
        #[serde(default)]
        owner_references: Option<Vec<Owner>>,
        #[serde(default)]
        deletion_timestamp: Option<String>,
    }
    let Head { kind, metadata } = serde_json::from_slice(&observed.json)?;
    let indexed =
        if indexes.is_empty() { Vec::new() } else { index_values(&serde_json::from_slice(&observed.json)?, indexes) };
    Ok(Decoded {
        kind,
        labels: metadata.labels.unwrap_or_default().into_iter().collect(),
        owners: metadata.owner_references.unwrap_or_default(),
        terminating: metadata.deletion_timestamp.is_some(),
        indexed,
    })
}

fn index_values(object: &Value, indexes: &[Arc<str>]) -> Vec<(Arc<str>, String)> {
    let value_at = |path: &str| path.split('.').try_fold(object, |value, member| value.get(member));
    let as_text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(boolean) => Some(boolean.to_string()),
        _ => None,
    };
    indexes.iter().filter_map(|path| Some((path.clone(), as_text(value_at(path)?)?))).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    fn pod(name: &str, revision: u64, node: &str, owner: &str) -> Observed {
        let json = json!({"kind": "Pod", "metadata": {
            "labels": {"app": name}, "ownerReferences": [{"uid": owner, "controller": true}],
        }, "spec": {"nodeName": node}});
        Observed {
            namespace: "ns".into(),
            name: name.into(),
            uid: format!("uid-{name}"),
            resource_version: revision.to_string(),
            json: Bytes::from(json.to_string()),
        }
    }

    fn store() -> ResourceStore {
        ResourceStore::new(GroupVersionResource::new("", "v1", "pods"), "", vec!["spec.nodeName".into()])
    }

    fn names(store: &ResourceStore, selection: Selection<'_>) -> Vec<String> {
        store.list(&selection).iter().map(|entry| entry.record.name.to_string()).collect()
    }

    #[test]
    fn objects_are_found_by_owner_index_and_labels() {
        let store = store();
        store.replaced(vec![pod("b", 1, "n1", "o1"), pod("a", 2, "n1", "o2")]);
        assert_eq!(
            names(&store, Selection { index: Some(("spec.nodeName", "n1")), ..Selection::default() }),
            ["a", "b"]
        );
        store.applied(pod("a", 3, "n2", "o1"));
        assert_eq!(names(&store, Selection { index: Some(("spec.nodeName", "n1")), ..Selection::default() }), ["b"]);
        assert_eq!(names(&store, Selection { owner_uid: "o1", ..Selection::default() }), ["a", "b"]);
        let labels = LabelSelector::parse("app=b").expect("a selector");
        assert_eq!(names(&store, Selection { namespace: "ns", labels: Some(&labels), ..Selection::default() }), ["b"]);
        assert!(names(&store, Selection { namespace: "other", ..Selection::default() }).is_empty());
        assert_eq!(&*store.get("ns", "a").expect("there").record.resource.kind, "Pod");
    }

    #[tokio::test]
    async fn waiting_ends_when_the_revision_was_told() {
        let store = Arc::new(store());
        let waiting = tokio::spawn({
            let store = store.clone();
            async move { store.reached(7).await }
        });
        store.replaced(vec![]);
        store.applied(pod("a", 6, "n", "o"));
        assert!(!waiting.is_finished());
        store.progressed("7");
        waiting.await.expect("ends");
    }

    #[tokio::test]
    async fn a_list_after_lost_history_tells_what_has_gone() {
        let store = store();
        store.replaced(vec![pod("a", 1, "n", "o"), pod("b", 2, "n", "o")]);
        let (sender, mut changes) = mpsc::unbounded_channel();
        store.subscribe(sender, 5);
        store.replaced(vec![pod("b", 2, "n", "o"), pod("c", 3, "n", "o")]);
        let mut told = Vec::new();
        while let Ok((watch, change)) = changes.try_recv() {
            assert_eq!(watch, 5);
            let name = |e: &Option<Arc<Entry>>| e.as_ref().map(|e| e.record.name.to_string());
            told.push((name(&change.old), name(&change.new)));
        }
        let some = |s: &str| Some(s.to_owned());
        assert_eq!(told, [(None, some("a")), (None, some("b")), (some("a"), None), (None, some("c"))]);
    }
}
