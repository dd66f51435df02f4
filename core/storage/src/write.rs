//! One write: what to change, on which condition, with which claims.

use bytes::Bytes;

use crate::{Epoch, Key, Revision, Shard};

/// What must hold for a write to happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    /// No object stands under the key.
    Absent,
    /// The object's newest change has this revision.
    At(Revision),
}

/// Values are the object's canonical JSON without `metadata.resourceVersion`; see `gantry-codec` for where it is spliced in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    Put(Bytes),
    /// Carries the last state, which watchers receive in the DELETED event.
    Delete(Bytes),
}

/// A unique allocation (a cluster address, a node port), committed in the same transaction as its object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClaimChange {
    /// Fails the write with [`crate::CommitError::ClaimTaken`] where another owner holds it.
    Take { pool: String, value: String },
    /// Gives back what this write's key owns; a claim that is not there is no error.
    Release { pool: String, value: String },
}

/// Another object that changes in the same transaction as a write, and only with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Companion {
    pub key: Key,
    pub expect: Expect,
    pub operation: Operation,
}

/// Proof of leadership: the write is refused once a later holder has the lease.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fence {
    pub lease: String,
    pub token: u64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Write {
    pub shard: Shard,
    pub key: Key,
    pub expect: Expect,
    pub operation: Operation,
    pub claims: Vec<ClaimChange>,
    /// Objects of the same shard that stand or fall with this one, of other keys. They take the revisions after its own, in their
    /// order.
    pub with: Vec<Companion>,
    pub fence: Option<Fence>,
}

/// A write that is durable (as its shard promises) and visible to every later reader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Committed {
    pub revision: Revision,
    pub create_revision: Revision,
    pub epoch: Epoch,
}
