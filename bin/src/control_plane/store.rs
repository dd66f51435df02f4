//! Storage and its cache, on a thread of their own.

use std::{sync::Arc, thread, time::Duration};

use anyhow::{Context, Result};
use gantry_registry::resource_configs;
use gantry_storage_pg::PgStorage;
use gantry_watch_cache::{CacheOptions, WatchCache};
use tokio::{runtime, sync::oneshot, time};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The database may be starting too.
const DATABASE_PATIENCE: Duration = Duration::from_secs(30);

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
    /// Connects to the database and loads the cache.
    ///
    /// # Errors
    /// If the database does not answer in time, or cannot be used.
    pub async fn open(database_url: &str) -> Result<Self> {
        let (opened, outcome) = oneshot::channel();
        let (url, ended) = (database_url.to_owned(), CancellationToken::new());
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let until = ended.clone();
        let run = move || {
            runtime.block_on(async {
                // Nobody listens any more: the start was given up.
                _ = opened.send(open(&url).await);
                until.cancelled().await;
            });
        };
        thread::Builder::new().name("gantry-store".into()).spawn(run).context("no thread for the store")?;
        let thread = ended.drop_guard();
        let cache = outcome.await.context("the store's thread ended")??;
        Ok(Self { cache, _thread: thread })
    }
}

async fn open(url: &str) -> Result<Arc<WatchCache>> {
    let connected = time::timeout(DATABASE_PATIENCE, PgStorage::connect(url)).await;
    let storage = connected.context("the database does not answer")?.context("the database cannot be used")?;
    Ok(WatchCache::start(Arc::new(storage), resource_configs(gantry_kinds::catalog()), CacheOptions::default()).await)
}
