//! The store against etcd: many clients and one client, each round both, one after the other.

mod cache;
mod writes;

pub use cache::lists;
pub use writes::{own_cpu, thread_cpu, value};

use std::{sync::Arc, time::Duration};

use clap::Args;
use gantry_storage::Storage;
use gantry_storage_pg::{ManagedOptions, ManagedPostgres, PgStorage};
use gantry_watch_cache::{CacheOptions, ResourceConfig, WatchCache};
use tempfile::TempDir;

use crate::{
    etcd::Etcd,
    table::{self, Budget, Row},
};
use writes::{Load, Outcome, Target};

#[derive(Args)]
pub struct Options {
    /// Concurrent clients of the throughput runs
    #[arg(long, default_value_t = 512)]
    clients: usize,
    /// Bytes of one value
    #[arg(long, default_value_t = 1024)]
    value_bytes: usize,
    /// Keys that each client updates in turn
    #[arg(long, default_value_t = 20)]
    keys: usize,
    /// Seconds of one run
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Rounds; the median counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Objects for the list benchmark
    #[arg(long, default_value_t = 150_000)]
    objects: usize,
    /// Leave out what is not about writes
    #[arg(long)]
    writes_only: bool,
}

pub async fn run(options: Options) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    let load = |clients, keys| Load {
        clients,
        keys,
        value_bytes: options.value_bytes,
        duration: Duration::from_secs(options.seconds),
    };
    rows.extend(writes(&options, load(options.clients, options.keys), load(1, options.keys)).await?);
    if !options.writes_only {
        rows.extend(cache::run(options.objects).await?);
    }
    table::print("store", &rows);
    Ok(())
}

/// The store's row of the API's table: 1 KiB, 512 clients.
pub async fn against_etcd(seconds: u64) -> anyhow::Result<Row> {
    let folder = TempDir::new()?;
    let postgres = ManagedPostgres::start(folder.path(), &ManagedOptions::default()).await?;
    let measured = rates(seconds, &postgres).await;
    postgres.stop().await?;
    let (ours, etcd) = measured?;
    Ok(many_writes(512, ours, etcd))
}

fn many_writes(clients: usize, per_second: f64, etcd: Option<f64>) -> Row {
    let what = format!("durable compare-and-set writes, {clients} clients");
    Row::new(what, "/s", per_second, Budget::PeersLeast(3.0)).against(etcd.map(|etcd| (etcd, "etcd")))
}

async fn rates(seconds: u64, postgres: &ManagedPostgres) -> anyhow::Result<(f64, Option<f64>)> {
    const ROUNDS: usize = 3;
    let storage: Arc<dyn Storage> = Arc::new(PgStorage::connect(postgres.url()).await?);
    let etcd = Etcd::start().await?;
    let load = Load { clients: 512, keys: 20, value_bytes: 1024, duration: Duration::from_secs(seconds) };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        ours.push(Target::Storage(storage.clone(), postgres.pid()).run(&load, round).await?);
        if let Some(etcd) = &etcd {
            theirs.push(Target::Etcd(etcd).run(&load, round).await?);
        }
    }
    let theirs = (!theirs.is_empty()).then(|| writes::median(theirs).per_second);
    Ok((writes::median(ours).per_second, theirs))
}

async fn writes(options: &Options, many: Load, one: Load) -> anyhow::Result<Vec<Row>> {
    let folder = TempDir::new()?;
    let postgres = ManagedPostgres::start(folder.path(), &ManagedOptions::default()).await?;
    let measured = measure(options, many, one, &postgres).await;
    postgres.stop().await?;
    measured
}

async fn measure(options: &Options, many: Load, one: Load, postgres: &ManagedPostgres) -> anyhow::Result<Vec<Row>> {
    let storage: Arc<dyn Storage> = Arc::new(PgStorage::connect(postgres.url()).await?);
    let resources = vec![ResourceConfig::new("", "configmaps", "v1", "ConfigMap")];
    let cache = WatchCache::start(storage.clone(), resources, CacheOptions::default()).await;
    let etcd = Etcd::start().await?;
    println!("durable compare-and-set writes of {} bytes, {} s a run", many.value_bytes, many.duration.as_secs());
    match &etcd {
        Some(etcd) => println!("peer: {}", etcd.version),
        None => println!("peer: none (etcd is not on the PATH: apt-get install etcd-server)"),
    }

    let ours = [Target::Storage(storage, postgres.pid()), Target::Cache(cache, postgres.pid())];
    let targets: Vec<Target> = ours.into_iter().chain(etcd.as_ref().map(Target::Etcd)).collect();
    let mut rows = Vec::new();
    for (phase, load) in [many, one].into_iter().enumerate() {
        let mut results: Vec<Vec<Outcome>> = targets.iter().map(|_| Vec::new()).collect();
        for round in 0..options.rounds {
            for (target, results) in targets.iter().zip(&mut results) {
                results.push(target.run(&load, phase * options.rounds + round).await?);
            }
        }
        let medians: Vec<Outcome> = results.into_iter().map(writes::median).collect();
        report(&load, &targets, &medians);
        rows.push(row(&load, &medians));
    }
    Ok(rows)
}

/// The store alone against etcd: what a lone client waits for, or how much many get done.
fn row(load: &Load, medians: &[Outcome]) -> Row {
    let (ours, etcd) = (&medians[0], medians.get(2));
    if load.clients > 1 {
        return many_writes(load.clients, ours.per_second, etcd.map(|etcd| etcd.per_second));
    }
    let peer = etcd.map(|etcd| (etcd.p50_us, "etcd"));
    Row::new("one client's durable write, p50", "us", ours.p50_us, Budget::PeersMost(1.0)).against(peer)
}

fn report(load: &Load, targets: &[Target], medians: &[Outcome]) {
    println!("\n{} client(s)", load.clients);
    let peer = medians.last().filter(|_| matches!(targets.last(), Some(Target::Etcd(_))));
    for (target, outcome) in targets.iter().zip(medians) {
        let ratio = peer.map_or(String::new(), |peer| {
            let (rate, p50) = (outcome.per_second / peer.per_second, outcome.p50_us / peer.p50_us);
            format!("  {rate:5.2} x etcd, p50 {p50:.2} x")
        });
        println!(
            "  {:<22} {:>8.0} writes/s  p50 {:>7.0} us  p99 {:>7.0} us  cpu {:>4.0} us server + {:>4.0} us here{ratio}",
            target.name(),
            outcome.per_second,
            outcome.p50_us,
            outcome.p99_us,
            outcome.server_cpu_us,
            outcome.own_cpu_us,
        );
    }
}
