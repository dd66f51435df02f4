//! The face of it all.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use async_trait::async_trait;
use gantry_storage::{
    ChangeFeed, CommitError, Committed, Digest, Head, Lease, LeaseError, ReadError, Revision, Shard, Snapshot, Storage,
    Write,
};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::{
    ConnectError,
    errors::unreadable,
    head::HeadReader,
    hints::Hints,
    hub::Hub,
    leases, log_tailer,
    partitions::{self, Partitions},
    select_batch::Waiting,
    snapshot, startup,
    write_batcher::{QUEUE, WriteBatcher},
};

/// Connections for what is neither a batch nor a head query: the log, leases, partitions.
const POOL_MAX: u32 = 5;
const POOL_PATIENCE: Duration = Duration::from_secs(3);

/// Storage in a PostgreSQL database. Holds about ten connections. Its tasks end when it is dropped.
pub struct PgStorage {
    options: PgConnectOptions,
    pool: PgPool,
    heads: HeadReader,
    hubs: [Arc<Hub>; Shard::ALL.len()],
    writers: [mpsc::Sender<Waiting>; Shard::ALL.len()],
    _tasks: DropGuard,
}

impl PgStorage {
    /// Checks the server, migrates the database, and begins to follow it. `url` as libpq spells it
    /// (`postgres://user@host:port/database`, `?host=/socket/folder`, `?sslmode=…`).
    ///
    /// # Errors
    /// See [`ConnectError`]. Later losses of the connection are no end: calls fail with `Unavailable` until it is back.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        let options = startup::options(url)?;
        startup::prepare(&options).await?;
        let pool = PgPoolOptions::new().max_connections(POOL_MAX).acquire_timeout(POOL_PATIENCE);
        let pool = pool.connect_lazy_with(options.clone());
        let heads = HeadReader::spawn(options.clone());
        let partitions = Arc::new(Partitions::default());
        cover(&pool, &partitions).await.map_err(ConnectError::Unavailable)?;

        let hubs = Shard::ALL.map(|_| Arc::new(Hub::new()));
        let (peers, replica) = (Arc::new(AtomicBool::new(true)), Uuid::new_v4());
        let writers = Shard::ALL.map(|shard| {
            let (sender, incoming) = mpsc::channel(QUEUE);
            let batcher = WriteBatcher {
                shard,
                replica,
                options: options.clone(),
                pool: pool.clone(),
                hub: hubs[shard as usize].clone(),
                partitions: partitions.clone(),
                peers: peers.clone(),
                session: None,
                sequence: 0,
                incoming,
                queue: VecDeque::new(),
            };
            tokio::spawn(batcher.run());
            sender
        });
        let ended = CancellationToken::new();
        let hints = Hints { options: options.clone(), heads: heads.clone(), hubs: hubs.clone(), peers };
        tokio::spawn(ended.clone().run_until_cancelled_owned(hints.run()));
        tokio::spawn(ended.clone().run_until_cancelled_owned(partitions.run(pool.clone(), heads.clone())));
        Ok(Self { options, pool, heads, hubs, writers, _tasks: ended.drop_guard() })
    }

    fn hub(&self, shard: Shard) -> &Arc<Hub> {
        &self.hubs[shard as usize]
    }
}

/// Ranges for the next revisions of each shard, and no rows of replicas that are long gone.
async fn cover(pool: &PgPool, partitions: &Partitions) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    sqlx::raw_sql("DELETE FROM writers WHERE at < now() - interval '7 days'").execute(&mut *connection).await?;
    let rows: Vec<(i32, i64)> = sqlx::query_as("SELECT shard, rev FROM meta").fetch_all(&mut *connection).await?;
    for (shard, newest) in rows {
        if let Some(shard) = Shard::ALL.into_iter().find(|s| *s as i32 == shard) {
            partitions.extend(&mut connection, shard, crate::batch::revision(newest).next()).await?;
        }
    }
    Ok(())
}

#[async_trait]
impl Storage for PgStorage {
    async fn commit(&self, write: Write) -> Result<Committed, CommitError> {
        let (done, outcome) = oneshot::channel();
        let queued = self.writers[write.shard as usize].send(Waiting { write, done }).await;
        queued.map_err(|_| CommitError::Unavailable("the writer has ended".into()))?;
        outcome.await.unwrap_or_else(|ended| Err(CommitError::Unknown(ended.into())))
    }

    async fn head(&self, shard: Shard) -> Result<Head, ReadError> {
        let heads = self.heads.heads().await?;
        let head = heads[shard as usize];
        self.hub(shard).hint(head.revision);
        Ok(head)
    }

    async fn snapshot(&self, shard: Shard) -> Result<Snapshot, ReadError> {
        snapshot::snapshot(&self.options, shard).await
    }

    fn feed(&self, shard: Shard, after: Revision) -> ChangeFeed {
        log_tailer::feed(self.pool.clone(), self.hub(shard).clone(), shard, after)
    }

    async fn digest(&self, shard: Shard) -> Result<Digest, ReadError> {
        snapshot::digest(&self.options, shard).await
    }

    async fn compact(&self, shard: Shard, floor: Revision) -> Result<(), ReadError> {
        partitions::compact(&self.pool, shard, floor).await.map_err(unreadable)
    }

    async fn lease_acquire(&self, name: &str, holder: &str, ttl: Duration) -> Result<Option<Lease>, LeaseError> {
        leases::acquire(&self.pool, name, holder, ttl).await
    }

    async fn lease_release(&self, lease: &Lease) -> Result<(), LeaseError> {
        leases::release(&self.pool, lease).await
    }
}
