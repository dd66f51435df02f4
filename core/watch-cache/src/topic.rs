//! Rings of events that watchers of the same part of a resource share.

use std::{
    collections::{VecDeque, vec_deque},
    sync::Arc,
};

use gantry_storage::Revision;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::{Batch, Expired, event::Event};

/// The events of one [`crate::Scope`] since the floor, and the bell that wakes its watchers.
pub(crate) struct Topic {
    ring: RwLock<Ring>,
    /// What the last watch was handed that takes every event, and the cursor it had: the next one most likely has the same.
    handed: Mutex<Option<(Revision, Arc<Batch>)>>,
    pub bell: Notify,
}

struct Ring {
    events: VecDeque<(Revision, Arc<Event>)>,
    /// The newest revision that was dropped from the ring: a cursor before it has missed something.
    dropped: Revision,
    /// Every event of the scope after this revision is in the ring.
    complete_after: Revision,
    /// History was replaced as a whole: every cursor has missed something.
    expired: bool,
}

type Events<'a> = vec_deque::Iter<'a, (Revision, Arc<Event>)>;

impl Ring {
    fn after(&self, cursor: Revision, limit: usize) -> Result<Events<'_>, Expired> {
        if self.expired || cursor < self.dropped {
            return Err(Expired { floor: self.dropped });
        }
        let from = self.events.partition_point(|(r, _)| *r <= cursor);
        Ok(self.events.range(from..self.events.len().min(from + limit)))
    }
}

impl Topic {
    pub fn new(complete_after: Revision) -> Self {
        let ring = Ring { events: VecDeque::new(), dropped: Revision::ZERO, complete_after, expired: false };
        Self { ring: RwLock::new(ring), handed: Mutex::default(), bell: Notify::new() }
    }

    /// The topic of a whole resource, of which nothing is known before `floor`.
    pub fn since(floor: Revision) -> Self {
        let topic = Self::new(floor);
        topic.ring.write().dropped = floor;
        topic
    }

    /// The newest revision that a watch must have seen, as its event is no longer here.
    pub fn dropped(&self) -> Revision {
        self.ring.read().dropped
    }

    /// Adds the newest event. The caller rings the bell once its batch is complete.
    pub fn push(&self, event: Arc<Event>) {
        self.ring.write().events.push_back((event.revision, event));
    }

    /// Drops the oldest event and returns it, if it is at or below `floor`.
    pub fn pop_through(&self, floor: Revision) -> Option<Arc<Event>> {
        let mut ring = self.ring.write();
        let (revision, _) = ring.events.front().filter(|(r, _)| *r <= floor)?;
        ring.dropped = *revision;
        ring.complete_after = ring.complete_after.max(floor);
        let (_, event) = ring.events.pop_front()?;
        self.forget_handed(&ring);
        Some(event)
    }

    /// Drops everything at or below `floor`.
    pub fn trim(&self, floor: Revision) {
        let mut ring = self.ring.write();
        let gone = ring.events.partition_point(|(r, _)| *r <= floor);
        if let Some((revision, _)) = gone.checked_sub(1).and_then(|last| ring.events.get(last)) {
            ring.dropped = *revision;
        }
        ring.events.drain(..gone);
        ring.complete_after = ring.complete_after.max(floor);
        self.forget_handed(&ring);
    }

    /// What nobody can ask for again is not kept.
    fn forget_handed(&self, ring: &Ring) {
        if ring.events.is_empty() {
            *self.handed.lock() = None;
        }
    }

    /// Ends every watch on this topic with `Expired`.
    pub fn expire(&self, floor: Revision) {
        let mut ring = self.ring.write();
        ring.events.clear();
        ring.dropped = floor;
        ring.expired = true;
        self.forget_handed(&ring);
        drop(ring);
        self.bell.notify_waiters();
    }

    pub fn oldest(&self) -> Option<Revision> {
        self.ring.read().events.front().map(|(r, _)| *r)
    }

    pub fn newest(&self) -> Option<Revision> {
        self.ring.read().events.back().map(|(r, _)| *r)
    }

    /// How many more objects stand since `cursor`, of those that `belongs` accepts; `None`: the ring does not reach so far.
    pub fn came_since(&self, cursor: Revision, belongs: impl Fn(&Event) -> bool) -> Option<i64> {
        let ring = self.ring.read();
        let events = ring.after(cursor, ring.events.len()).ok()?;
        let came = |event: &Event| i64::from(!event.deleted) - i64::from(event.previous.is_some());
        Some(events.filter(|(_, event)| belongs(event)).map(|(_, event)| came(event)).sum())
    }

    /// Up to `limit` events after `cursor`, in order.
    pub fn after(&self, cursor: Revision, limit: usize) -> Result<Vec<Arc<Event>>, Expired> {
        Ok(self.ring.read().after(cursor, limit)?.map(|(_, event)| event.clone()).collect())
    }

    /// Up to `limit` events after `cursor`, all of them selected; `None` if there are none. Watches that ask for the same get
    /// the same.
    pub fn batch_after(&self, cursor: Revision, limit: usize) -> Result<Option<Arc<Batch>>, Expired> {
        let ring = self.ring.read();
        let events = ring.after(cursor, limit)?;
        let Some((last, _)) = events.clone().next_back() else { return Ok(None) };
        let mut handed = self.handed.lock();
        if let Some((from, batch)) = &*handed
            && (*from, batch.revision) == (cursor, *last)
        {
            return Ok(Some(batch.clone()));
        }
        let batch = Arc::new(Batch::new(events.filter_map(|(_, event)| event.delivery(|_| true)).collect(), *last));
        *handed = Some((cursor, batch.clone()));
        Ok(Some(batch))
    }

    /// Makes the ring reach back to just after `from`, with events of the resource's whole ring that `belongs` accepts.
    /// The caller keeps both rings from changing meanwhile (the table's lock) and has checked `from` against the floor.
    pub fn extend_back(&self, from: Revision, whole: &Topic, belongs: impl Fn(&Event) -> bool) {
        let mut ring = self.ring.write();
        if from >= ring.complete_after {
            return;
        }
        let whole = whole.ring.read();
        let start = whole.events.partition_point(|(r, _)| *r <= from);
        let end = whole.events.partition_point(|(r, _)| *r <= ring.complete_after);
        for (revision, event) in whole.events.range(start..end).rev().filter(|(_, e)| belongs(e)) {
            ring.events.push_front((*revision, event.clone()));
        }
        ring.complete_after = from;
    }
}
