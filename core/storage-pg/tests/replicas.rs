//! Several replicas on one database.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt, future::join_all};
use gantry_storage::{Change, CommitError, Expect, Key, Operation, Revision, Shard, Storage, Write};
use gantry_storage_pg::testing::TestDatabase;
use sqlx::Connection;

fn write(name: &str, expect: Expect, value: String) -> Write {
    let key = Key::new("", "configmaps", "default", name);
    Write {
        shard: Shard::Durable,
        key,
        expect,
        operation: Operation::Put(value.into()),
        claims: Vec::new(),
        with: Vec::new(),
        fence: None,
    }
}

/// Everything in `(0, through]`, as one replica's feed tells it.
async fn history(storage: Arc<dyn Storage>, through: u64) -> Vec<Change> {
    let mut feed = storage.feed(Shard::Durable, Revision::ZERO);
    let mut changes: Vec<Change> = Vec::new();
    while changes.len() < through as usize {
        changes.extend(feed.next().await.expect("the feed goes on").expect("the feed is readable"));
    }
    changes
}

/// Writes its own keys, and in between fights for a shared one. Returns what was acknowledged.
async fn contend(storage: Arc<dyn Storage>, who: String, writes: usize) -> Vec<(Revision, Key, Bytes)> {
    let mut acknowledged = Vec::new();
    let (mut own, mut shared) = (Expect::Absent, Expect::Absent);
    for n in 0..writes {
        let value = format!("{who}-{n}");
        let mine = write(&who, own, value.clone());
        let committed = storage.commit(mine.clone()).await.expect("nobody else writes this key");
        own = Expect::At(committed.revision);
        acknowledged.push((committed.revision, mine.key, value.clone().into()));
        let ours = write("shared", shared, value.clone());
        match storage.commit(ours.clone()).await {
            Ok(committed) => {
                shared = Expect::At(committed.revision);
                acknowledged.push((committed.revision, ours.key, value.into()));
            }
            Err(CommitError::Conflict { current }) => shared = current.map_or(Expect::Absent, Expect::At),
            Err(other) => panic!("{other}"),
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_write_side_by_side_lose_nothing_and_see_one_history() {
    let database = TestDatabase::create().await;
    let replicas: [Arc<dyn Storage>; 2] = [Arc::new(database.storage().await), Arc::new(database.storage().await)];
    let writers = (0..16).map(|n| tokio::spawn(contend(replicas[n % 2].clone(), format!("w{n}"), 40)));
    let acknowledged: Vec<_> = join_all(writers).await.into_iter().flat_map(Result::unwrap).collect();
    let head = replicas[0].head(Shard::Durable).await.unwrap().revision;
    assert_eq!(head.0 as usize, acknowledged.len(), "each revision is one acknowledged write");

    let [one, two] = replicas.map(|replica| history(replica, head.0));
    let (one, two) = tokio::join!(one, two);
    assert_eq!(one, two);
    assert!(one.iter().map(|c| c.revision.0).eq(1..=head.0), "no gap, no repetition, in order");
    let by_revision: HashMap<_, _> = one.into_iter().map(|c| (c.revision, (c.key, c.value))).collect();
    for (revision, key, value) in acknowledged {
        assert_eq!(by_revision[&revision], (key, value));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_sees_what_another_replica_writes_between_own_batches() {
    let database = TestDatabase::create().await;
    let (here, there) = (database.storage().await, database.storage().await);
    let mut feed = here.feed(Shard::Durable, Revision::ZERO);
    let mut seen = Vec::new();
    for n in 0..20 {
        let storage = if n % 3 == 0 { &there } else { &here };
        storage.commit(write(&n.to_string(), Expect::Absent, String::new())).await.unwrap();
        if n % 7 == 0 {
            seen.extend(feed.next().await.unwrap().unwrap());
        }
    }
    while seen.len() < 20 {
        seen.extend(feed.next().await.unwrap().unwrap());
    }
    assert!(seen.iter().map(|c| c.revision.0).eq(1..=20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compaction_drops_the_ranges_below_the_floor_and_writers_find_new_ones() {
    let database = TestDatabase::create().await;
    let storage = database.storage().await;
    let mut admin = sqlx::PgConnection::connect(database.url()).await.unwrap();
    // As if 999,999 writes had happened: the ranges made at the start do not reach so far.
    sqlx::raw_sql("UPDATE meta SET rev = 999999 WHERE shard = 0").execute(&mut admin).await.unwrap();
    let committed = storage.commit(write("a", Expect::Absent, "1".into())).await.unwrap();
    assert_eq!(committed.revision, Revision(1_000_000));
    storage.compact(Shard::Durable, Revision(1_000_000)).await.unwrap();
    let ranges = "SELECT array_agg(relname::text ORDER BY relname) FROM pg_class \
                  WHERE relname ~ '^changes_0_[0-9]+$' AND relkind = 'r'";
    let left: Vec<String> = sqlx::query_scalar(ranges).fetch_one(&mut admin).await.unwrap();
    assert_eq!(left[0], "changes_0_10", "what lies below the floor is gone");
    storage.commit(write("b", Expect::Absent, "1".into())).await.unwrap();
}

#[tokio::test]
async fn a_database_that_would_lose_acknowledged_writes_is_refused() {
    let database = TestDatabase::create().await;
    let name = database.url().rsplit_once('/').unwrap().1.split('?').next().unwrap().to_owned();
    let mut admin = sqlx::PgConnection::connect(database.url()).await.unwrap();
    let statement = format!("ALTER DATABASE {name} SET synchronous_commit = off");
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut admin).await.unwrap();
    let refused = gantry_storage_pg::PgStorage::connect(database.url()).await.err().expect("refused");
    assert!(refused.to_string().contains("synchronous_commit = off"), "{refused}");
}
