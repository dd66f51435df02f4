//! Why the cache cannot answer.

use std::time::Duration;

use gantry_storage::{ReadError, Revision};
use thiserror::Error;

/// History no longer reaches back to what was asked: 410 `Expired` on the wire. List again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("history before revision {floor} is gone")]
pub struct Expired {
    pub floor: Revision,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum ListError {
    #[error(transparent)]
    Expired(#[from] Expired),
    /// Call [`crate::WatchCache::wait_for`] first.
    #[error("revision {asked} is not applied yet; applied is {applied}")]
    TooNew { asked: Revision, applied: Revision },
    /// No resource of that prefix was added to the cache.
    #[error("the resource is not known to the cache")]
    UnknownResource,
}

/// The cache does not get to a revision in time.
#[derive(Debug, Error)]
pub enum LagError {
    /// The revision asked for was not reached: 504 with cause ResourceVersionTooLarge on the wire.
    #[error("revision {asked} is not reached; applied is {applied}")]
    TooNew { asked: Revision, applied: Revision },
    /// The feed is behind storage: 503 with Retry-After on the wire.
    #[error("the cache is behind storage, try again in {retry_after:?}")]
    Lagging { retry_after: Duration },
    /// Storage cannot be asked: 503 with Retry-After on the wire.
    #[error("storage is unavailable, try again in {retry_after:?}")]
    Unavailable {
        retry_after: Duration,
        #[source]
        source: ReadError,
    },
}
