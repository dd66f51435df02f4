//! From an accepted object to stored bytes.

use std::sync::Arc;

use gantry_meta::Object;
use gantry_storage::{ClaimChange, CommitError, Expect, Operation, Write as StorageWrite};
use gantry_watch_cache::CachedObject;

use super::{Write, stages::Accepted};
use crate::served::Served;

/// The bytes that are stored for an object of the served version.
fn stored_bytes(served: &Served, object: Object) -> Vec<u8> {
    gantry_codec::encode_stored(&served.to_stored(object))
}

impl Write<'_> {
    /// Puts the object, with what it claims, if `expect` still holds.
    pub async fn put(
        &self,
        accepted: Accepted,
        expect: Expect,
        claims: Vec<ClaimChange>,
    ) -> Result<Arc<CachedObject>, CommitError> {
        let object = accepted.into_object();
        let key = self.served.key(self.namespace, gantry_meta::ObjectView::name(&object));
        let operation = Operation::Put(stored_bytes(self.served, object).into());
        let write = StorageWrite { shard: self.served.shard, key, expect, operation, claims, fence: None };
        self.state.cache.commit(write).await
    }

    /// Removes the object; `last` is what watchers are shown.
    pub async fn remove(
        &self,
        last: Object,
        expect: Expect,
        claims: Vec<ClaimChange>,
    ) -> Result<Arc<CachedObject>, CommitError> {
        let key = self.served.key(self.namespace, gantry_meta::ObjectView::name(&last));
        let operation = Operation::Delete(stored_bytes(self.served, last).into());
        let write = StorageWrite { shard: self.served.shard, key, expect, operation, claims, fence: None };
        self.state.cache.commit(write).await
    }
}
