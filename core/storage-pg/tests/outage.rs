//! PostgreSQL goes away while nobody writes, and comes back.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use gantry_storage::{CommitError, Expect, Key, LeaseError, Operation, ReadError, Revision, Shard, Storage, Write};
use gantry_storage_pg::{ConnectError, ManagedOptions, ManagedPostgres, PgStorage};

async fn start(dir: &Path) -> ManagedPostgres {
    ManagedPostgres::start(dir, &ManagedOptions { shared_buffers_mb: 16, ..ManagedOptions::default() }).await.unwrap()
}

fn create(name: &str) -> Write {
    let key = Key::new("", "configmaps", "default", name);
    let operation = Operation::Put("{}".into());
    Write {
        shard: Shard::Durable,
        key,
        expect: Expect::Absent,
        operation,
        claims: Vec::new(),
        with: Vec::new(),
        fence: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_postgresql_is_away_everything_fails_fast_and_afterwards_works_without_a_restart() {
    let dir = tempfile::TempDir::new().unwrap();
    let server = start(dir.path()).await;
    let storage = Arc::new(PgStorage::connect(server.url()).await.unwrap());
    let first = storage.commit(create("before")).await.unwrap();
    let mut feed = storage.feed(Shard::Durable, first.revision);
    let url = server.url().to_owned();
    server.stop().await.unwrap();

    let began = Instant::now();
    assert!(matches!(storage.commit(create("during")).await, Err(CommitError::Unavailable(_))));
    assert!(matches!(storage.head(Shard::Durable).await, Err(ReadError::Unavailable(_))));
    assert!(matches!(storage.snapshot(Shard::Durable).await.err(), Some(ReadError::Unavailable(_))));
    let lease = storage.lease_acquire("leader", "me", Duration::from_secs(1)).await;
    assert!(matches!(lease, Err(LeaseError::Unavailable(_))));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert!(matches!(PgStorage::connect(&url).await.err(), Some(ConnectError::Unavailable(_))));

    let server = start(dir.path()).await;
    let second = storage.commit(create("after")).await.unwrap();
    assert_eq!(second.revision, Revision(2), "what was refused took no revision");
    let changes = loop {
        match futures::StreamExt::next(&mut feed).await {
            Some(Ok(changes)) => break changes,
            // The feed may have been reading when the server went: it is opened anew from where it was.
            Some(Err(_)) | None => feed = storage.feed(Shard::Durable, first.revision),
        }
    };
    assert_eq!(changes[0].revision, second.revision);
    server.stop().await.unwrap();
}
