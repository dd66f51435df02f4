//! One call of `batch_apply`, or of `batch_apply_single` for a write that is alone.

use gantry_storage::{
    Change, ClaimChange, CommitError, Committed, Epoch, Expect, Fence, Key, Operation, Revision, Shard, Write,
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

/// One object that a batch changes: a write's own, or one that goes along with it.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    pub key: &'a Key,
    expect: Expect,
    operation: &'a Operation,
}

impl Row<'_> {
    /// What must stand under the key.
    pub fn expected(&self) -> Option<Revision> {
        match self.expect {
            Expect::Absent => None,
            Expect::At(revision) => Some(revision),
        }
    }
}

/// What writes change, each followed by what goes along with it.
pub(crate) fn rows<'a>(writes: &[&'a Write]) -> Vec<Row<'a>> {
    let rows_of = |write: &&'a Write| {
        let companions = write.with.iter();
        let along = companions.map(|with| Row { key: &with.key, expect: with.expect, operation: &with.operation });
        std::iter::once(Row { key: &write.key, expect: write.expect, operation: &write.operation }).chain(along)
    };
    writes.iter().flat_map(rows_of).collect()
}

/// Applies writes of distinct keys under one fence. A write with claims or companions must be alone.
pub(crate) async fn apply(
    connection: &mut PgConnection,
    id: BatchId,
    notify: bool,
    writes: &[&Write],
) -> Result<Applied, sqlx::Error> {
    match writes {
        [write] if write.claims.is_empty() && write.with.is_empty() && write.fence.is_none() => {
            single(connection, id, notify, write).await
        }
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

const BATCH_APPLY: &str =
    "SELECT revs, creates, currents FROM batch_apply($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15)";
const BATCH_APPLY_WHOLE: &str =
    "SELECT revs, creates, currents FROM batch_apply_whole($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15)";

async fn several(
    connection: &mut PgConnection,
    id: BatchId,
    notify: bool,
    writes: &[&Write],
) -> Result<Applied, sqlx::Error> {
    let rows = rows(writes);
    let keys: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
    let expects: Vec<i64> = rows.iter().map(|row| expected(row.expect)).collect();
    let deleted: Vec<bool> = rows.iter().map(|row| value(row.operation).1).collect();
    let values: Vec<&[u8]> = rows.iter().map(|row| &**value(row.operation).0).collect();
    let fence: Option<&Fence> = writes.first().and_then(|w| w.fence.as_ref());
    let claims = writes.first().filter(|w| !w.claims.is_empty()).map(|w| Claims::of(&w.claims));
    let (take, release) = claims.map(|c| (c.take, c.release)).unzip();
    let (take_pools, take_values) = take.unzip();
    let (drop_pools, drop_values) = release.unzip();
    let whole = writes.first().is_some_and(|write| !write.with.is_empty());
    let query = sqlx::query_as(if whole { BATCH_APPLY_WHOLE } else { BATCH_APPLY });
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
    /// The outcome of the write at `place`: of those that take nothing along, or of the only one.
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
    pub fn changes(&self, rows: &[Row<'_>]) -> Vec<Change> {
        let taken = self.revs.iter().enumerate().filter_map(|(place, rev)| Some((place, revision((*rev)?))));
        let change = |(place, revision): (usize, Revision)| {
            let (value, deleted) = value(rows[place].operation);
            Change {
                revision,
                create_revision: self.creates[place].map_or(revision, crate::batch::revision),
                key: rows[place].key.clone(),
                previous: self.currents[place].map(crate::batch::revision),
                value: value.clone(),
                deleted,
            }
        };
        taken.map(change).collect()
    }

    /// Put together from the log after the fact; see `batch_settle`.
    pub fn settled(rows: &[Row<'_>], log: &[Change], current: impl Fn(&Key) -> Option<Revision>) -> Self {
        let stored = |revision: Revision| revision.0.cast_signed();
        let mut applied = Self { revs: Vec::new(), creates: Vec::new(), currents: Vec::new() };
        for row in rows {
            let change = log.iter().find(|c| c.key == *row.key);
            applied.revs.push(change.map(|c| stored(c.revision)));
            applied.creates.push(change.and_then(|c| c.previous.map(|_| stored(c.create_revision))));
            let before = change.map_or_else(|| current(row.key), |c| c.previous);
            applied.currents.push(before.map(stored));
        }
        applied
    }
}
