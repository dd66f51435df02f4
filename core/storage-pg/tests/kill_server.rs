//! PostgreSQL is killed under load, again and again. `GANTRY_KILL_ROUNDS` says how often (default 3).

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use gantry_storage::{CommitError, Expect, Key, Operation, Revision, Shard, Write};
use gantry_storage_pg::{ManagedOptions, ManagedPostgres, PgStorage};
use gantry_watch_cache::{CacheOptions, ResourceConfig, Scope, Watch, WatchCache};
use nix::{sys::signal, unistd::Pid};
use tokio_util::sync::CancellationToken;

const PREFIX: &str = "/core/configmaps/";

fn rounds() -> usize {
    std::env::var("GANTRY_KILL_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(3)
}

fn kill(pid: u32) {
    signal::kill(Pid::from_raw(pid.cast_signed()), signal::Signal::SIGKILL).unwrap();
}

/// Waits until a killed process is gone (its parent, this test, reaps it).
async fn gone(pid: u32) {
    while Path::new(&format!("/proc/{pid}")).exists() {
        tokio::task::yield_now().await;
    }
}

/// A session's process: when it dies, the postmaster ends all others and recovers by itself.
fn some_session(postmaster: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children")).unwrap();
    let children: Vec<u32> = children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    let title = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    children.into_iter().find(|pid| title(pid).contains("gantry postgres"))
}

async fn start(dir: &Path) -> ManagedPostgres {
    ManagedPostgres::start(dir, &ManagedOptions { shared_buffers_mb: 32, ..ManagedOptions::default() }).await.unwrap()
}

fn put(name: &str, expect: Expect, value: String) -> Write {
    let value =
        format!(r#"{{"kind":"ConfigMap","apiVersion":"v1","metadata":{{"name":"{name}"}},"data":{{"v":"{value}"}}}}"#);
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

/// Updates one key until told to stop; returns (revision, value) of all that was acknowledged.
async fn write(
    cache: Arc<WatchCache>,
    name: String,
    acknowledged: Arc<AtomicUsize>,
    stop: CancellationToken,
) -> Vec<(Revision, String)> {
    let key = Key::new("", "configmaps", "default", &name);
    let mut done = Vec::new();
    let mut n = 0;
    while !stop.is_cancelled() {
        let expect = cache.get(&key).map_or(Expect::Absent, |o| Expect::At(o.revision()));
        let value = format!("{name}-{n}");
        n += 1;
        match cache.commit(put(&name, expect, value.clone())).await {
            Ok(object) => {
                done.push((object.revision(), value));
                acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            Err(CommitError::Unavailable(_) | CommitError::Unknown(_) | CommitError::Conflict { .. }) => {
                // As a client does: read what became of it before going on.
                while cache.consistent(Shard::Durable).await.is_err() && !stop.is_cancelled() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            Err(other) => panic!("{other}"),
        }
    }
    done
}

/// What a watch sees from the beginning to `through`.
async fn watched(mut watch: Watch, through: Revision) -> Vec<(Revision, String)> {
    let mut seen = Vec::new();
    while seen.last().is_none_or(|(revision, _)| *revision < through) {
        for delivery in &watch.next_batch().await.expect("history suffices").deliveries {
            let json: serde_json::Value = serde_json::from_slice(&delivery.object.wire()).unwrap();
            seen.push((delivery.object.revision(), json["data"]["v"].as_str().unwrap().to_owned()));
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_postgresql_loses_nothing_acknowledged_and_watches_see_every_revision_once() {
    let dir = tempfile::TempDir::new().unwrap();
    let mut server = start(dir.path()).await;
    let storage = Arc::new(PgStorage::connect(server.url()).await.unwrap());
    let resources = vec![ResourceConfig::new("", "configmaps", "v1", "ConfigMap")];
    let cache = WatchCache::start(storage.clone(), resources, CacheOptions::default()).await;
    let watch = cache.watch(PREFIX, Scope::All, Revision::ZERO, None).unwrap();

    let (acknowledged, stop) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
    let writer = |n| tokio::spawn(write(cache.clone(), format!("w{n}"), acknowledged.clone(), stop.clone()));
    let writers: Vec<_> = (0..32).map(writer).collect();
    for round in 0..rounds() {
        let goal = acknowledged.load(Ordering::Relaxed) + 300;
        while acknowledged.load(Ordering::Relaxed) < goal {
            tokio::task::yield_now().await;
        }
        match some_session(server.pid()).filter(|_| round % 2 == 1) {
            Some(session) => kill(session),
            None => {
                kill(server.pid());
                gone(server.pid()).await;
                server = start(dir.path()).await;
            }
        }
    }
    let goal = acknowledged.load(Ordering::Relaxed) + 300;
    while acknowledged.load(Ordering::Relaxed) < goal {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    let acknowledged: Vec<_> = join_all(writers).await.into_iter().flat_map(Result::unwrap).collect();

    let head = cache.consistent(Shard::Durable).await.unwrap();
    let seen = watched(watch, head).await;
    assert!(seen.iter().map(|(revision, _)| revision.0).eq(1..=head.0), "every revision once and in order");
    let seen: HashMap<_, _> = seen.into_iter().collect();
    for (revision, value) in acknowledged {
        assert_eq!(seen[&revision], value, "acknowledged at {revision}");
    }
    assert!(cache.self_check(Shard::Durable).await.unwrap());
    server.stop().await.unwrap();
}
