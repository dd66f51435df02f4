//! How far a shard's log is applied, and who waits for it.

use std::{
    cmp::Ordering as Order,
    collections::BinaryHeap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use gantry_storage::Revision;
use parking_lot::Mutex;
use tokio::{sync::oneshot, time::timeout};

struct Waiter {
    revision: Revision,
    wake: oneshot::Sender<()>,
}

impl PartialEq for Waiter {
    fn eq(&self, other: &Self) -> bool {
        self.revision == other.revision
    }
}
impl Eq for Waiter {}
impl PartialOrd for Waiter {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}
impl Ord for Waiter {
    /// The lowest revision is the greatest, so it comes first out of the heap.
    fn cmp(&self, other: &Self) -> Order {
        other.revision.cmp(&self.revision)
    }
}

/// A revision that only grows. Each waiter is woken once, when its own revision is reached.
#[derive(Default)]
pub(crate) struct Progress {
    applied: AtomicU64,
    waiting: Mutex<BinaryHeap<Waiter>>,
}

impl Progress {
    pub fn applied(&self) -> Revision {
        Revision(self.applied.load(Ordering::Acquire))
    }

    pub fn advance(&self, to: Revision) {
        self.applied.fetch_max(to.0, Ordering::AcqRel);
        let mut waiting = self.waiting.lock();
        while waiting.peek().is_some_and(|w| w.revision <= to) {
            if let Some(waiter) = waiting.pop() {
                // Who no longer waits has dropped its receiver.
                waiter.wake.send(()).ok();
            }
        }
    }

    /// True once `revision` is applied, false if `patience` ends before.
    pub async fn wait_for(&self, revision: Revision, patience: Duration) -> bool {
        if self.applied() >= revision {
            return true;
        }
        let reached = self.enlist(revision);
        matches!(timeout(patience, reached).await, Ok(Ok(())))
    }

    fn enlist(&self, revision: Revision) -> oneshot::Receiver<()> {
        let (wake, reached) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        // `advance` may have passed between the caller's look and this lock.
        if self.applied() >= revision {
            wake.send(()).ok();
        } else {
            waiting.push(Waiter { revision, wake });
        }
        reached
    }
}
