//! From an accepted object to stored bytes.

use std::sync::Arc;

use gantry_meta::Object;
use gantry_storage::{ClaimChange, CommitError, Companion, Expect, Key, Operation, Write as StorageWrite};
use gantry_watch_cache::CachedObject;

use super::{Write, stages::Accepted};
use crate::served::Served;

/// What changes in the transaction of an object's own change, and only with it.
#[derive(Default)]
pub(crate) struct Along {
    pub claims: Vec<ClaimChange>,
    pub objects: Vec<Companion>,
}

/// The bytes that are stored for an object of the served version.
pub(crate) fn stored_bytes(served: &Served, object: Object) -> Vec<u8> {
    gantry_codec::encode_stored(&served.to_stored(object))
}

impl Write<'_> {
    /// Puts the object, with what goes along, if `expect` still holds.
    pub async fn put(
        &self,
        accepted: Accepted,
        expect: Expect,
        along: Along,
    ) -> Result<Arc<CachedObject>, CommitError> {
        let object = accepted.into_object();
        let key = self.served.key(self.namespace, gantry_meta::ObjectView::name(&object));
        let operation = Operation::Put(stored_bytes(self.served, object).into());
        self.commit(key, expect, operation, along).await
    }

    /// Removes the object; `last` is what watchers are shown.
    pub async fn remove(&self, last: Object, expect: Expect, along: Along) -> Result<Arc<CachedObject>, CommitError> {
        let key = self.served.key(self.namespace, gantry_meta::ObjectView::name(&last));
        let operation = Operation::Delete(stored_bytes(self.served, last).into());
        self.commit(key, expect, operation, along).await
    }

    async fn commit(
        &self,
        key: Key,
        expect: Expect,
        operation: Operation,
        Along { claims, objects: with }: Along,
    ) -> Result<Arc<CachedObject>, CommitError> {
        let shard = self.served.shard;
        self.state.cache.commit(StorageWrite { shard, key, expect, operation, claims, with, fence: None }).await
    }
}
