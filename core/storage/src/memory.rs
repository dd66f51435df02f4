//! Storage in memory: one lock, no durability. For tests of what stands above storage; it passes the same contract suite as
//! the one on PostgreSQL.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    io,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use tokio::{sync::watch, time::Instant};

use crate::{
    Change, ChangeFeed, ClaimChange, CommitError, Committed, Companion, Digest, Epoch, Expect, Fence, Head, Key, Lease,
    LeaseError, Operation, ReadError, Revision, Shard, Snapshot, Storage, StoredObject, Write,
};

/// How many changes one batch of a feed carries at most.
const FEED_BATCH: usize = 256;

#[derive(Default)]
struct History {
    head: Revision,
    compacted: Revision,
    objects: BTreeMap<Key, StoredObject>,
    log: VecDeque<Change>,
}

struct HeldLease {
    holder: String,
    token: u64,
    until: Instant,
}

#[derive(Default)]
struct State {
    histories: [History; Shard::ALL.len()],
    /// (pool, value) to the key that owns it.
    claims: HashMap<(String, String), Key>,
    leases: HashMap<String, HeldLease>,
    unavailable: bool,
}

/// See the module.
#[derive(Default)]
pub struct MemoryStorage {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    /// Bumped at every change of `state` that a feed may wait for.
    changed: watch::Sender<u64>,
}

impl Default for Inner {
    fn default() -> Self {
        Self { state: Mutex::default(), changed: watch::channel(0).0 }
    }
}

impl MemoryStorage {
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets every call fail with `Unavailable` and ends every feed, until it is called with `true`.
    pub fn set_available(&self, available: bool) {
        self.inner.state.lock().unavailable = !available;
        self.inner.wake_feeds();
    }
}

impl Inner {
    fn wake_feeds(&self) {
        self.changed.send_modify(|n| *n += 1);
    }

    /// The next changes after `after`; empty when there are none yet.
    fn changes_after(&self, shard: Shard, after: Revision) -> Result<Vec<Change>, ReadError> {
        let state = self.state.lock();
        let history = state.reachable()?.history(shard);
        if after < history.compacted {
            return Err(ReadError::Compacted { asked: after, floor: history.compacted });
        }
        let from = history.log.partition_point(|c| c.revision <= after);
        Ok(history.log.iter().skip(from).take(FEED_BATCH).cloned().collect())
    }
}

fn down() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "set unavailable by the test")
}

impl State {
    fn reachable(&self) -> Result<&Self, ReadError> {
        if self.unavailable { Err(ReadError::Unavailable(down().into())) } else { Ok(self) }
    }

    fn history(&self, shard: Shard) -> &History {
        &self.histories[shard as usize]
    }

    fn check_fence(&self, fence: &Fence) -> Result<(), CommitError> {
        let current = self.leases.get(&fence.lease).map(|held| held.token);
        if current == Some(fence.token) { Ok(()) } else { Err(CommitError::Fenced) }
    }

    fn check_claims(&self, key: &Key, claims: &[ClaimChange]) -> Result<(), CommitError> {
        for claim in claims {
            let ClaimChange::Take { pool, value } = claim else { continue };
            match self.claims.get(&(pool.clone(), value.clone())) {
                Some(owner) if owner != key => {
                    let owner = owner.to_string();
                    return Err(CommitError::ClaimTaken { pool: pool.clone(), value: value.clone(), owner });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn apply_claims(&mut self, key: &Key, claims: Vec<ClaimChange>) {
        for claim in claims {
            match claim {
                ClaimChange::Take { pool, value } => {
                    self.claims.insert((pool, value), key.clone());
                }
                ClaimChange::Release { pool, value } => {
                    let place = (pool, value);
                    if self.claims.get(&place) == Some(key) {
                        self.claims.remove(&place);
                    }
                }
            }
        }
    }

    fn commit(&mut self, write: Write) -> Result<Committed, CommitError> {
        if self.unavailable {
            return Err(CommitError::Unavailable(down().into()));
        }
        if let Some(fence) = &write.fence {
            self.check_fence(fence)?;
        }
        let current = self.history(write.shard).standing(&write.key);
        if current.map(|c| c.0) != expected(write.expect) {
            return Err(CommitError::Conflict { current: current.map(|c| c.0) });
        }
        for companion in &write.with {
            let current = self.history(write.shard).standing(&companion.key).map(|c| c.0);
            if current != expected(companion.expect) {
                return Err(CommitError::CompanionConflict { key: companion.key.clone(), current });
            }
        }
        self.check_claims(&write.key, &write.claims)?;
        self.apply_claims(&write.key, write.claims);
        let history = &mut self.histories[write.shard as usize];
        let committed = history.append(write.key, current, write.operation);
        for Companion { key, operation, .. } in write.with {
            let current = history.standing(&key);
            history.append(key, current, operation);
        }
        Ok(committed)
    }
}

fn expected(expect: Expect) -> Option<Revision> {
    match expect {
        Expect::Absent => None,
        Expect::At(revision) => Some(revision),
    }
}

impl History {
    /// Revision and creation of what stands under a key.
    fn standing(&self, key: &Key) -> Option<(Revision, Revision)> {
        self.objects.get(key).map(|o| (o.revision, o.create_revision))
    }

    fn append(&mut self, key: Key, current: Option<(Revision, Revision)>, operation: Operation) -> Committed {
        let revision = self.head.next();
        let create_revision = current.map_or(revision, |c| c.1);
        let (value, deleted): (Bytes, bool) = match operation {
            Operation::Put(value) => (value, false),
            Operation::Delete(last) => (last, true),
        };
        if deleted {
            self.objects.remove(&key);
        } else {
            let object = StoredObject { key: key.clone(), revision, create_revision, value: value.clone() };
            self.objects.insert(key.clone(), object);
        }
        self.log.push_back(Change { revision, create_revision, key, previous: current.map(|c| c.0), value, deleted });
        self.head = revision;
        Committed { revision, create_revision, epoch: EPOCH }
    }

    fn head(&self) -> Head {
        Head { revision: self.head, compacted: self.compacted, epoch: EPOCH }
    }
}

/// Memory knows no promotion.
const EPOCH: Epoch = Epoch(1);

#[async_trait]
impl Storage for MemoryStorage {
    async fn commit(&self, write: Write) -> Result<Committed, CommitError> {
        let committed = self.inner.state.lock().commit(write)?;
        self.inner.wake_feeds();
        Ok(committed)
    }

    async fn head(&self, shard: Shard) -> Result<Head, ReadError> {
        Ok(self.inner.state.lock().reachable()?.history(shard).head())
    }

    async fn snapshot(&self, shard: Shard) -> Result<Snapshot, ReadError> {
        let state = self.inner.state.lock();
        let history = state.reachable()?.history(shard);
        let objects: Vec<_> = history.objects.values().cloned().map(Ok).collect();
        Ok(Snapshot { head: history.head(), objects: stream::iter(objects).boxed() })
    }

    fn feed(&self, shard: Shard, after: Revision) -> ChangeFeed {
        let changed = self.inner.changed.subscribe();
        stream::unfold(Some((self.inner.clone(), changed, after)), move |state| async move {
            let (inner, mut changed, after) = state?;
            loop {
                changed.borrow_and_update();
                match inner.changes_after(shard, after) {
                    Err(error) => return Some((Err(error), None)),
                    Ok(changes) => {
                        if let Some(last) = changes.last().map(|c| c.revision) {
                            return Some((Ok(changes), Some((inner, changed, last))));
                        }
                    }
                }
                // The sender lives in `inner`, which this stream holds: waiting cannot fail.
                changed.changed().await.ok()?;
            }
        })
        .boxed()
    }

    async fn digest(&self, shard: Shard) -> Result<Digest, ReadError> {
        let state = self.inner.state.lock();
        let history = state.reachable()?.history(shard);
        let mut digest = Digest { revision: history.head, ..Digest::default() };
        history.objects.values().for_each(|o| digest.add(&o.key, o.revision));
        Ok(digest)
    }

    async fn compact(&self, shard: Shard, floor: Revision) -> Result<(), ReadError> {
        let mut state = self.inner.state.lock();
        state.reachable()?;
        let history = &mut state.histories[shard as usize];
        history.compacted = floor.min(history.head).max(history.compacted);
        let gone = history.log.partition_point(|c| c.revision <= history.compacted);
        history.log.drain(..gone);
        drop(state);
        self.inner.wake_feeds();
        Ok(())
    }

    async fn lease_acquire(&self, name: &str, holder: &str, ttl: Duration) -> Result<Option<Lease>, LeaseError> {
        let mut state = self.inner.state.lock();
        if state.unavailable {
            return Err(LeaseError::Unavailable(down().into()));
        }
        let now = Instant::now();
        let (token, until) = match state.leases.get(name) {
            Some(held) if held.holder == holder => (held.token, now + ttl),
            Some(held) if held.until > now => return Ok(None),
            Some(lapsed) => (lapsed.token + 1, now + ttl),
            None => (1, now + ttl),
        };
        state.leases.insert(name.to_owned(), HeldLease { holder: holder.to_owned(), token, until });
        Ok(Some(Lease { name: name.to_owned(), holder: holder.to_owned(), token }))
    }

    async fn lease_release(&self, lease: &Lease) -> Result<(), LeaseError> {
        let mut state = self.inner.state.lock();
        if let Some(held) = state.leases.get_mut(&lease.name).filter(|h| h.token == lease.token) {
            held.until = Instant::now();
            held.holder.clear();
        }
        Ok(())
    }
}
