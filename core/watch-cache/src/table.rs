//! One resource: its keys with their versions, its indexes, its topics.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{Bound, ControlFlow},
    sync::Arc,
};

use gantry_storage::{Key, ResourceDigest, Revision};
use hashbrown::HashMap;
use parking_lot::RwLock;

use crate::{CachedObject, Expired, ResourceConfig, Scope, chain::Chain, event::Event, newest::Newest, topic::Topic};

/// How much is done under one hold of the lock, so that neither lists nor trimming keep writers waiting for long.
const CHUNK: usize = 512;

/// A change with its wire form made, ready to be applied under the lock.
pub(crate) struct Prepared {
    pub object: Arc<CachedObject>,
    pub deleted: bool,
}

/// See the module. All state is behind one lock that is held for short, bounded times.
pub(crate) struct Table {
    pub config: Arc<ResourceConfig>,
    history_bytes_max: usize,
    state: RwLock<State>,
}

struct Subscribed {
    topic: Arc<Topic>,
    watches: usize,
}

struct FieldIndex {
    field: &'static str,
    /// Keys of which any kept version has the value.
    keys: HashMap<Box<str>, BTreeSet<Key>>,
    topics: HashMap<Box<str>, Subscribed>,
}

struct State {
    keys: BTreeMap<Key, Chain>,
    /// What stands last in the chains.
    newest_objects: Newest,
    /// Objects that stand now, by namespace.
    live: HashMap<Box<str>, u64>,
    indexes: Vec<FieldIndex>,
    /// Every event since the floor.
    all: Arc<Topic>,
    namespaces: HashMap<Box<str>, Subscribed>,
    objects: HashMap<Key, Subscribed>,
    floor: Revision,
    newest: Revision,
    history_bytes: usize,
}

impl Table {
    pub fn new(config: Arc<ResourceConfig>, history_bytes_max: usize, floor: Revision) -> Self {
        let state = RwLock::new(State::new(&config, floor));
        Self { config, history_bytes_max, state }
    }

    /// Replaces everything with the state as of `floor`. All watches end with `Expired`.
    pub fn replace(&self, objects: Vec<Arc<CachedObject>>, floor: Revision) {
        let mut fresh = State::new(&self.config, floor);
        objects.into_iter().for_each(|object| fresh.install(object));
        let stale = std::mem::replace(&mut *self.state.write(), fresh);
        stale.topics().for_each(|topic| topic.expire(floor));
    }

    /// Applies changes in order and adds the topics whose bells are to be rung to `touched`.
    pub fn apply(&self, changes: impl IntoIterator<Item = Prepared>, touched: &mut Vec<Arc<Topic>>) {
        let mut state = self.state.write();
        let from = touched.len();
        for change in changes {
            state.apply(change, touched, from);
        }
        if state.history_bytes > self.history_bytes_max {
            state.shed(self.history_bytes_max / 8 * 7);
        }
    }

    pub fn floor(&self) -> Revision {
        self.state.read().floor
    }

    /// Forgets history at and below `floor`.
    pub fn trim(&self, floor: Revision) {
        let topics: Vec<_> = {
            let mut state = self.state.write();
            if floor <= state.floor {
                return;
            }
            // Readers below are refused from here on, so what follows may be done piece by piece.
            state.floor = floor;
            state.topics().skip(1).cloned().collect()
        };
        while self.state.write().forget_chunk(floor) {}
        topics.iter().for_each(|topic| topic.trim(floor));
    }

    pub fn get(&self, key: &str) -> Option<Arc<CachedObject>> {
        self.state.read().newest_objects.get(key).cloned()
    }

    pub fn get_at(&self, key: &str, at: Revision) -> Option<Arc<CachedObject>> {
        self.state.read().keys.get(key)?.at(at).cloned()
    }

    /// The topic of `scope`, reaching back to just after `from`. Give it back with [`Self::unsubscribe`].
    pub fn subscribe(&self, scope: &Scope, from: Revision) -> Result<Arc<Topic>, Expired> {
        let mut state = self.state.write();
        // What was forgotten counts, and not the floor: a resource that did not change has lost nothing by it.
        let forgotten = state.all.dropped();
        if from < forgotten {
            return Err(Expired { floor: forgotten });
        }
        Ok(state.subscribe(&self.config, scope, from))
    }

    pub fn unsubscribe(&self, scope: &Scope, topic: &Arc<Topic>) {
        self.state.write().unsubscribe(&self.config, scope, topic);
    }

    /// Objects as of `at`, in key order, from `from` on (`None`: from the first), of at most [`CHUNK`] keys.
    pub fn chunk(&self, scope: &Scope, at: Revision, from: Option<&Key>) -> Result<Chunk, Expired> {
        let state = self.state.read();
        if at < state.floor {
            return Err(Expired { floor: state.floor });
        }
        let mut chunk = Chunk { objects: Vec::new(), resume: None };
        let mut seen = 0;
        state.walk(&self.config, scope, from, |key, chain| {
            chunk.objects.extend(chain.at(at).cloned());
            seen += 1;
            if seen < CHUNK {
                return ControlFlow::Continue(());
            }
            chunk.resume = Some(behind(key));
            ControlFlow::Break(())
        });
        Ok(chunk)
    }

    /// How many objects of `scope` stand at `at`, if that is known without walking them: those of now, less what came since.
    pub fn count(&self, scope: &Scope, at: Revision) -> Option<u64> {
        let state = self.state.read();
        let now = match scope {
            Scope::All => state.live.values().sum(),
            Scope::Namespace(namespace) => state.live.get(namespace).copied().unwrap_or_default(),
            Scope::Object { .. } | Scope::Indexed { .. } => return None,
        };
        let came = state.all.came_since(at, |event| in_scope(&self.config, scope, &event.object))?;
        Some(now.saturating_add_signed(-came))
    }

    /// The fingerprint of all objects as of `at`.
    pub fn digest(&self, at: Revision) -> Result<ResourceDigest, Expired> {
        let mut digest = ResourceDigest::default();
        let mut from = None;
        loop {
            let chunk = self.chunk(&Scope::All, at, from.as_ref())?;
            chunk.objects.iter().for_each(|o| digest.add(o.key().as_str(), o.revision()));
            from = chunk.resume;
            if from.is_none() {
                return Ok(digest);
            }
        }
    }

    /// Objects that stand now and were last changed at or before `revision`, at most `limit`.
    pub fn unchanged_since(&self, revision: Revision, limit: usize) -> Vec<Arc<CachedObject>> {
        let state = self.state.read();
        let newest = state.keys.values().filter_map(Chain::newest);
        newest.filter(|o| o.revision() <= revision).take(limit).cloned().collect()
    }
}

pub(crate) struct Chunk {
    pub objects: Vec<Arc<CachedObject>>,
    /// Where to go on; `None` at the end.
    pub resume: Option<Key>,
}

impl State {
    fn new(config: &ResourceConfig, floor: Revision) -> Self {
        let index = |field: &&'static str| FieldIndex { field, keys: HashMap::new(), topics: HashMap::new() };
        Self {
            keys: BTreeMap::new(),
            newest_objects: Newest::default(),
            live: HashMap::new(),
            indexes: config.attributes.indexed_fields().iter().map(index).collect(),
            all: Arc::new(Topic::since(floor)),
            namespaces: HashMap::new(),
            objects: HashMap::new(),
            floor,
            newest: floor,
            history_bytes: 0,
        }
    }

    /// `all` first.
    fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        let by_value = self.indexes.iter().flat_map(|i| i.topics.values());
        let subscribed = self.namespaces.values().chain(self.objects.values()).chain(by_value);
        std::iter::once(&self.all).chain(subscribed.map(|s| &s.topic))
    }

    fn install(&mut self, object: Arc<CachedObject>) {
        self.index(&object);
        self.count(object.key(), 1);
        self.newest_objects.insert(object.clone());
        let key = object.key().clone();
        self.keys.entry(key).or_default().push(object.revision(), Some(object));
    }

    fn apply(&mut self, change: Prepared, touched: &mut Vec<Arc<Topic>>, touched_from: usize) {
        let Prepared { object, deleted } = change;
        let revision = object.revision();
        let chain = self.keys.entry(object.key().clone()).or_default();
        let previous = chain.push(revision, (!deleted).then(|| object.clone()));
        self.newest = revision;
        self.count(object.key(), i64::from(!deleted) - i64::from(previous.is_some()));
        if deleted {
            self.newest_objects.remove(object.key().as_str());
        } else {
            self.newest_objects.insert(object.clone());
            self.index(&object);
        }
        let event = Arc::new(Event::new(object, deleted, previous));
        self.history_bytes += event.superseded_bytes();
        self.publish(&event, touched, touched_from);
    }

    fn count(&mut self, key: &Key, change: i64) {
        if change == 0 {
            return;
        }
        let live = self.live.entry_ref(key.namespace()).or_default();
        *live = live.saturating_add_signed(change);
        if *live == 0 {
            self.live.remove(key.namespace());
        }
    }

    fn index(&mut self, object: &Arc<CachedObject>) {
        for index in &mut self.indexes {
            let value = object.field(index.field).unwrap_or_default();
            index.keys.entry_ref(value).or_default().insert(object.key().clone());
        }
    }

    fn publish(&self, event: &Arc<Event>, touched: &mut Vec<Arc<Topic>>, touched_from: usize) {
        let mut push = |topic: &Arc<Topic>| {
            // Within one batch a topic's newest event tells whether it is on the list already.
            let fresh = !touched[touched_from..].iter().any(|t| Arc::ptr_eq(t, topic));
            topic.push(event.clone());
            if fresh {
                touched.push(topic.clone());
            }
        };
        push(&self.all);
        let key = event.object.key();
        if let Some(subscribed) = self.namespaces.get(key.namespace()) {
            push(&subscribed.topic);
        }
        if let Some(subscribed) = self.objects.get(key) {
            push(&subscribed.topic);
        }
        for index in self.indexes.iter().filter(|i| !i.topics.is_empty()) {
            let now = event.object.field(index.field).unwrap_or_default();
            let before = event.previous.as_ref().map(|p| p.field(index.field).unwrap_or_default());
            for value in std::iter::once(now).chain(before.filter(|b| *b != now)) {
                if let Some(subscribed) = index.topics.get(value) {
                    push(&subscribed.topic);
                }
            }
        }
    }

    /// Moves the floor so far that superseded versions take at most `bytes`.
    fn shed(&mut self, bytes: usize) {
        while self.history_bytes > bytes {
            let Some(oldest) = self.all.oldest() else { break };
            self.floor = oldest;
            self.forget_oldest(oldest);
        }
        let floor = self.floor;
        self.topics().skip(1).for_each(|topic| topic.trim(floor));
    }

    /// True while there may be more to forget.
    fn forget_chunk(&mut self, floor: Revision) -> bool {
        (0..CHUNK).all(|_| self.forget_oldest(floor))
    }

    fn forget_oldest(&mut self, floor: Revision) -> bool {
        let Some(event) = self.all.pop_through(floor) else { return false };
        self.history_bytes -= event.superseded_bytes();
        let key = event.object.key();
        let Some(chain) = self.keys.get_mut(key) else { return true };
        for gone in chain.trim(floor) {
            for index in &mut self.indexes {
                index.forget(key, &gone, chain);
            }
        }
        if chain.is_empty() {
            self.keys.remove(key);
        }
        true
    }

    fn subscribe(&mut self, config: &ResourceConfig, scope: &Scope, from: Revision) -> Arc<Topic> {
        let all = self.all.clone();
        let newest = self.newest;
        let Some(entry) = self.entry(config, scope, newest) else { return all };
        entry.watches += 1;
        let topic = entry.topic.clone();
        topic.extend_back(from, &all, |event| belongs(config, scope, event));
        topic
    }

    /// The subscription of `scope`, made if need be; `None` for all of the resource and for fields without an index.
    fn entry(&mut self, config: &ResourceConfig, scope: &Scope, newest: Revision) -> Option<&mut Subscribed> {
        let fresh = || Subscribed { topic: Arc::new(Topic::new(newest)), watches: 0 };
        match scope {
            Scope::All => None,
            Scope::Namespace(namespace) => Some(self.namespaces.entry_ref(&**namespace).or_insert_with(fresh)),
            Scope::Object { namespace, name } => {
                Some(self.objects.entry(key_of(config, namespace, name)).or_insert_with(fresh))
            }
            Scope::Indexed { field, value } => {
                let index = self.indexes.iter_mut().find(|i| i.field == *field)?;
                Some(index.topics.entry_ref(&**value).or_insert_with(fresh))
            }
        }
    }

    fn unsubscribe(&mut self, config: &ResourceConfig, scope: &Scope, topic: &Arc<Topic>) {
        /// Leaves the entry alone where it is of a newer topic, made after the table was replaced.
        fn leave<K: std::hash::Hash + Eq, Q>(map: &mut HashMap<K, Subscribed>, key: &Q, topic: &Arc<Topic>)
        where
            Q: std::hash::Hash + hashbrown::Equivalent<K> + ?Sized,
        {
            let Some(entry) = map.get_mut(key).filter(|e| Arc::ptr_eq(&e.topic, topic)) else { return };
            entry.watches -= 1;
            if entry.watches == 0 {
                map.remove(key);
            }
        }
        match scope {
            Scope::All => {}
            Scope::Namespace(namespace) => leave(&mut self.namespaces, &**namespace, topic),
            Scope::Object { namespace, name } => leave(&mut self.objects, &key_of(config, namespace, name), topic),
            Scope::Indexed { field, value } => {
                if let Some(index) = self.indexes.iter_mut().find(|i| i.field == *field) {
                    leave(&mut index.topics, &**value, topic);
                }
            }
        }
    }

    fn walk(
        &self,
        config: &ResourceConfig,
        scope: &Scope,
        from: Option<&Key>,
        mut visit: impl FnMut(&Key, &Chain) -> ControlFlow<()>,
    ) {
        let prefix = match scope {
            Scope::Namespace(namespace) => namespace_prefix(config, namespace),
            Scope::All | Scope::Object { .. } | Scope::Indexed { .. } => String::new(),
        };
        let start = from.map_or(&*prefix, |key| key.as_str().max(&*prefix));
        let bounds = (Bound::Included(start), Bound::Unbounded);
        match scope {
            Scope::Object { namespace, name } => {
                let key = key_of(config, namespace, name);
                let found = self.keys.get(&key).filter(|_| from.is_none_or(|from| *from <= key));
                _ = found.map(|chain| visit(&key, chain));
            }
            Scope::Indexed { field, value } if self.indexes.iter().any(|i| i.field == *field) => {
                let bucket = self.indexes.iter().find(|i| i.field == *field).and_then(|i| i.keys.get(value));
                let keys = bucket.into_iter().flat_map(|keys| keys.range::<str, _>(bounds));
                _ = keys.filter_map(|k| Some((k, self.keys.get(k)?))).try_for_each(|(k, chain)| visit(k, chain));
            }
            Scope::All | Scope::Namespace(_) | Scope::Indexed { .. } => {
                let keys = self.keys.range::<str, _>(bounds).take_while(|(k, _)| k.as_str().starts_with(&prefix));
                _ = keys.into_iter().try_for_each(|(k, chain)| visit(k, chain));
            }
        }
    }
}

impl FieldIndex {
    /// Takes `key` out of the bucket of a forgotten version, unless a kept version has the same value.
    fn forget(&mut self, key: &Key, gone: &CachedObject, kept: &Chain) {
        let value = gone.field(self.field).unwrap_or_default();
        if kept.objects().any(|o| o.field(self.field).unwrap_or_default() == value) {
            return;
        }
        let Some(keys) = self.keys.get_mut(value) else { return };
        keys.remove(key);
        if keys.is_empty() {
            self.keys.remove(value);
        }
    }
}

/// The first place behind a key.
pub(crate) fn behind(key: &Key) -> Key {
    Key::from_stored(&[key.as_str(), "\0"].concat())
}

fn namespace_prefix(config: &ResourceConfig, namespace: &str) -> String {
    format!("{}{}/", config.prefix, if namespace.is_empty() { "-" } else { namespace })
}

fn key_of(config: &ResourceConfig, namespace: &str, name: &str) -> Key {
    Key::from_stored(&[&*namespace_prefix(config, namespace), name].concat())
}

/// Whether an event is about `scope`, before or after the change.
fn belongs(config: &ResourceConfig, scope: &Scope, event: &Event) -> bool {
    let selected = |object: &CachedObject| in_scope(config, scope, object);
    selected(&event.object) || event.previous.as_deref().is_some_and(selected)
}

/// Whether a version is within `scope`.
pub(crate) fn in_scope(config: &ResourceConfig, scope: &Scope, object: &CachedObject) -> bool {
    match scope {
        Scope::All => true,
        Scope::Namespace(namespace) => *object.key().namespace() == **namespace,
        Scope::Object { namespace, name } => *object.key() == key_of(config, namespace, name),
        Scope::Indexed { field, value } => object.field(field).unwrap_or_default() == &**value,
    }
}
