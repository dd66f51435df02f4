//! The log's ranges: made ahead of the writers, dropped behind the floor.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use gantry_storage::{Revision, Shard};
use sqlx::{PgConnection, PgPool};
use tokio::sync::Notify;

use crate::head::HeadReader;

/// New ranges are made while so many revisions are left; see `changes_extend` for how many it makes.
const MARGIN: i64 = 200_000;
/// Between attempts where PostgreSQL is out of reach.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// How far the log of each shard has ranges.
#[derive(Default)]
pub(crate) struct Partitions {
    covered: [AtomicI64; Shard::ALL.len()],
    wanted: Notify,
}

impl Partitions {
    /// Makes the ranges that hold `from` and what follows.
    pub async fn extend(&self, connection: &mut PgConnection, shard: Shard, from: Revision) -> Result<(), sqlx::Error> {
        let query = sqlx::query_scalar("SELECT changes_extend($1, $2)").bind(shard as i32).bind(from.0.cast_signed());
        self.covered[shard as usize].store(query.fetch_one(connection).await?, Ordering::Relaxed);
        Ok(())
    }

    /// Told after each batch.
    pub fn reached(&self, shard: Shard, revision: Revision) {
        if self.lacks(shard, revision) {
            self.wanted.notify_one();
        }
    }

    fn lacks(&self, shard: Shard, revision: Revision) -> bool {
        revision.0.cast_signed() + MARGIN > self.covered[shard as usize].load(Ordering::Relaxed)
    }

    /// Makes ranges whenever they run short, until cancelled.
    pub async fn run(self: Arc<Self>, pool: PgPool, heads: HeadReader) {
        loop {
            self.wanted.notified().await;
            if let Err(error) = self.extend_where_short(&pool, &heads).await {
                tracing::warn!(error = &*error, "ranges of the log could not be made yet");
                tokio::time::sleep(AGAIN_AFTER).await;
                self.wanted.notify_one();
            }
        }
    }

    async fn extend_where_short(
        &self,
        pool: &PgPool,
        heads: &HeadReader,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        for (shard, head) in Shard::ALL.into_iter().zip(heads.heads().await?) {
            if self.lacks(shard, head.revision) {
                self.extend(&mut *pool.acquire().await?, shard, head.revision).await?;
            }
        }
        Ok(())
    }
}

/// Raises the floor, then drops ranges below it. A drop that has to wait for long is left to the next time.
pub(crate) async fn compact(pool: &PgPool, shard: Shard, floor: Revision) -> Result<(), sqlx::Error> {
    let text = "UPDATE meta SET compact_rev = greatest(compact_rev, least($2, rev)) WHERE shard = $1";
    sqlx::query(text).bind(shard as i32).bind(floor.0.cast_signed()).execute(pool).await?;
    let mut transaction = pool.begin().await?;
    sqlx::raw_sql("SET LOCAL lock_timeout = '500ms'").execute(&mut *transaction).await?;
    let dropped = sqlx::query("SELECT changes_drop($1)").bind(shard as i32).execute(&mut *transaction).await;
    match dropped {
        Ok(_) => transaction.commit().await,
        Err(error) => {
            tracing::debug!(error = &error as &dyn std::error::Error, ?shard, "ranges below the floor stay for now");
            transaction.rollback().await
        }
    }
}
