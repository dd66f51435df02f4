//! One shard of the log: following it, and handing its changes to the tables.

use std::{collections::HashMap as StdHashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use futures::{StreamExt, TryStreamExt};
use gantry_storage::{Change, Digest, Key, ReadError, Revision, Shard, Storage, StoredObject};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::{
    CacheOptions, CachedObject, ResourceConfig,
    progress::Progress,
    table::{Prepared, Table},
    topic::Topic,
};

type Tables = StdHashMap<Box<str>, Arc<Table>>;
/// Objects of resources that nobody configured yet, by prefix.
type Parked = StdHashMap<String, StdHashMap<Key, StoredObject>>;

/// The mirror of one shard.
pub(crate) struct ShardCache {
    pub shard: Shard,
    pub progress: Progress,
    pub loaded: watch::Sender<bool>,
    /// Rung when the mirror is found to be wrong.
    stale: Notify,
    options: CacheOptions,
    tables: ArcSwap<Tables>,
    /// Held while changes are applied and while the set of tables changes, so that each sees the other done.
    parked: Mutex<Parked>,
}

/// The feed skipped or repeated a revision, which storage promises not to do.
#[derive(Debug, thiserror::Error)]
#[error("revision {got} follows {applied}")]
struct Gap {
    applied: Revision,
    got: Revision,
}

impl ShardCache {
    pub fn new(shard: Shard, options: CacheOptions) -> Self {
        Self {
            shard,
            progress: Progress::default(),
            loaded: watch::channel(false).0,
            stale: Notify::new(),
            options,
            tables: ArcSwap::default(),
            parked: Mutex::default(),
        }
    }

    pub fn options(&self) -> &CacheOptions {
        &self.options
    }

    pub fn table(&self, prefix: &str) -> Option<Arc<Table>> {
        self.tables.load().get(prefix).cloned()
    }

    pub fn tables(&self) -> Arc<Tables> {
        self.tables.load_full()
    }

    /// Adds a resource; its objects are there at once, its history begins now. Adding it again changes nothing.
    pub fn add_resource(&self, config: ResourceConfig) {
        let mut parked = self.parked.lock();
        let mut tables = Tables::clone(&self.tables.load());
        if tables.contains_key(&config.prefix) {
            return;
        }
        let config = Arc::new(config);
        let objects = parked.remove(&*config.prefix).unwrap_or_default();
        let table = Table::new(config.clone(), self.options.history_bytes, self.progress.applied());
        let objects = objects.into_values().map(|stored| cached(&config, &stored)).collect();
        table.replace(objects, self.progress.applied());
        tables.insert(config.prefix.clone(), Arc::new(table));
        self.tables.store(Arc::new(tables));
    }

    /// Loads and follows the shard for ever, through losses of storage. Ends when its task is cancelled.
    pub async fn follow(&self, storage: &dyn Storage) {
        let mut pause = self.options.back_off.0;
        loop {
            let loaded = *self.loaded.borrow();
            let outcome = if loaded { self.follow_feed(storage, &mut pause).await } else { self.load(storage).await };
            let Err(error) = outcome else { continue };
            if matches!(error, ReadError::Compacted { .. }) {
                tracing::warn!(shard = ?self.shard, %error, "the cache fell behind the log and loads anew");
                self.loaded.send_replace(false);
                continue;
            }
            tracing::warn!(shard = ?self.shard, error = &error as &dyn std::error::Error, "storage is out of reach");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(self.options.back_off.1);
        }
    }

    /// Returns when the cache has to be loaded anew, or with an error.
    async fn follow_feed(&self, storage: &dyn Storage, pause: &mut Duration) -> Result<(), ReadError> {
        let mut feed = storage.feed(self.shard, self.progress.applied());
        loop {
            let next = tokio::select! {
                next = feed.try_next() => next?,
                () = self.stale.notified() => None,
            };
            let Some(changes) = next else { break };
            *pause = self.options.back_off.0;
            if let Err(gap) = self.apply(changes) {
                tracing::error!(shard = ?self.shard, %gap, "the feed is not contiguous; the cache loads anew");
                break;
            }
        }
        self.loaded.send_replace(false);
        Ok(())
    }

    /// Throws the mirror away and loads it anew; watches end with `Expired`.
    pub fn reload(&self) {
        self.stale.notify_one();
    }

    async fn load(&self, storage: &dyn Storage) -> Result<(), ReadError> {
        let snapshot = storage.snapshot(self.shard).await?;
        let mut objects: StdHashMap<Box<str>, Vec<Arc<CachedObject>>> = StdHashMap::new();
        let mut unknown = Vec::new();
        let mut stream = snapshot.objects.ready_chunks(256);
        while let Some(chunk) = stream.next().await {
            for stored in chunk {
                let stored = stored?;
                match self.table(stored.key.resource_part()) {
                    Some(table) => {
                        let of_resource = objects.entry(table.config.prefix.clone()).or_default();
                        of_resource.push(cached(&table.config, &stored));
                    }
                    None => unknown.push(stored),
                }
            }
        }
        self.install(objects, unknown, snapshot.head.revision);
        Ok(())
    }

    fn install(
        &self,
        mut objects: StdHashMap<Box<str>, Vec<Arc<CachedObject>>>,
        unknown: Vec<StoredObject>,
        at: Revision,
    ) {
        let mut parked = self.parked.lock();
        parked.clear();
        for stored in unknown {
            // The resource may have been added while the snapshot was read.
            match self.table(stored.key.resource_part()) {
                Some(table) => {
                    let of_resource = objects.entry(table.config.prefix.clone()).or_default();
                    of_resource.push(cached(&table.config, &stored));
                }
                None => park(&mut parked, stored),
            }
        }
        for (prefix, table) in &**self.tables.load() {
            table.replace(objects.remove(prefix).unwrap_or_default(), at);
        }
        self.progress.advance(at);
        self.loaded.send_replace(true);
    }

    fn apply(&self, changes: Vec<Change>) -> Result<(), Gap> {
        let mut parked = self.parked.lock();
        let mut expected = self.progress.applied();
        for change in &changes {
            expected = expected.next();
            if change.revision != expected {
                return Err(Gap { applied: self.progress.applied(), got: change.revision });
            }
        }
        let mut touched: Vec<Arc<Topic>> = Vec::new();
        let tables = self.tables.load();
        for run in changes.chunk_by(|a, b| a.key.resource_part() == b.key.resource_part()) {
            match tables.get(run[0].key.resource_part()) {
                Some(table) => {
                    // Wire forms are made before the table is locked.
                    let prepared: Vec<_> = run.iter().map(|change| prepared(&table.config, change)).collect();
                    table.apply(prepared, &mut touched);
                }
                None => run.iter().for_each(|change| repark(&mut parked, change)),
            }
        }
        self.progress.advance(expected);
        touched.iter().for_each(|topic| topic.bell.notify_waiters());
        Ok(())
    }

    /// Compares the cache with storage at one revision; false where they differ.
    pub async fn matches_storage(&self, storage: &dyn Storage) -> Result<bool, ReadError> {
        let stored = storage.digest(self.shard).await?;
        if !self.progress.wait_for(stored.revision, self.options.lag_max).await {
            return Ok(true);
        }
        Ok(self.matches(&stored))
    }

    fn matches(&self, stored: &Digest) -> bool {
        let tables = self.tables();
        tables.iter().all(|(prefix, table)| {
            let expected = stored.resources.get(&**prefix).copied().unwrap_or_default();
            // Expired: the floor passed while we looked, so there is nothing to compare.
            table.digest(stored.revision).map_or(true, |cached| cached == expected)
        })
    }
}

fn cached(config: &Arc<ResourceConfig>, stored: &StoredObject) -> Arc<CachedObject> {
    let StoredObject { key, revision, create_revision, value } = stored;
    Arc::new(CachedObject::new(config, key.clone(), *revision, *create_revision, value))
}

fn prepared(config: &Arc<ResourceConfig>, change: &Change) -> Prepared {
    let Change { key, revision, create_revision, value, .. } = change;
    let object = CachedObject::new(config, key.clone(), *revision, *create_revision, value);
    Prepared { object: Arc::new(object), deleted: change.deleted }
}

fn park(parked: &mut Parked, stored: StoredObject) {
    parked.entry(stored.key.resource_part().to_owned()).or_default().insert(stored.key.clone(), stored);
}

fn repark(parked: &mut Parked, change: &Change) {
    if change.deleted {
        parked.get_mut(change.key.resource_part()).map(|objects| objects.remove(&change.key));
        return;
    }
    let Change { key, revision, create_revision, value, .. } = change.clone();
    park(parked, StoredObject { key, revision, create_revision, value });
}
