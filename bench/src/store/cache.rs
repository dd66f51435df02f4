//! Lists and fan-out of the watch cache, in process.

use std::{sync::Arc, time::Instant};

use futures::future::join_all;
use gantry_storage::{Expect, Key, MemoryStorage, Operation, Revision, Shard, Storage, Write};
use gantry_watch_cache::{CacheOptions, ListRequest, ResourceConfig, Scope, WatchCache};

use super::writes::value;
use crate::{
    latency::Latencies,
    table::{Budget, Row},
};

const PREFIX: &str = "/core/configmaps/";
const OBJECT_BYTES: usize = 4096;

/// What lists cost.
pub struct Lists {
    /// Of a list of everything.
    pub object_us: f64,
    /// Of a first page of 500.
    pub page_p50_us: f64,
    pub page_p99_us: f64,
}

pub async fn run(objects: usize) -> anyhow::Result<Vec<Row>> {
    let before = resident_bytes();
    let storage = filled(objects).await?;
    let stored = resident_bytes() - before;
    let cache = loaded(&storage).await;
    let cached = resident_bytes() - before - stored;
    println!("\nwatch cache, {objects} objects of {OBJECT_BYTES} bytes");
    let ratio = (cached as f64 - 60e6) / (objects * OBJECT_BYTES) as f64;
    let lists = measured(&cache, objects);
    println!("  first page of 500: p50 {:.0} us, p99 {:.0} us", lists.page_p50_us, lists.page_p99_us);
    let few = fan_out(&cache, 100, 20_000).await?;
    let many = fan_out(&cache, 1000, 5_000).await?;
    let deliveries = |watches: usize, per_second: f64| {
        let what = format!("fan-out in process to {watches} watches, deliveries");
        Row::new(what, "M/s", per_second / 1e6, Budget::Least(2.0))
    };
    Ok(vec![
        Row::new("memory of the cache less 60 MB, of the JSON", "x", ratio, Budget::Most(1.3)),
        Row::new("list of all from the cache, an object", "us", lists.object_us, Budget::Most(1.0)),
        Row::new("first page of 500, p99", "ms", lists.page_p99_us / 1e3, Budget::Most(5.0)),
        deliveries(100, few),
        deliveries(1000, many),
    ])
}

/// Lists of so many objects, from a cache filled for it.
pub async fn lists(objects: usize) -> anyhow::Result<Lists> {
    let storage = filled(objects).await?;
    let cache = loaded(&storage).await;
    Ok(measured(&cache, objects))
}

async fn filled(objects: usize) -> anyhow::Result<Arc<MemoryStorage>> {
    let storage = Arc::new(MemoryStorage::new());
    for n in 0..objects {
        storage.commit(create(n)).await?;
    }
    storage.compact(Shard::Durable, Revision(objects as u64)).await?;
    Ok(storage)
}

async fn loaded(storage: &Arc<MemoryStorage>) -> Arc<WatchCache> {
    let resources = vec![ResourceConfig::new("", "configmaps", "v1", "ConfigMap")];
    WatchCache::start(storage.clone(), resources, CacheOptions::default()).await
}

fn create(n: usize) -> Write {
    let name = format!("object-{n:07}");
    Write {
        shard: Shard::Durable,
        key: Key::new("", "configmaps", "default", &name),
        expect: Expect::Absent,
        operation: Operation::Put(value(&name, OBJECT_BYTES)),
        claims: Vec::new(),
        with: Vec::new(),
        fence: None,
    }
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or_default() * 4096
}

fn measured(cache: &WatchCache, objects: usize) -> Lists {
    let mut all = Latencies::default();
    for _ in 0..5 {
        let began = Instant::now();
        let page = cache.list(PREFIX, &ListRequest::new(Scope::All)).expect("the resource is there");
        assert_eq!(page.objects.len(), objects);
        all.add(began.elapsed());
    }
    let mut pages = Latencies::default();
    for _ in 0..1000 {
        let began = Instant::now();
        let request = ListRequest { limit: 500, ..ListRequest::new(Scope::All) };
        std::hint::black_box(cache.list(PREFIX, &request).expect("the resource is there"));
        pages.add(began.elapsed());
    }
    Lists {
        object_us: all.percentile_us(0.5) / objects as f64,
        page_p50_us: pages.percentile_us(0.5),
        page_p99_us: pages.percentile_us(0.99),
    }
}

/// Each of `watches` sees each of `changes`: deliveries a second.
async fn fan_out(cache: &Arc<WatchCache>, watches: usize, changes: usize) -> anyhow::Result<f64> {
    let from = cache.applied(Shard::Durable);
    let last = Revision(from.0 + changes as u64);
    let readers = (0..watches).map(|_| {
        let mut watch = cache.watch(PREFIX, Scope::All, from, None).expect("the revision is applied");
        tokio::spawn(async move {
            let mut seen = 0;
            loop {
                let batch = watch.next_batch().await.expect("history suffices");
                seen += batch.deliveries.len();
                if batch.revision >= last {
                    return seen;
                }
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    let began = Instant::now();
    for n in 0..changes {
        let key = create(n % 1000).key;
        let current = cache.get(&key).expect("made before").revision();
        let update = Write { expect: Expect::At(current), ..create(n % 1000) };
        cache.commit(update).await?;
    }
    let seen: usize = join_all(readers).await.into_iter().map(|r| r.unwrap_or_default()).sum();
    Ok(seen as f64 / began.elapsed().as_secs_f64())
}
