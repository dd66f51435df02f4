//! The public face of the cache.

use std::{sync::Arc, time::Duration};

use gantry_storage::{Key, Revision, Shard, Storage};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    At, CacheOptions, CachedObject, Filter, LagError, ListError, ListRequest, Page, ResourceConfig, Scope, Watch,
    housekeeping, list, shard::ShardCache, table::Table,
};

/// What clients are told to wait before they try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Mirrors storage; see the crate. Its tasks end when it is dropped.
pub struct WatchCache {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) options: CacheOptions,
    shards: [Arc<ShardCache>; Shard::ALL.len()],
    _tasks: DropGuard,
}

impl WatchCache {
    /// Begins to load and follow storage and returns at once. Until [`Self::ready`], objects are missing.
    ///
    /// Must be called within a Tokio runtime.
    pub fn spawn(storage: Arc<dyn Storage>, resources: Vec<ResourceConfig>, options: CacheOptions) -> Arc<Self> {
        let shards = Shard::ALL.map(|shard| Arc::new(ShardCache::new(shard, options.clone())));
        for config in resources {
            shards[config.shard as usize].add_resource(config);
        }
        let ended = CancellationToken::new();
        for shard in &shards {
            let (shard, storage) = (shard.clone(), storage.clone());
            let tasks = async move {
                tokio::join!(shard.follow(&*storage), housekeeping::run(&shard, &*storage));
            };
            tokio::spawn(ended.clone().run_until_cancelled_owned(tasks));
        }
        Arc::new(Self { storage, options, shards, _tasks: ended.drop_guard() })
    }

    /// As [`Self::spawn`], and waits until everything is loaded, however long storage is out of reach.
    pub async fn start(storage: Arc<dyn Storage>, resources: Vec<ResourceConfig>, options: CacheOptions) -> Arc<Self> {
        let cache = Self::spawn(storage, resources, options);
        cache.ready().await;
        cache
    }

    /// Waits until all shards are loaded.
    pub async fn ready(&self) {
        for shard in &self.shards {
            // The sender lives as long as `shard`: waiting cannot fail.
            shard.loaded.subscribe().wait_for(|loaded| *loaded).await.ok();
        }
    }

    /// Whether all shards are loaded: what a readiness probe asks.
    pub fn is_ready(&self) -> bool {
        self.shards.iter().all(|shard| *shard.loaded.borrow())
    }

    /// Adds a resource, such as a custom kind's. Its objects are there at once; its history begins now. Adding one that is
    /// there changes nothing.
    pub fn add_resource(&self, config: ResourceConfig) {
        self.shards[config.shard as usize].add_resource(config);
    }

    pub(crate) fn shard(&self, shard: Shard) -> &Arc<ShardCache> {
        &self.shards[shard as usize]
    }

    pub(crate) fn table(&self, key: &Key) -> Option<Arc<Table>> {
        self.resource(key.resource_part()).map(|(_, table)| table)
    }

    fn resource(&self, prefix: &str) -> Option<(&Arc<ShardCache>, Arc<Table>)> {
        self.shards.iter().find_map(|shard| Some((shard, shard.table(prefix)?)))
    }

    /// The object as it stands in the cache. Call [`Self::consistent`] before, where staleness is not allowed.
    pub fn get(&self, key: &Key) -> Option<Arc<CachedObject>> {
        self.table(key)?.get(key.as_str())
    }

    /// The newest revision of `shard` that is applied here: the resourceVersion of a list, and of a bookmark.
    pub fn applied(&self, shard: Shard) -> Revision {
        self.shard(shard).progress.applied()
    }

    /// The oldest revision at which a resource (by its prefix) can be listed and watched.
    pub fn floor(&self, prefix: &str) -> Option<Revision> {
        self.resource(prefix).map(|(_, table)| table.floor())
    }

    /// Returns once everything committed before this call is applied here, with the revision applied.
    pub async fn consistent(&self, shard: Shard) -> Result<Revision, LagError> {
        let unavailable = |source| LagError::Unavailable { retry_after: RETRY_AFTER, source };
        let head = self.storage.head(shard).await.map_err(unavailable)?;
        if !self.shard(shard).progress.wait_for(head.revision, self.options.lag_max).await {
            return Err(LagError::Lagging { retry_after: RETRY_AFTER });
        }
        Ok(self.applied(shard))
    }

    /// Waits until `revision` is applied, at most `patience`.
    pub async fn wait_for(&self, shard: Shard, revision: Revision, patience: Duration) -> Result<(), LagError> {
        if self.shard(shard).progress.wait_for(revision, patience).await {
            return Ok(());
        }
        Err(LagError::TooNew { asked: revision, applied: self.applied(shard) })
    }

    /// Lists a resource by its prefix (`/<group>/<resource>/`). Does not wait, does not copy objects.
    pub fn list(&self, prefix: &str, request: &ListRequest) -> Result<Page, ListError> {
        let (shard, table) = self.resource(prefix).ok_or(ListError::UnknownResource)?;
        let applied = shard.progress.applied();
        let at = match request.at {
            At::Latest => applied,
            At::Exact(asked) if asked > applied => return Err(ListError::TooNew { asked, applied }),
            At::Exact(asked) => asked,
        };
        list::page(&table, request, at)
    }

    /// Watches changes of a resource after `from`. A revision that is not reached yet is no error: the watch is silent until
    /// then. For a list and a watch without a gap, pass the list's [`Page::revision`].
    pub fn watch(
        &self,
        prefix: &str,
        scope: Scope,
        from: Revision,
        filter: Option<Filter>,
    ) -> Result<Watch, ListError> {
        let (shard, table) = self.resource(prefix).ok_or(ListError::UnknownResource)?;
        Ok(Watch::open(shard.clone(), table, scope, from, filter)?)
    }

    /// Moves the floor of `shard` here (not in storage) up to `floor`, as housekeeping does by and by.
    pub fn forget(&self, shard: Shard, floor: Revision) {
        housekeeping::forget(self.shard(shard), floor.min(self.applied(shard)));
    }

    /// Compares this cache with storage at one revision. Housekeeping does so too, and loads anew where they differ.
    pub async fn self_check(&self, shard: Shard) -> Result<bool, gantry_storage::ReadError> {
        self.shard(shard).matches_storage(&*self.storage).await
    }
}
