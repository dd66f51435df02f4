//! The trait that the engine writes to and reads its feed from.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::{CommitError, Committed, Digest, Epoch, Key, LeaseError, ReadError, Revision, Shard, Write};

/// The newest state of a shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    pub revision: Revision,
    /// Changes at or below this revision may be gone from the log.
    pub compacted: Revision,
    pub epoch: Epoch,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredObject {
    pub key: Key,
    pub revision: Revision,
    pub create_revision: Revision,
    pub value: Bytes,
}

/// All objects of a shard as of one revision.
pub struct Snapshot {
    pub head: Head,
    pub objects: BoxStream<'static, Result<StoredObject, ReadError>>,
}

/// One entry of the change log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    pub revision: Revision,
    pub create_revision: Revision,
    pub key: Key,
    /// `None`: the key did not exist before.
    pub previous: Option<Revision>,
    /// The state written, or the last state of what was deleted.
    pub value: Bytes,
    pub deleted: bool,
}

/// Batches of contiguous changes in order. Ends with `Compacted` when the reader fell below the floor, and with
/// `Unavailable` when the connection is lost (call again from the last revision seen).
pub type ChangeFeed = BoxStream<'static, Result<Vec<Change>, ReadError>>;

/// A lease that is held until `ttl` after its last renewal, by storage's own clock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    pub name: String,
    pub holder: String,
    /// Grows with each change of holder; see [`crate::Fence`].
    pub token: u64,
}

#[async_trait]
pub trait Storage: Send + Sync + 'static {
    /// Writes if `write.expect` holds, and those of all that is written with it. Many concurrent calls share one commit. Returns when durable.
    async fn commit(&self, write: Write) -> Result<Committed, CommitError>;

    /// The newest committed revision; concurrent calls share one query.
    async fn head(&self, shard: Shard) -> Result<Head, ReadError>;

    /// Everything as of one revision, to fill a cache from.
    async fn snapshot(&self, shard: Shard) -> Result<Snapshot, ReadError>;

    /// Follows the log from just after `after`. Never skips, repeats or reorders.
    fn feed(&self, shard: Shard, after: Revision) -> ChangeFeed;

    /// Fingerprints of all objects per resource as of one revision, to check a cache against.
    async fn digest(&self, shard: Shard) -> Result<Digest, ReadError>;

    /// Lets the log forget what is at or below `floor`.
    async fn compact(&self, shard: Shard, floor: Revision) -> Result<(), ReadError>;

    /// Takes or renews a lease. `Ok(None)`: someone else holds it.
    async fn lease_acquire(&self, name: &str, holder: &str, ttl: Duration) -> Result<Option<Lease>, LeaseError>;

    /// Gives a lease back early; one that is no longer held is no error.
    async fn lease_release(&self, lease: &Lease) -> Result<(), LeaseError>;
}
