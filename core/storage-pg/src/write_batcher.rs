//! Many writers, one commit: collects what waits, applies it as one batch, tells everyone.
//!
//! There is no timer: a batch starts when the one before is done, so a lone writer waits for nobody, and load makes batches
//! grow. One batch of this replica is on its way at a time.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gantry_storage::{Change, CommitError, Epoch, Revision, Shard, Write};
use sqlx::{Connection, PgConnection, PgPool, postgres::PgConnectOptions};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use uuid::Uuid;

use crate::{
    batch::{self, Applied, BatchId, Row, revision},
    errors::{Failure, unavailable},
    hub::Hub,
    log_tailer,
    partitions::Partitions,
    select_batch::{Waiting, select},
    startup,
};

/// Writes that wait in the channel before writers are held up.
pub(crate) const QUEUE: usize = 4096;
/// How long a batch may take before its connection is given up.
const BATCH_PATIENCE: Duration = Duration::from_secs(10);
/// A connection unused for so long is asked for a sign of life first: a batch that breaks on a dead one is in doubt, and its
/// writers would wait for that to be settled.
const IDLE: Duration = Duration::from_secs(1);
/// How long the outcome of a batch in doubt is asked for.
const SETTLE_PATIENCE: Duration = Duration::from_secs(10);
/// Between attempts to ask.
const SETTLE_EVERY: Duration = Duration::from_millis(50);

/// The writer of one shard.
pub(crate) struct WriteBatcher {
    pub shard: Shard,
    pub replica: Uuid,
    pub options: PgConnectOptions,
    pub pool: PgPool,
    pub hub: Arc<Hub>,
    pub partitions: Arc<Partitions>,
    /// Whether other replicas listen.
    pub peers: Arc<AtomicBool>,
    pub session: Option<Session>,
    pub sequence: i64,
    pub incoming: mpsc::Receiver<Waiting>,
    pub queue: VecDeque<Waiting>,
}

/// A connection on which this replica is registered.
pub(crate) struct Session {
    connection: PgConnection,
    epoch: Epoch,
    used: Instant,
}

impl Session {
    /// Whether the connection still works. One that was used just now is not asked.
    async fn lives(&mut self) -> bool {
        if self.used.elapsed() < IDLE {
            return true;
        }
        let answered = matches!(timeout(startup::CONNECT_PATIENCE, self.connection.ping()).await, Ok(Ok(())));
        self.used = Instant::now();
        answered
    }
}

/// What the caller does after a batch failed.
enum Next {
    /// All answered.
    Done,
    /// Nothing was written: apply these again.
    Again(Vec<Waiting>),
    /// Nothing was written and one of these is at fault.
    Bisect(Vec<Waiting>),
}

impl WriteBatcher {
    /// Until the last writer is gone.
    pub async fn run(mut self) {
        while self.collect().await {
            let batch = select(&mut self.queue);
            self.hub.in_flight.store(true, Ordering::Release);
            self.commit(batch).await;
            self.hub.in_flight.store(false, Ordering::Release);
        }
    }

    /// Takes in what waits, at least one write; false at the end.
    async fn collect(&mut self) -> bool {
        if self.queue.is_empty() {
            let Some(first) = self.incoming.recv().await else { return false };
            self.queue.push_back(first);
        }
        self.take_in();
        true
    }

    fn take_in(&mut self) {
        while self.queue.len() < QUEUE
            && let Ok(next) = self.incoming.try_recv()
        {
            self.queue.push_back(next);
        }
    }

    async fn commit(&mut self, batch: Vec<Waiting>) {
        let mut parts = vec![batch];
        let mut again = 0;
        while let Some(part) = parts.pop() {
            match self.commit_part(part).await {
                Next::Done => {}
                Next::Again(part) if again < 2 => {
                    again += 1;
                    parts.push(part);
                }
                Next::Again(part) => refuse(part, "the batch failed again and again"),
                Next::Bisect(mut part) => {
                    let second = part.split_off(part.len() / 2);
                    parts.extend([second, part]);
                }
            }
        }
    }

    async fn commit_part(&mut self, part: Vec<Waiting>) -> Next {
        let writes: Vec<&Write> = part.iter().map(|w| &w.write).collect();
        match self.attempt(&writes).await {
            Ok((applied, epoch)) => {
                self.publish(applied.changes(&batch::rows(&writes))).await;
                answer(part, &applied, epoch);
                Next::Done
            }
            Err(failure) => self.after(failure, part).await,
        }
    }

    async fn attempt(&mut self, writes: &[&Write]) -> Result<(Applied, Epoch), Failure> {
        // A connection that cannot be made has written nothing.
        self.register().await.map_err(Failure::Transient)?;
        self.sequence += 1;
        let notify = self.peers.load(Ordering::Relaxed);
        let session = self.session.as_mut().expect("registered in the line above");
        let id = BatchId { shard: self.shard, epoch: session.epoch, replica: self.replica, sequence: self.sequence };
        let applied = timeout(BATCH_PATIENCE, batch::apply(&mut session.connection, id, notify, writes)).await;
        let late = |_| Failure::InDoubt(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()));
        session.used = Instant::now();
        let applied = applied.map_err(late)?.map_err(Failure::of)?;
        Ok((applied, session.epoch))
    }

    /// Connects, if need be, and makes this replica known to `batch_apply`.
    async fn register(&mut self) -> Result<(), sqlx::Error> {
        if let Some(session) = &mut self.session
            && session.lives().await
        {
            return Ok(());
        }
        self.session = None;
        let mut connection = startup::connect(&self.options).await?;
        let text = "INSERT INTO writers VALUES ($1, $2, $3, 0, 0) ON CONFLICT DO NOTHING";
        let query = sqlx::query(text).bind(self.shard as i32).bind(self.replica).bind(self.sequence);
        query.execute(&mut connection).await?;
        let query = sqlx::query_scalar("SELECT epoch FROM meta WHERE shard = $1").bind(self.shard as i32);
        let epoch: i64 = query.fetch_one(&mut connection).await?;
        self.session = Some(Session { connection, epoch: Epoch(epoch.cast_unsigned()), used: Instant::now() });
        Ok(())
    }

    /// To the feeds first: most likely the cache has applied the batch by the time its writers wake up.
    async fn publish(&self, changes: Vec<Change>) {
        let Some(last) = changes.last().map(|c| c.revision) else { return };
        self.partitions.reached(self.shard, last);
        if self.hub.is_followed() {
            self.hub.publish(changes);
            tokio::task::yield_now().await;
        }
    }

    async fn after(&mut self, failure: Failure, part: Vec<Waiting>) -> Next {
        match failure {
            Failure::BadRow(error) => match <[Waiting; 1]>::try_from(part) {
                Ok([bad]) => bad.answer(Err(CommitError::Rejected(error.into()))),
                Err(part) => return Next::Bisect(part),
            },
            Failure::Fenced => part.into_iter().for_each(|w| w.answer(Err(CommitError::Fenced))),
            Failure::ClaimTaken { pool, value, owner } => {
                let taken =
                    || CommitError::ClaimTaken { pool: pool.clone(), value: value.clone(), owner: owner.clone() };
                part.into_iter().for_each(|w| w.answer(Err(taken())));
            }
            Failure::NotWhole(standing) => part.into_iter().for_each(|w| refuse_whole(w, &standing)),
            Failure::NoPartition(error) => return self.make_room(error, part).await,
            Failure::NotSent(error) | Failure::Unregistered(error) => {
                tracing::warn!(shard = ?self.shard, error = &error as &dyn std::error::Error, "registering anew");
                self.session = None;
                return Next::Again(part);
            }
            Failure::Transient(error) => {
                self.session = None;
                self.take_in();
                let waiting = part.into_iter().chain(self.queue.drain(..));
                waiting.for_each(|w| w.answer(Err(unavailable(&error))));
            }
            Failure::InDoubt(error) => return self.settle(error, part).await,
        }
        Next::Done
    }

    async fn make_room(&mut self, error: sqlx::Error, part: Vec<Waiting>) -> Next {
        let extended = async {
            let connection = &mut self.session.as_mut().expect("a batch just ran on it").connection;
            let query = sqlx::query_scalar("SELECT rev FROM meta WHERE shard = $1").bind(self.shard as i32);
            let newest: i64 = query.fetch_one(&mut *connection).await?;
            self.partitions.extend(connection, self.shard, revision(newest).next()).await
        };
        match extended.await {
            Ok(()) => Next::Again(part),
            Err(also) => {
                tracing::warn!(shard = ?self.shard, error = &also as &dyn std::error::Error, "no room in the log");
                self.session = None;
                part.into_iter().for_each(|w| w.answer(Err(unavailable(&error))));
                Next::Done
            }
        }
    }

    /// Finds out whether the last batch was committed. Writers that come meanwhile are refused at once.
    async fn settle(&mut self, lost: sqlx::Error, part: Vec<Waiting>) -> Next {
        tracing::warn!(shard = ?self.shard, error = &lost as &dyn std::error::Error, "a batch is in doubt");
        let deadline = Instant::now() + SETTLE_PATIENCE;
        loop {
            self.session = None;
            match timeout(BATCH_PATIENCE, self.ask_outcome(&part)).await {
                Ok(Ok(None)) => return Next::Again(part),
                Ok(Ok(Some((applied, epoch)))) => {
                    let writes: Vec<&Write> = part.iter().map(|w| &w.write).collect();
                    self.publish(applied.changes(&batch::rows(&writes))).await;
                    answer(part, &applied, epoch);
                    return Next::Done;
                }
                Ok(Err(_)) | Err(_) if Instant::now() < deadline => {
                    self.take_in();
                    self.queue.drain(..).for_each(|w| w.answer(Err(unavailable(&lost))));
                    tokio::time::sleep(SETTLE_EVERY).await;
                }
                Ok(Err(_)) | Err(_) => {
                    let unknown = || CommitError::Unknown(lost.to_string().into());
                    part.into_iter().for_each(|w| w.answer(Err(unknown())));
                    return Next::Done;
                }
            }
        }
    }

    /// `None`: it was not committed and never will be.
    async fn ask_outcome(&mut self, part: &[Waiting]) -> Result<Option<(Applied, Epoch)>, sqlx::Error> {
        self.register().await?;
        let Session { connection, epoch, .. } = self.session.as_mut().expect("registered in the line above");
        let query = sqlx::query_as("SELECT base, applied FROM batch_settle($1, $2, $3)");
        let query = query.bind(self.shard as i32).bind(self.replica).bind(self.sequence);
        let (Some(base), Some(count)): (Option<i64>, Option<i64>) = query.fetch_one(&mut *connection).await? else {
            return Ok(None);
        };
        let log = read_range(&self.pool, self.shard, revision(base), revision(base + count)).await?;
        let writes: Vec<&Write> = part.iter().map(|w| &w.write).collect();
        let rows = batch::rows(&writes);
        let keys: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
        let query = sqlx::query_as("SELECT key, rv FROM objects WHERE shard = $1 AND key = ANY($2)");
        let current: Vec<(String, i64)> = query.bind(self.shard as i32).bind(keys).fetch_all(connection).await?;
        let applied = Applied::settled(&rows, &log, |asked| {
            current.iter().find(|(key, _)| key == asked.as_str()).map(|(_, rv)| revision(*rv))
        });
        Ok(Some((applied, *epoch)))
    }
}

/// The changes in `(after, through]`, which are at most one batch.
async fn read_range(
    pool: &PgPool,
    shard: Shard,
    after: Revision,
    through: Revision,
) -> Result<Vec<Change>, sqlx::Error> {
    let mut changes: Vec<Change> = Vec::new();
    loop {
        let reached = changes.last().map_or(after, |c| c.revision);
        if reached >= through {
            changes.retain(|c| c.revision <= through);
            return Ok(changes);
        }
        let more = log_tailer::read(pool, shard, reached).await;
        changes.extend(more.map_err(|error| sqlx::Error::Protocol(error.to_string()))?);
    }
}

fn answer(part: Vec<Waiting>, applied: &Applied, epoch: Epoch) {
    for (place, waiting) in part.into_iter().enumerate() {
        waiting.answer(applied.outcome(place, epoch));
    }
}

/// Tells a write that nothing of it holds which of its keys is at fault: its own first.
fn refuse_whole(waiting: Waiting, standing: &[Option<i64>]) {
    let rows = batch::rows(&[&waiting.write]);
    let differs =
        |(place, row): &(usize, &Row<'_>)| standing.get(*place).copied().flatten().map(revision) != row.expected();
    let refused = match rows.iter().enumerate().find(differs) {
        Some((0, _)) | None => CommitError::Conflict { current: standing.first().copied().flatten().map(revision) },
        Some((place, row)) => {
            CommitError::CompanionConflict { key: row.key.clone(), current: standing[place].map(revision) }
        }
    };
    waiting.answer(Err(refused));
}

fn refuse(part: Vec<Waiting>, why: &'static str) {
    part.into_iter().for_each(|w| w.answer(Err(CommitError::Unavailable(why.into()))));
}
