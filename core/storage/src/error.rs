//! Why storage refused.

use std::error::Error as StdError;

use thiserror::Error;

use crate::{Key, Revision};

type Cause = Box<dyn StdError + Send + Sync>;

#[derive(Debug, Error)]
pub enum CommitError {
    /// Another writer was first. `current` is `None` where nothing stands under the key.
    #[error("expected another revision; current is {current:?}")]
    Conflict { current: Option<Revision> },
    /// An object that was to change with the write stands at another revision, or stands where none should. Nothing was written.
    #[error("{key}, which is written with it, is not as expected; current is {current:?}")]
    CompanionConflict { key: Key, current: Option<Revision> },
    #[error("{value} of pool {pool} is taken by {owner}")]
    ClaimTaken { pool: String, value: String, owner: String },
    /// The fence's lease has a later holder, or the epoch is over. The writer must stop leading.
    #[error("fenced: a later leader or epoch exists")]
    Fenced,
    /// Nothing was written. Safe to try again.
    #[error("storage is unavailable")]
    Unavailable(#[source] Cause),
    /// The connection was lost at commit and the outcome could not be read back in time.
    #[error("the outcome of the write is unknown")]
    Unknown(#[source] Cause),
    /// The value cannot be stored (too large for a row, invalid text for the encoding).
    #[error("the value cannot be stored")]
    Rejected(#[source] Cause),
}

#[derive(Debug, Error)]
pub enum ReadError {
    /// The log before `floor` is gone: list again.
    #[error("revision {asked} is compacted; the floor is {floor}")]
    Compacted { asked: Revision, floor: Revision },
    #[error("storage is unavailable")]
    Unavailable(#[source] Cause),
}

#[derive(Debug, Error)]
pub enum LeaseError {
    #[error("storage is unavailable")]
    Unavailable(#[source] Cause),
}
