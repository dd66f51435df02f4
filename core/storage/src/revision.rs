//! Revisions and the shards that count them.

use std::fmt;

/// A place in a shard's history. `resourceVersion` is its decimal spelling on the wire. 0 is before everything.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Revision(pub u64);

impl Revision {
    pub const ZERO: Self = Self(0);

    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Grows at each promotion or restore; a writer that still has an older one is refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Epoch(pub u64);

/// Histories that count apart. A resource lives in exactly one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(i32)]
pub enum Shard {
    /// Everything that must survive: fsync before the answer.
    Durable = 0,
    /// Events: kept for an hour.
    Events = 1,
    /// Node leases: no wait for fsync.
    Leases = 2,
}

impl Shard {
    pub const ALL: [Self; 3] = [Self::Durable, Self::Events, Self::Leases];
}
