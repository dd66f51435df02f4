//! Where a shard's news within this process meet: own batches, and how far the log is known to reach.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use gantry_storage::{Change, Revision};
use tokio::sync::{broadcast, watch};

/// Own batches kept for feeds that are a little behind; those further behind read the log.
const BATCHES_KEPT: usize = 64;

pub(crate) struct Hub {
    /// Own batches, in order, right after their commit.
    batches: broadcast::Sender<Arc<Vec<Change>>>,
    /// The newest revision that anyone was told of.
    head: watch::Sender<Revision>,
    /// An own batch is on its way: what the log has beyond the feed is most likely this.
    pub in_flight: AtomicBool,
}

impl Hub {
    pub fn new() -> Self {
        let (batches, head) = (broadcast::channel(BATCHES_KEPT).0, watch::channel(Revision::ZERO).0);
        Self { batches, head, in_flight: AtomicBool::new(false) }
    }

    pub fn follow(&self) -> (broadcast::Receiver<Arc<Vec<Change>>>, watch::Receiver<Revision>) {
        (self.batches.subscribe(), self.head.subscribe())
    }

    pub fn is_followed(&self) -> bool {
        self.batches.receiver_count() > 0
    }

    /// Hands over a committed batch.
    pub fn publish(&self, batch: Vec<Change>) {
        // No feed, no receiver.
        self.batches.send(Arc::new(batch)).ok();
    }

    /// The log reaches `revision`; feeds that do not get there by own batches read it.
    pub fn hint(&self, revision: Revision) {
        if !self.in_flight.load(Ordering::Acquire) {
            self.head.send_if_modified(|head| {
                let news = revision > *head;
                *head = revision.max(*head);
                news
            });
        }
    }
}
