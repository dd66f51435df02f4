//! Writes that are readable here as soon as they are acknowledged.

use std::sync::Arc;

use gantry_storage::{CommitError, Committed, Expect, Key, Operation, Revision, Write};

use crate::{CachedObject, WatchCache, table::Table};

impl WatchCache {
    /// Commits, waits until this cache has applied the commit, and returns the object as written (for a delete: its last
    /// state under the deletion's revision).
    ///
    /// Stale writes are refused from the cache where that is certain, without a round trip. Once storage acknowledged, this
    /// does not fail: if the feed does not arrive within [`crate::CacheOptions::lag_max`] the object is returned anyway, and
    /// consistent reads wait.
    pub async fn commit(&self, write: Write) -> Result<Arc<CachedObject>, CommitError> {
        let Some(table) = self.table(&write.key) else {
            return Err(CommitError::Rejected(format!("no resource is configured for {}", write.key).into()));
        };
        refuse_stale(&table, &write)?;
        let (shard, key) = (self.shard(write.shard), write.key.clone());
        let (value, deleted) = match &write.operation {
            Operation::Put(value) => (value.clone(), false),
            Operation::Delete(last) => (last.clone(), true),
        };
        let along = write.with.len() as u64;
        let committed = self.storage.commit(write).await?;
        // What is written with it takes the revisions that follow.
        let last = Revision(committed.revision.0 + along);
        let applied = shard.progress.wait_for(last, self.options.lag_max).await;
        let written = (applied && !deleted).then(|| table.get_at(key.as_str(), committed.revision)).flatten();
        Ok(written.unwrap_or_else(|| rebuilt(&table, key, committed, &value)))
    }
}

/// A version newer than the expected one can only have been followed by newer ones. An absent or older one proves nothing:
/// the cache may be behind.
fn refuse_stale(table: &Table, write: &Write) -> Result<(), CommitError> {
    let Expect::At(expected) = write.expect else { return Ok(()) };
    match table.get(write.key.as_str()) {
        Some(newer) if newer.revision() > expected => Err(CommitError::Conflict { current: Some(newer.revision()) }),
        _ => Ok(()),
    }
}

fn rebuilt(table: &Table, key: Key, committed: Committed, value: &[u8]) -> Arc<CachedObject> {
    let Committed { revision, create_revision, .. } = committed;
    Arc::new(CachedObject::new(&table.config, key, revision, create_revision, value))
}
