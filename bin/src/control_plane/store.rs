//! Storage and its cache, on a thread of their own.

use std::{sync::Arc, thread, time::Duration};

use anyhow::{Context, Result};
use gantry_registry::resource_configs;
use gantry_runtime::Backoff;
use gantry_storage_pg::{ConnectError, PgStorage};
use gantry_watch_cache::{CacheOptions, WatchCache};
use tokio::{runtime, sync::oneshot, time};
use tokio_util::sync::{CancellationToken, DropGuard};

const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(5);

/// A loaded cache, and the thread that keeps it up to date until this is dropped.
///
/// A commit goes from the batcher to the feed to the cache and back to its writer. On one thread these follow each other
/// without waking anybody; spread over a pool each step would cost a switch between threads, which is most of what a lone
/// writer would wait for besides the disk.
pub struct Store {
    pub cache: Arc<WatchCache>,
    _thread: DropGuard,
}

impl Store {
    /// Connects to the database and loads the cache. A database that is not there is tried again for as long as `patience`
    /// says (`None`: until it is there).
    ///
    /// # Errors
    /// If the database does not answer in time, or cannot be used.
    pub async fn open(database_url: &str, patience: Option<Duration>) -> Result<Self> {
        let (opened, outcome) = oneshot::channel();
        let (url, ended) = (database_url.to_owned(), CancellationToken::new());
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let until = ended.clone();
        let run = move || {
            runtime.block_on(async {
                // Nobody listens any more: the start was given up.
                if let Some(cache) = until.run_until_cancelled(open(&url, patience)).await {
                    _ = opened.send(cache);
                }
                until.cancelled().await;
            });
        };
        thread::Builder::new().name("gantry-store".into()).spawn(run).context("no thread for the store")?;
        let thread = ended.drop_guard();
        let cache = outcome.await.context("the store's thread ended")??;
        Ok(Self { cache, _thread: thread })
    }
}

async fn open(url: &str, patience: Option<Duration>) -> Result<Arc<WatchCache>> {
    let connected = match patience {
        Some(limit) => time::timeout(limit, connect(url)).await.context("the database does not answer")?,
        None => connect(url).await,
    };
    let storage = connected.context("the database cannot be used")?;
    Ok(WatchCache::start(Arc::new(storage), resource_configs(gantry_kinds::catalog()), CacheOptions::default()).await)
}

/// Tries again while there is nobody to talk to; anything else does not become better by waiting.
async fn connect(url: &str) -> Result<PgStorage, ConnectError> {
    let mut backoff = Backoff::new(FIRST_RETRY, LAST_RETRY);
    loop {
        match PgStorage::connect(url).await {
            Err(ConnectError::Unavailable(error)) => {
                tracing::warn!(%error, "the database is not there yet");
                time::sleep(backoff.next_delay()).await;
            }
            other => return other,
        }
    }
}
