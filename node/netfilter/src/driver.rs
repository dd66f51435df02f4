//! What a packet filter must be able to do for a node; iptables is the first that can.

use async_trait::async_trait;

use crate::chain::{ChainRef, RuleSet};

/// What to make of the packet filter.
#[derive(Clone, Copy, Debug)]
pub enum Update<'a> {
    /// Exactly this: chains of ours that are not named go away.
    Replace(&'a RuleSet),
    /// These chains as given, `removed` away, all others as they are. Hooks are not touched.
    Change { set: &'a RuleSet, removed: &'a [ChainRef] },
}

/// What an update took.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Applied {
    /// Lines that went to the kernel; 0: it was so already.
    pub lines: usize,
    pub bytes: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum FirewallError {
    #[error("{program} cannot be started")]
    Start { program: String, source: std::io::Error },
    #[error("{program} was not served to its end")]
    Pipe { program: String, source: std::io::Error },
    /// The change was refused; tables that were committed before the refused one keep theirs.
    #[error("{program} refused the change: {message}")]
    Refused { program: String, message: String },
}

/// Owns the chains that its [`crate::Ownership`] names, in the network namespace that the process runs in.
///
/// One caller at a time. After an error the driver reads the kernel back before the next update, so an update may simply
/// be sent again.
#[async_trait]
pub trait FirewallDriver: Send + Sync {
    /// Makes the kernel follow, one atomic step per table.
    async fn apply(&mut self, update: Update<'_>) -> Result<Applied, FirewallError>;

    /// True if what was applied still stands, as far as a cheap look can tell: somebody may have flushed the tables.
    async fn stands(&mut self) -> Result<bool, FirewallError>;

    /// Reads back what of ours is in the kernel, and builds every later difference on that.
    async fn adopt(&mut self) -> Result<(), FirewallError>;

    /// Removes everything of ours.
    async fn clear(&mut self) -> Result<(), FirewallError> {
        self.apply(Update::Replace(&RuleSet::default())).await.map(drop)
    }
}
