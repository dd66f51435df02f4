//! Following the log: own batches from memory, everything else from the table.

use std::sync::{Arc, atomic::Ordering};

use futures::{StreamExt, stream};
use gantry_storage::{Change, ChangeFeed, Key, ReadError, Revision, Shard};
use sqlx::PgPool;
use tokio::sync::{
    broadcast::{self, error::RecvError},
    watch,
};

use crate::{batch::revision, errors::unreadable, hub::Hub};

/// Changes read from the table in one go.
const READ_MAX: i64 = 256;

struct Tailer {
    pool: PgPool,
    hub: Arc<Hub>,
    shard: Shard,
    /// The newest revision handed out.
    after: Revision,
    batches: broadcast::Receiver<Arc<Vec<Change>>>,
    head: watch::Receiver<Revision>,
    /// An own batch that waits until what is before it was read.
    early: Option<Arc<Vec<Change>>>,
    /// The table may hold more: read it before waiting for news.
    behind: bool,
}

pub(crate) fn feed(pool: PgPool, hub: Arc<Hub>, shard: Shard, after: Revision) -> ChangeFeed {
    let (batches, head) = hub.follow();
    let tailer = Tailer { pool, hub, shard, after, batches, head, early: None, behind: true };
    stream::unfold(Some(tailer), async |tailer| {
        let mut tailer = tailer?;
        match tailer.next().await {
            Ok(changes) => Some((Ok(changes), Some(tailer))),
            Err(error) => Some((Err(error), None)),
        }
    })
    .boxed()
}

impl Tailer {
    async fn next(&mut self) -> Result<Vec<Change>, ReadError> {
        loop {
            let found = if self.behind { self.read_on().await? } else { self.hear().await };
            if let Some(last) = found.last() {
                self.after = last.revision;
                return Ok(found);
            }
        }
    }

    /// The next changes of the table, which reach to `early` if there is one.
    async fn read_on(&mut self) -> Result<Vec<Change>, ReadError> {
        let changes = read(&self.pool, self.shard, self.after).await?;
        let full = changes.len() == READ_MAX as usize;
        let reached = changes.last().map_or(self.after, |c| c.revision);
        let early = self.early.as_ref().and_then(|batch| batch.first()).map(|c| c.revision);
        self.behind = full || early.is_some_and(|first| first > reached.next());
        Ok(changes)
    }

    /// Waits for news. Empty: there is something to read, or nothing new.
    async fn hear(&mut self) -> Vec<Change> {
        if let Some(batch) = self.early.take() {
            return self.beyond(batch);
        }
        tokio::select! {
            biased;
            batch = self.batches.recv() => match batch {
                Ok(batch) => self.beyond(batch),
                Err(RecvError::Lagged(_)) => self.read_next(),
                // The storage is gone, and with it whoever would write here; peers' changes still come.
                Err(RecvError::Closed) => std::future::pending().await,
            },
            Ok(()) = self.head.changed() => {
                let head = *self.head.borrow_and_update();
                let own_is_coming = self.hub.in_flight.load(Ordering::Acquire);
                if head > self.after && !own_is_coming { self.read_next() } else { Vec::new() }
            }
        }
    }

    fn read_next(&mut self) -> Vec<Change> {
        self.behind = true;
        Vec::new()
    }

    /// What of an own batch is new. Where something is missing before it, the batch waits.
    fn beyond(&mut self, batch: Arc<Vec<Change>>) -> Vec<Change> {
        match batch.first() {
            Some(first) if first.revision > self.after.next() => {
                self.early = Some(batch);
                self.read_next()
            }
            _ => {
                let seen = batch.partition_point(|c| c.revision <= self.after);
                batch[seen..].to_vec()
            }
        }
    }
}

type Row = (i64, bool, String, Option<i64>, i64, Vec<u8>);

/// The changes after `after`, contiguous from there on.
pub(crate) async fn read(pool: &PgPool, shard: Shard, after: Revision) -> Result<Vec<Change>, ReadError> {
    let text = "SELECT rv, deleted, key, prev_rv, create_rv, val FROM changes \
                WHERE shard = $1 AND rv > $2 ORDER BY rv LIMIT $3";
    let query = sqlx::query_as(text).bind(shard as i32).bind(after.0.cast_signed()).bind(READ_MAX);
    let rows: Vec<Row> = query.fetch_all(pool).await.map_err(unreadable)?;
    // Asked after the changes were read: what was compacted before they were shows here.
    let query = sqlx::query_scalar("SELECT compact_rev FROM meta WHERE shard = $1").bind(shard as i32);
    let floor = query.fetch_one(pool).await.map(revision).map_err(unreadable)?;
    let changes: Vec<Change> = rows.into_iter().map(change).collect();
    let contiguous = changes.iter().zip(after.0 + 1..).all(|(change, expected)| change.revision.0 == expected);
    if !contiguous && after >= floor {
        tracing::error!(?shard, %after, "the log has a gap");
    }
    if after < floor || !contiguous {
        return Err(ReadError::Compacted { asked: after, floor });
    }
    Ok(changes)
}

fn change((rv, deleted, key, previous, create_rv, value): Row) -> Change {
    Change {
        revision: revision(rv),
        create_revision: revision(create_rv),
        key: Key::from_stored(&key),
        previous: previous.map(revision),
        value: value.into(),
        deleted,
    }
}
