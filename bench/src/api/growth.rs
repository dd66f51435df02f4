//! The same page, object and write with few objects and with many.

use std::{sync::Arc, time::Instant};

use futures::{StreamExt, TryStreamExt, stream};
use gantry_storage::{Expect, Key, Operation, Shard, Storage, Write};
use gantry_storage_pg::{ManagedOptions, ManagedPostgres, PgStorage};
use gantry_watch_cache::{CacheOptions, ListRequest, ResourceConfig, Scope, WatchCache};
use tempfile::TempDir;

use crate::{
    latency::Latencies,
    store::value,
    table::{Budget, Row},
};

const PREFIX: &str = "/core/configmaps/";
const FEW: usize = 10_000;
const BYTES: usize = 1024;
const WRITERS: usize = 512;

/// Medians, in microseconds.
struct Point {
    page: f64,
    get: f64,
    write: f64,
}

pub async fn run(many: usize) -> anyhow::Result<Vec<Row>> {
    let folder = TempDir::new()?;
    let postgres = ManagedPostgres::start(folder.path(), &ManagedOptions::default()).await?;
    let measured = measure(&postgres, many).await;
    postgres.stop().await?;
    let (few, many_objects) = measured?;
    let row = |what: &str, figure: fn(&Point) -> f64| Row {
        what: format!("{what}: {many} objects against {FEW}"),
        unit: "x",
        measured: figure(&many_objects) / figure(&few),
        budget: Budget::AtMost(1.3),
        peer: None,
    };
    println!(
        "  growth: page {:.0} -> {:.0} us, get {:.2} -> {:.2} us, write {:.0} -> {:.0} us",
        few.page, many_objects.page, few.get, many_objects.get, few.write, many_objects.write
    );
    Ok(vec![
        row("growth of a page of 500", |p| p.page),
        row("growth of a get", |p| p.get),
        row("growth of a write", |p| p.write),
    ])
}

async fn measure(postgres: &ManagedPostgres, many: usize) -> anyhow::Result<(Point, Point)> {
    let storage: Arc<dyn Storage> = Arc::new(PgStorage::connect(postgres.url()).await?);
    let resources = vec![ResourceConfig::new("", "configmaps", "v1", "ConfigMap")];
    let cache = WatchCache::start(storage, resources, CacheOptions::default()).await;
    fill(&cache, 0..FEW).await?;
    let few = point(&cache, FEW).await?;
    fill(&cache, FEW..many).await?;
    Ok((few, point(&cache, many).await?))
}

async fn fill(cache: &Arc<WatchCache>, range: std::ops::Range<usize>) -> anyhow::Result<()> {
    let writes = stream::iter(range).map(|n| async move { cache.commit(create(n)).await.map(drop) });
    Ok(writes.buffer_unordered(WRITERS).try_collect::<()>().await?)
}

fn create(n: usize) -> Write {
    // Scattered, as names are: neighbours in time are no neighbours in order.
    let name = format!("o{:010}", (n * 2_654_435_761) % 10_000_000_000);
    Write {
        shard: Shard::Durable,
        key: Key::new("", "configmaps", "default", &name),
        expect: Expect::Absent,
        operation: Operation::Put(value(&name, BYTES)),
        claims: Vec::new(),
        fence: None,
    }
}

async fn point(cache: &Arc<WatchCache>, count: usize) -> anyhow::Result<Point> {
    let (mut pages, mut gets, mut writes) = (Latencies::default(), Latencies::default(), Latencies::default());
    for n in 0..1000 {
        let began = Instant::now();
        let request = ListRequest { limit: 500, ..ListRequest::new(Scope::Namespace("default".into())) };
        std::hint::black_box(cache.list(PREFIX, &request)?);
        pages.add(began.elapsed());
        let key = create(n * 7919 % count).key;
        let began = Instant::now();
        let current = std::hint::black_box(cache.get(&key)).expect("made before");
        gets.add(began.elapsed());
        let write = Write { expect: Expect::At(current.revision()), ..create(n * 7919 % count) };
        let began = Instant::now();
        cache.commit(write).await?;
        writes.add(began.elapsed());
    }
    Ok(Point { page: pages.percentile_us(0.5), get: gets.percentile_us(0.5), write: writes.percentile_us(0.5) })
}
