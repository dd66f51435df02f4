//! What the engine asks of durable state: compare-and-set by key under one growing revision, a change log to follow, and
//! fenced leases. `gantry-storage-pg` keeps it in PostgreSQL; [`memory`] keeps it in memory, for tests of what stands above.
//!
//! *Invariant*: revisions of a shard are assigned in commit order without gaps. Whoever has seen revision *n* has seen all
//! changes before it.

#[cfg(feature = "contract")]
pub mod contract;
pub mod digest;
pub mod error;
pub mod key;
pub mod memory;
pub mod revision;
pub mod store;
pub mod write;

pub use digest::{Digest, ResourceDigest};
pub use error::{CommitError, LeaseError, ReadError};
pub use key::Key;
pub use memory::MemoryStorage;
pub use revision::{Epoch, Revision, Shard};
pub use store::{Change, ChangeFeed, Head, Lease, Snapshot, Storage, StoredObject};
pub use write::{ClaimChange, Committed, Companion, Expect, Fence, Operation, Write};
