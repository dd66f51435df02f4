//! The newest revision of each shard, asked once for all who ask at the same time.

use std::{iter, time::Duration};

use gantry_storage::{Epoch, Head, ReadError, Shard};
use sqlx::{PgConnection, postgres::PgConnectOptions};
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};

use crate::{batch::revision, startup};

/// One per shard.
pub(crate) type Heads = [Head; Shard::ALL.len()];

/// How long an answer may take before the connection is given up.
const PATIENCE: Duration = Duration::from_secs(3);

/// So many askers at once are a crowd: there are so many readers that each question costs more than waiting for the next.
const CROWD: usize = 16;
/// How long a question then waits for more of them. A lone reader never does.
const GATHER: Duration = Duration::from_millis(1);

type Asker = oneshot::Sender<Result<Heads, String>>;

/// Cloned to everyone who asks; its task ends with the last of them.
#[derive(Clone)]
pub(crate) struct HeadReader(mpsc::UnboundedSender<Asker>);

impl HeadReader {
    pub fn spawn(options: PgConnectOptions) -> Self {
        let (ask, asked) = mpsc::unbounded_channel();
        tokio::spawn(answer(options, asked));
        Self(ask)
    }

    /// What is committed by the time of this call, or later.
    pub async fn heads(&self) -> Result<Heads, ReadError> {
        let (asker, answered) = oneshot::channel();
        self.0.send(asker).map_err(|ended| ReadError::Unavailable(ended.to_string().into()))?;
        match answered.await {
            Ok(heads) => heads.map_err(|text| ReadError::Unavailable(text.into())),
            Err(ended) => Err(ReadError::Unavailable(ended.into())),
        }
    }
}

async fn answer(options: PgConnectOptions, mut asked: mpsc::UnboundedReceiver<Asker>) {
    let mut connection = None;
    let mut askers = Vec::new();
    let mut crowded = false;
    // Who asks while a query runs joins the next one: the running one may have begun before their writes.
    while asked.recv_many(&mut askers, usize::MAX).await > 0 {
        if crowded {
            sleep(GATHER).await;
            askers.extend(iter::from_fn(|| asked.try_recv().ok()));
        }
        crowded = askers.len() >= CROWD;
        let heads = query(&options, &mut connection).await;
        if heads.is_err() {
            connection = None;
        }
        let heads = heads.map_err(|error| error.to_string());
        askers.drain(..).for_each(|asker| _ = asker.send(heads.clone()));
    }
}

async fn query(options: &PgConnectOptions, connection: &mut Option<PgConnection>) -> Result<Heads, sqlx::Error> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(startup::connect(options).await?),
    };
    let rows = sqlx::query_as("SELECT rev, compact_rev, epoch FROM meta ORDER BY shard").fetch_all(connection);
    let late = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
    let rows: Vec<(i64, i64, i64)> = timeout(PATIENCE, rows).await.map_err(late)??;
    let heads: Vec<Head> = rows.into_iter().map(head).collect();
    heads.try_into().map_err(|_| sqlx::Error::RowNotFound)
}

pub(crate) fn head((newest, compacted, epoch): (i64, i64, i64)) -> Head {
    let epoch = Epoch(epoch.cast_unsigned());
    Head { revision: revision(newest), compacted: revision(compacted), epoch }
}
