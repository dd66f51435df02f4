//! What happens by the clock: the floor rises, expired Events go, the cache is checked against storage.

use std::collections::VecDeque;

use gantry_storage::{CommitError, Expect, Operation, ReadError, Revision, Shard, Storage, Write};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::{CachedObject, shard::ShardCache};

/// Events expired in one go.
const EXPIRE_BATCH: usize = 512;

/// Revisions and when they were applied here: storage's log has no times, and needs none.
struct Ages {
    samples: VecDeque<(Instant, Revision)>,
}

impl Ages {
    fn note(&mut self, revision: Revision) {
        self.samples.push_back((Instant::now(), revision));
    }

    /// The newest noted revision that was applied before `then`; older notes are forgotten.
    fn before(&mut self, then: Instant) -> Option<Revision> {
        let old = self.samples.partition_point(|(at, _)| *at <= then);
        self.samples.drain(..old.saturating_sub(1));
        self.samples.front().filter(|(at, _)| *at <= then).map(|(_, revision)| *revision)
    }
}

/// Runs until cancelled.
pub(crate) async fn run(shard: &ShardCache, storage: &dyn Storage) {
    let options = shard.options();
    let (mut ages, mut event_ages) = (Ages { samples: VecDeque::new() }, Ages { samples: VecDeque::new() });
    let every = |period| {
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    };
    let (mut floors, mut checks) = (every(options.history / 5), every(options.self_check));
    let mut expiries = every(options.events_ttl / 60);
    loop {
        tokio::select! {
            _ = floors.tick() => {
                ages.note(shard.progress.applied());
                let floor = Instant::now().checked_sub(options.history).and_then(|then| ages.before(then));
                if let Some(floor) = floor {
                    raise_floor(shard, storage, floor).await;
                }
            }
            _ = checks.tick() => check(shard, storage).await,
            _ = expiries.tick(), if shard.shard == Shard::Events => {
                event_ages.note(shard.progress.applied());
                let then = Instant::now().checked_sub(options.events_ttl);
                if let Some(before) = then.and_then(|then| event_ages.before(then)) {
                    expire(shard, storage, before).await;
                }
            }
        }
    }
}

/// Forgets history at and below `floor` in this cache.
pub(crate) fn forget(shard: &ShardCache, floor: Revision) {
    shard.tables().values().for_each(|table| table.trim(floor));
}

async fn raise_floor(shard: &ShardCache, storage: &dyn Storage, floor: Revision) {
    forget(shard, floor);
    if shard.options().compact_storage
        && let Err(error) = storage.compact(shard.shard, floor).await
    {
        log(shard, "compaction waits for the next turn", &error);
    }
}

async fn check(shard: &ShardCache, storage: &dyn Storage) {
    match shard.matches_storage(storage).await {
        Ok(true) => tracing::debug!(shard = ?shard.shard, "the cache equals storage"),
        Ok(false) => {
            tracing::error!(shard = ?shard.shard, "the cache differs from storage and loads anew");
            shard.reload();
        }
        Err(error) => log(shard, "the self-check waits for the next turn", &error),
    }
}

fn log(shard: &ShardCache, what: &str, error: &ReadError) {
    tracing::warn!(shard = ?shard.shard, error = error as &dyn std::error::Error, "{what}");
}

/// Deletes objects that were last written at or before `before`. Replicas do so side by side: the first one wins.
async fn expire(shard: &ShardCache, storage: &dyn Storage, before: Revision) {
    for table in shard.tables().values() {
        loop {
            let old = table.unchanged_since(before, EXPIRE_BATCH);
            let deletes = old.iter().map(|object| storage.commit(deletion(shard.shard, object)));
            let outcomes = futures::future::join_all(deletes).await;
            let failed = outcomes.iter().any(|o| matches!(o, Err(e) if !matches!(e, CommitError::Conflict { .. })));
            if failed || old.len() < EXPIRE_BATCH {
                break;
            }
            let newest = outcomes.into_iter().flatten().map(|c| c.revision).max().unwrap_or_default();
            if !shard.progress.wait_for(newest, shard.options().lag_max).await {
                break;
            }
        }
    }
}

fn deletion(shard: Shard, object: &CachedObject) -> Write {
    Write {
        shard,
        key: object.key().clone(),
        expect: Expect::At(object.revision()),
        operation: Operation::Delete(object.stored()),
        claims: Vec::new(),
        with: Vec::new(),
        fence: None,
    }
}
