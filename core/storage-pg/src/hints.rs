//! Hearing of other replicas' batches: their NOTIFY, and a poll for what that loses.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gantry_storage::Shard;
use sqlx::{
    PgConnection,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio::time::{MissedTickBehavior, interval};

use crate::{head::HeadReader, hub::Hub, startup};

/// What `batch_apply` notifies.
const CHANNEL: &str = "gantry_changes";
/// Marks the sessions that listen, so that replicas without an audience save the NOTIFY.
const LISTENER: &str = "gantry listener";
const POLL_EVERY: Duration = Duration::from_millis(100);
const PEERS_EVERY: Duration = Duration::from_secs(5);
/// Between attempts to listen.
const LISTEN_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Passes on how far the log reaches.
pub(crate) struct Hints {
    pub options: PgConnectOptions,
    pub heads: HeadReader,
    pub hubs: [Arc<Hub>; Shard::ALL.len()],
    /// Set while other replicas listen.
    pub peers: Arc<AtomicBool>,
}

impl Hints {
    /// Keeps the hubs informed until cancelled.
    pub async fn run(self) {
        tokio::join!(self.poll(), self.listen(), self.look_for_peers());
    }

    async fn ask(&self) {
        // Without an answer the next tick asks again.
        if let Ok(heads) = self.heads.heads().await {
            self.hubs.iter().zip(heads).for_each(|(hub, head)| hub.hint(head.revision));
        }
    }

    async fn poll(&self) {
        let mut ticks = interval(POLL_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.ask().await;
        }
    }

    async fn listen(&self) {
        let options = self.options.clone().application_name(LISTENER);
        loop {
            if let Err(error) = self.listen_once(&options).await {
                tracing::debug!(error = &error as &dyn std::error::Error, "not listening; the poll goes on");
            }
            tokio::time::sleep(LISTEN_AGAIN_AFTER).await;
        }
    }

    async fn listen_once(&self, options: &PgConnectOptions) -> Result<(), sqlx::Error> {
        let pool = PgPoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen(CHANNEL).await?;
        while listener.try_recv().await?.is_some() {
            // One question answers all notifications that came together.
            while listener.next_buffered().is_some() {}
            self.ask().await;
        }
        Ok(())
    }

    async fn look_for_peers(&self) {
        let mut ticks = interval(PEERS_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut connection = None;
        loop {
            ticks.tick().await;
            match listeners(&self.options, &mut connection).await {
                // One of them is our own.
                Ok(count) => self.peers.store(count > 1, Ordering::Relaxed),
                Err(_) => connection = None,
            }
        }
    }
}

async fn listeners(options: &PgConnectOptions, connection: &mut Option<PgConnection>) -> Result<i64, sqlx::Error> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(startup::connect(options).await?),
    };
    let query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1";
    sqlx::query_scalar(query).bind(LISTENER).fetch_one(connection).await
}
