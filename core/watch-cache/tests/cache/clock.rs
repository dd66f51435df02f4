//! What happens by the clock, which is paused here: it jumps whenever everything waits.

use std::time::Duration;

use gantry_storage::{Expect, Key, MemoryStorage, Operation, Revision, Shard, Storage, Write};
use gantry_watch_cache::{CacheOptions, ResourceConfig, Scope, WatchCache};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn the_floor_follows_five_minutes_behind_here_and_in_storage() {
    let (storage, cache) = fixture().await;
    put_pod(&cache, "a", "", "x").await;
    put_pod(&cache, "a", "", "y").await;
    tokio::time::sleep(Duration::from_secs(290)).await;
    assert_eq!(cache.floor(PODS), Some(Revision(0)), "history of five minutes is kept");
    tokio::time::sleep(Duration::from_secs(120)).await;
    put_pod(&cache, "a", "", "z").await;
    assert_eq!(cache.floor(PODS), Some(Revision(2)));
    assert_eq!(storage.head(Shard::Durable).await.unwrap().compacted, Revision(2));
}

#[tokio::test(start_paused = true)]
async fn events_are_deleted_after_their_hour_and_watchers_are_told() {
    const EVENTS: &str = "/core/events/";
    let storage = std::sync::Arc::new(MemoryStorage::new());
    let events = ResourceConfig::new("", "events", "v1", "Event").shard(Shard::Events);
    let cache = WatchCache::start(storage, vec![events], CacheOptions::default()).await;
    let key = Key::new("", "events", "default", "e");
    let value = r#"{"kind":"Event","apiVersion":"v1","metadata":{"name":"e"}}"#;
    let create = write(key.clone(), Expect::Absent, Operation::Put(value.into()));
    cache.commit(Write { shard: Shard::Events, ..create }).await.unwrap();
    let mut watch = cache.watch(EVENTS, Scope::All, Revision(1), None).unwrap();
    tokio::time::sleep(Duration::from_secs(3500)).await;
    assert!(cache.get(&key).is_some());
    let gone = watch.next_batch().await.unwrap();
    assert_eq!(seen(&gone.deliveries, |o| o.key().name().to_owned()), ["-e@2"]);
    assert!(cache.get(&key).is_none());
}
