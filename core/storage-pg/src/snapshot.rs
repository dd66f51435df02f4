//! Everything as of one revision.

use futures::{StreamExt, TryStreamExt, stream};
use gantry_storage::{Digest, Key, ReadError, Shard, Snapshot, StoredObject};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::sync::mpsc;

use crate::{batch::revision, errors::unreadable, head::head, startup};

/// Objects read ahead of the reader.
const AHEAD: usize = 256;

/// One statement's view for all that follow. A scan in the table's order is what is wanted here; see [`startup::options`].
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL enable_seqscan = on";

type Row = (String, i64, i64, Vec<u8>);

/// On a connection of its own, which is closed when the objects were read, or are no longer wanted.
pub(crate) async fn snapshot(options: &PgConnectOptions, shard: Shard) -> Result<Snapshot, ReadError> {
    let mut connection = startup::connect(options).await.map_err(unreadable)?;
    let head = begin(&mut connection, shard).await.map_err(unreadable)?;
    let (give, mut take) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        if let Err(error) = send_objects(&mut connection, shard, &give).await {
            give.send(Err(unreadable(error))).await.ok();
        }
        connection.close().await.ok();
    });
    let objects = stream::poll_fn(move |context| take.poll_recv(context)).boxed();
    Ok(Snapshot { head, objects })
}

async fn begin(connection: &mut PgConnection, shard: Shard) -> Result<gantry_storage::Head, sqlx::Error> {
    sqlx::raw_sql(BEGIN).execute(&mut *connection).await?;
    let query = sqlx::query_as("SELECT rev, compact_rev, epoch FROM meta WHERE shard = $1").bind(shard as i32);
    query.fetch_one(connection).await.map(head)
}

async fn send_objects(
    connection: &mut PgConnection,
    shard: Shard,
    give: &mpsc::Sender<Result<StoredObject, ReadError>>,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query_as("SELECT key, rv, create_rv, val FROM objects WHERE shard = $1").bind(shard as i32);
    let mut rows = query.fetch(connection);
    while let Some((key, rv, create_rv, value)) = rows.try_next().await? as Option<Row> {
        let (key, value) = (Key::from_stored(&key), value.into());
        let object = StoredObject { key, revision: revision(rv), create_revision: revision(create_rv), value };
        if give.send(Ok(object)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Sums up keys and revisions here rather than in SQL: the same code then serves cache and database.
pub(crate) async fn digest(options: &PgConnectOptions, shard: Shard) -> Result<Digest, ReadError> {
    let mut connection = startup::connect(options).await.map_err(unreadable)?;
    let digest = sum_up(&mut connection, shard).await.map_err(unreadable);
    connection.close().await.ok();
    digest
}

async fn sum_up(connection: &mut PgConnection, shard: Shard) -> Result<Digest, sqlx::Error> {
    let head = begin(connection, shard).await?;
    let mut digest = Digest { revision: head.revision, ..Digest::default() };
    let query = sqlx::query_as("SELECT key, rv FROM objects WHERE shard = $1").bind(shard as i32);
    let mut rows = query.fetch(connection);
    while let Some((key, rv)) = rows.try_next().await? as Option<(String, i64)> {
        digest.add(&Key::from_stored(&key), revision(rv));
    }
    Ok(digest)
}
