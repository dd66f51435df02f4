//! The API over HTTPS and the engine behind it, row by row, against its budgets.

mod fan_out;
mod growth;
mod in_process;
mod memory;
mod requests;
mod server;
mod single;

use std::{
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::Args;

use crate::{
    store,
    table::{self, Budget, Row},
};
use requests::{Cost, Objects, Operation};
use server::{Gantry, Target};

#[derive(Args)]
pub struct Options {
    /// A kube-apiserver's kubeconfig, to pair with
    #[arg(long, value_name = "FILE")]
    peer_kubeconfig: Option<PathBuf>,
    /// The processes of that kube-apiserver and of its etcd, for their processor time
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    peer_pids: Vec<u32>,
    /// Rounds of requests, the targets in turn; the median counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Objects created, read, patched and deleted in a round
    #[arg(long, default_value_t = 4000)]
    objects: usize,
    /// Objects of 4 KiB for lists and memory
    #[arg(long, default_value_t = 150_000)]
    many: usize,
    /// Objects of 1 KiB that the store grows to
    #[arg(long, default_value_t = 1_000_000)]
    grown: usize,
    /// Watches that one server holds at a time
    #[arg(long, default_value_t = 10_000)]
    watches: usize,
    /// Seconds of a run of store writes
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Only the requests over HTTPS
    #[arg(long)]
    requests_only: bool,
}

pub async fn run(options: Options) -> anyhow::Result<()> {
    println!("api: {} rounds of {} ConfigMaps of 1 KiB, 64 in flight", options.rounds, options.objects);
    let mut rows = Vec::new();
    if !options.requests_only {
        rows.push(store::against_etcd(options.seconds).await?);
    }
    rows.extend(over_https(&options).await?);
    if !options.requests_only {
        rows.extend(in_process::run(options.many).await?);
        rows.push(memory::run(options.many).await?);
        rows.extend(growth::run(options.grown).await?);
    }
    table::print("api", &rows);
    println!(
        "Processor time is that of the server and its store, from /proc. Wall-clock figures share the machine with their \
         load, and with whatever else runs on it."
    );
    Ok(())
}

/// Microseconds of the wall clock: writers put them into objects, watchers compare.
fn now_us() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

/// What is asked in each round, with the share of objects that it is asked for.
const ROUND: [(Operation, f64); 5] = [
    (Operation::Create, 220.0),
    (Operation::Get, 40.0),
    (Operation::List, 8000.0),
    (Operation::MergePatch, 260.0),
    (Operation::Delete, 220.0),
];
const IN_FLIGHT: usize = 64;
const LISTS: usize = 20;

async fn over_https(options: &Options) -> anyhow::Result<Vec<Row>> {
    let gantry = Gantry::start().await?;
    let peer =
        options.peer_kubeconfig.as_ref().map(|file| Target::peer("kube-apiserver", file, options.peer_pids.clone()));
    let peer = peer.transpose()?;
    let targets: Vec<&Target> = std::iter::once(&gantry.target).chain(&peer).collect();
    let mut costs: Vec<Vec<Vec<Cost>>> = targets.iter().map(|_| ROUND.map(|_| Vec::new()).into()).collect();
    for round in 0..options.rounds {
        for (target, costs) in targets.iter().zip(&mut costs) {
            self::round(target, options, round, costs).await?;
        }
    }
    let medians: Vec<Vec<Cost>> = costs.into_iter().map(|of| of.into_iter().map(median).collect()).collect();
    let mut rows = Vec::new();
    for (at, (operation, budget)) in ROUND.into_iter().enumerate() {
        for (target, medians) in targets.iter().zip(&medians) {
            let Cost { per_second, p50_us, p99_us, .. } = medians[at];
            let name = target.name;
            println!(
                "  {operation:?} {name}: {per_second:.0}/s, p50 {:.2} ms, p99 {:.2} ms",
                p50_us / 1e3,
                p99_us / 1e3
            );
        }
        let scale = if operation == Operation::List { 1e3 } else { 1.0 };
        rows.push(Row {
            what: format!("{}, CPU of server and store", title(operation)),
            unit: if operation == Operation::List { "ms" } else { "us" },
            measured: medians[0][at].cpu_us / scale,
            budget: Budget::Most(budget / scale),
            peer: (medians.get(1).zip(peer.as_ref()))
                .filter(|(_, peer)| peer.has_cpu())
                .map(|(costs, peer)| (costs[at].cpu_us / scale, peer.name)),
        });
    }
    rows.push(single::run(&gantry.target, peer.as_ref()).await?);
    rows.extend(watches(&gantry.target, peer.as_ref()).await?);
    rows.push(many_watches(&gantry.target, options.watches).await?);
    Ok(rows)
}

fn title(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "create, 64 in flight",
        Operation::Get => "get, 64 in flight",
        Operation::MergePatch => "merge patch, 64 in flight",
        Operation::Delete => "delete, 64 in flight",
        Operation::List => "list of 4,000 x 1 KiB",
        Operation::Page => "page of 500",
    }
}

async fn round(target: &Target, options: &Options, round: usize, costs: &mut [Vec<Cost>]) -> anyhow::Result<()> {
    let namespace = format!("bench-{}-{round}", std::process::id());
    let objects = Objects { namespace, count: options.objects, first: 0, bytes: 1024 };
    objects.prepare(target).await?;
    for ((operation, _), costs) in ROUND.into_iter().zip(costs) {
        let (requests, in_flight) =
            if operation == Operation::List { (LISTS, 2) } else { (options.objects, IN_FLIGHT) };
        costs.push(requests::measure(target, &objects, operation, requests, in_flight).await?);
    }
    Ok(())
}

fn median(mut costs: Vec<Cost>) -> Cost {
    costs.sort_by(|a, b| a.cpu_us.total_cmp(&b.cpu_us));
    costs.swap_remove(costs.len() / 2)
}

async fn watches(gantry: &Target, peer: Option<&Target>) -> anyhow::Result<Vec<Row>> {
    let ours = watched(gantry, WRITES).await?;
    let theirs = match peer {
        Some(peer) => {
            watched(peer, PEERS_WRITES).await.inspect_err(|error| println!("  {}: {error:#}", peer.name)).ok()
        }
        None => None,
    };
    println!(
        "  100 watchers: {:.2} us of CPU here for each delivery, its share of the write in it",
        ours.full.own_cpu_us
    );
    println!("  1,000 watchers: write sent -> event read, p99 {:.1} ms", ours.paced.sent_p99_ms);
    let row = |what: &str, unit, budget, figure: fn(&Watched) -> f64| {
        Row::new(what, unit, figure(&ours), budget)
            .against(theirs.as_ref().map(|peer| (figure(peer), "kube-apiserver")))
    };
    let mut cpu =
        row("watch: CPU of a delivery, its share of the write in it", "us", Budget::Most(8.0), |w| w.full.cpu_us);
    cpu.peer = cpu.peer.filter(|_| peer.is_some_and(Target::has_cpu));
    Ok(vec![
        row("watch: deliveries a second over TLS to 100 clients", "/s", Budget::Least(200_000.0), |w| {
            w.full.per_second
        }),
        cpu,
        row("write answered -> event read, p99, 1,000 watchers", "ms", Budget::Most(50.0), |w| w.paced.answered_p99_ms),
    ])
}

/// Few writes, each delivered to all: what the last of them waits for, and what one costs that waits.
async fn many_watches(target: &Target, watches: usize) -> anyhow::Result<Row> {
    const PACE: Duration = Duration::from_millis(500);
    let objects = Objects { namespace: format!("crowd-{}", std::process::id()), count: 20, first: 0, bytes: 1024 };
    objects.prepare(target).await?;
    requests::drive(&target.clients(1).await?, &objects, Operation::Create, objects.count, 1).await?;
    let measured = fan_out::measure(target, &objects, watches, objects.count, Some(PACE)).await?;
    println!(
        "  {watches} watchers: {:.1} KiB of memory each; write answered -> event read, p99 {:.0} ms, the last {:.0} ms",
        measured.watch_bytes / 1024.0,
        measured.answered_p99_ms,
        measured.answered_last_ms
    );
    let what = format!("{watches} watches: CPU of a delivery, its share of the write in it");
    Ok(Row::new(what, "us", measured.cpu_us, Budget::None))
}

/// While 100 clients watch.
const WRITES: usize = 6000;
/// A kube-apiserver takes some hundred microseconds for a delivery, and ends watches that fall behind.
const PEERS_WRITES: usize = 300;

struct Watched {
    full: fan_out::FanOut,
    paced: fan_out::FanOut,
}

/// As fast as writes go, and at ten writes a second.
async fn watched(target: &Target, writes: usize) -> anyhow::Result<Watched> {
    let objects = Objects { namespace: format!("watched-{}", std::process::id()), count: 500, first: 0, bytes: 1024 };
    objects.prepare(target).await?;
    requests::drive(&target.clients(1).await?, &objects, Operation::Create, objects.count, 16).await?;
    let full = fan_out::measure(target, &objects, 100, writes, None).await?;
    let paced = fan_out::measure(target, &objects, 1000, 100, Some(Duration::from_millis(100))).await?;
    Ok(Watched { full, paced })
}
