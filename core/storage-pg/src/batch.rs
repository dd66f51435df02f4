//! One call of `batch_apply`, or of `batch_apply_single` for a write that is alone.

use gantry_storage::{
    Change, ClaimChange, CommitError, Committed, Epoch, Expect, Fence, Operation, Revision, Shard, Write,
};
use sqlx::PgConnection;
use uuid::Uuid;

/// What identifies a batch, whatever is in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchId {
    pub shard: Shard,
    pub epoch: Epoch,
    pub replica: Uuid,
    pub sequence: i64,
}

/// What became of each write, in the order of the batch. See `batch_apply` for the columns.
#[derive(Debug)]
pub(crate) struct Applied {
    revs: Vec<Option<i64>>,
    creates: Vec<Option<i64>>,
    currents: Vec<Option<i64>>,
}

#[derive(Default)]
struct Claims<'a> {
    take: (Vec<&'a str>, Vec<&'a str>),
    release: (Vec<&'a str>, Vec<&'a str>),
}

impl<'a> Claims<'a> {
    fn of(changes: &'a [ClaimChange]) -> Self {
        let mut claims = Self::default();
        for change in changes {
            let (list, pool, value) = match change {
                ClaimChange::Take { pool, value } => (&mut claims.take, pool, value),
                ClaimChange::Release { pool, value } => (&mut claims.release, pool, value),
            };
            list.0.push(pool);
            list.1.push(value);
        }
        claims
    }
}

pub(crate) fn revision(stored: i64) -> Revision {
    Revision(stored.cast_unsigned())
}

fn expected(expect: Expect) -> i64 {
    match expect {
        Expect::Absent => 0,
        Expect::At(revision) => revision.0.cast_signed(),
    }
}

pub(crate) fn value(operation: &Operation) -> (&bytes::Bytes, bool) {
    match operation {
        Operation::Put(value) => (value, false),
        Operation::Delete(last) => (last, true),
    }
}

/// Applies writes of distinct keys under one fence. A write with claims must be alone.
pub(crate) async fn apply(
    connection: &mut PgConnection,
    id: BatchId,
    notify: bool,
    writes: &[&Write],
) -> Result<Applied, sqlx::Error> {
    match writes {
        [write] if write.claims.is_empty() && write.fence.is_none() => single(connection, id, notify, write).await,
        _ => several(connection, id, notify, writes).await,
    }
}

async fn single(
    connection: &mut PgConnection,
    id: BatchId,
    notify: bool,
    write: &Write,
) -> Result<Applied, sqlx::Error> {
    let (value, deleted) = value(&write.operation);
    let query = sqlx::query_as("SELECT rev, created, previous FROM batch_apply_single($1,$2,$3,$4,$5,$6,$7,$8,$9)");
    let query = query
        .bind(id.shard as i32)
        .bind(id.epoch.0.cast_signed())
        .bind(id.replica)
        .bind(id.sequence)
        .bind(notify)
        .bind(write.key.as_str())
        .bind(expected(write.expect))
        .bind(deleted)
        .bind(&**value);
    let (rev, created, previous) = query.fetch_one(connection).await?;
    Ok(Applied { revs: vec![rev], creates: vec![created], currents: vec![previous] })
}

async fn several(
    connection: &mut PgConnection,
    id: BatchId,
    notify: bool,
    writes: &[&Write],
) -> Result<Applied, sqlx::Error> {
    let keys: Vec<&str> = writes.iter().map(|w| w.key.as_str()).collect();
    let expects: Vec<i64> = writes.iter().map(|w| expected(w.expect)).collect();
    let deleted: Vec<bool> = writes.iter().map(|w| value(&w.operation).1).collect();
    let values: Vec<&[u8]> = writes.iter().map(|w| &**value(&w.operation).0).collect();
    let fence: Option<&Fence> = writes.first().and_then(|w| w.fence.as_ref());
    let claims = writes.first().filter(|w| !w.claims.is_empty()).map(|w| Claims::of(&w.claims));
    let (take, release) = claims.map(|c| (c.take, c.release)).unzip();
    let (take_pools, take_values) = take.unzip();
    let (drop_pools, drop_values) = release.unzip();
    let query = sqlx::query_as(
        "SELECT revs, creates, currents FROM batch_apply($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15)",
    );
    let query = query
        .bind(id.shard as i32)
        .bind(id.epoch.0.cast_signed())
        .bind(id.replica)
        .bind(id.sequence)
        .bind(notify)
        .bind(keys)
        .bind(expects)
        .bind(deleted)
        .bind(values)
        .bind(fence.map(|f| &*f.lease))
        .bind(fence.map(|f| f.token.cast_signed()))
        .bind(take_pools)
        .bind(take_values)
        .bind(drop_pools)
        .bind(drop_values);
    let (revs, creates, currents) = query.fetch_one(connection).await?;
    Ok(Applied { revs, creates, currents })
}

impl Applied {
    /// The outcome of the write at `place`.
    pub fn outcome(&self, place: usize, epoch: Epoch) -> Result<Committed, CommitError> {
        match self.revs[place].map(revision) {
            Some(taken) => {
                let create_revision = self.creates[place].map_or(taken, revision);
                Ok(Committed { revision: taken, create_revision, epoch })
            }
            None => Err(CommitError::Conflict { current: self.currents[place].map(revision) }),
        }
    }

    /// What the log now holds of this batch, in order.
    pub fn changes(&self, writes: &[&Write]) -> Vec<Change> {
        let taken = self.revs.iter().enumerate().filter_map(|(place, rev)| Some((place, revision((*rev)?))));
        let change = |(place, revision): (usize, Revision)| {
            let (value, deleted) = value(&writes[place].operation);
            Change {
                revision,
                create_revision: self.creates[place].map_or(revision, crate::batch::revision),
                key: writes[place].key.clone(),
                previous: self.currents[place].map(crate::batch::revision),
                value: value.clone(),
                deleted,
            }
        };
        taken.map(change).collect()
    }

    /// Put together from the log after the fact; see `batch_settle`.
    pub fn settled(writes: &[&Write], log: &[Change], current: impl Fn(&Write) -> Option<Revision>) -> Self {
        let stored = |revision: Revision| revision.0.cast_signed();
        let mut applied = Self { revs: Vec::new(), creates: Vec::new(), currents: Vec::new() };
        for write in writes {
            let change = log.iter().find(|c| c.key == write.key);
            applied.revs.push(change.map(|c| stored(c.revision)));
            applied.creates.push(change.and_then(|c| c.previous.map(|_| stored(c.create_revision))));
            let before = change.map_or_else(|| current(write), |c| c.previous);
            applied.currents.push(before.map(stored));
        }
        applied
    }
}
