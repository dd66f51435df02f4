//! Pods on a node: from their creation to Running seen by a watch, against the bare calls of CRI on the same containerd.

mod bare;
pub mod pods;

use std::{
    slice::from_ref,
    time::{Duration, Instant},
};

use anyhow::Result;
use gantry_tests::{Cluster, Options as ClusterOptions};

use self::{bare::BareRuntime, pods::Pods};
use crate::{
    latency::Latencies,
    table::{self, Budget, Row},
};

#[derive(clap::Args)]
pub struct Options {
    /// Pods that are timed one by one, each paired with one made by bare calls.
    #[arg(long, default_value_t = 40)]
    pods: usize,
    /// Pods made at once.
    #[arg(long, default_value_t = 20)]
    burst: usize,
    /// How many times so many at once.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// Made and thrown away before anything counts.
const WARM_UP: usize = 3;

/// Needs root, containerd, and what `cargo xtask bench` built.
pub async fn run(options: Options) -> Result<()> {
    let cluster = Cluster::start(ClusterOptions::nodes(1))?;
    let bare = BareRuntime::of(&cluster.data_dir())?;
    let mut pods = Pods::connect(&cluster.kubeconfig()).await?;
    let rows = [one_by_one(&options, &bare, &mut pods).await?, bursts(&options, &bare, &mut pods).await?];
    table::print("node", &rows);
    Ok(())
}

async fn one_by_one(options: &Options, bare: &BareRuntime, pods: &mut Pods) -> Result<Row> {
    let (mut floor, mut ours, mut above) = (Latencies::default(), Latencies::default(), Latencies::default());
    for index in 0..WARM_UP + options.pods {
        let name = format!("one-{index}");
        let started = Instant::now();
        let sandbox = bare.start(&name).await?;
        let bare_took = started.elapsed();
        bare.remove(&sandbox).await?;
        let took = pods.until_running(from_ref(&name)).await?;
        pods.delete(from_ref(&name)).await?;
        if index >= WARM_UP {
            floor.add(bare_took);
            ours.add(took);
            above.add(took.saturating_sub(bare_took));
        }
    }
    println!("node: {} pods one by one, with a token volume, image present", options.pods);
    println!("  bare CRI calls:                     {}", shown(&mut floor));
    println!("  pod create -> Running by a watch:   {}", shown(&mut ours));
    println!("  above the bare calls, pair by pair: {}", shown(&mut above));
    let above = above.percentile_us(0.5) / 1e3;
    Ok(Row::new("pod create -> Running, above the bare calls, p50", "ms", above, Budget::Most(50.0)))
}

async fn bursts(options: &Options, bare: &BareRuntime, pods: &mut Pods) -> Result<Row> {
    println!("node: {} pods at once, {} times", options.burst, options.rounds);
    let mut ratios = Vec::new();
    for round in 0..options.rounds {
        let names: Vec<String> = (0..options.burst).map(|index| format!("burst-{round}-{index}")).collect();
        let floor = bare.burst(&names).await?;
        let ours = pods.until_running(&names).await?;
        pods.delete(&names).await?;
        let ratio = ours.as_secs_f64() / floor.as_secs_f64();
        println!("  bare {:.2} s, all Running {:.2} s, ratio {ratio:.2}", floor.as_secs_f64(), ours.as_secs_f64());
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN);
    let what = format!("{} pods at once, of the bare calls' time", options.burst);
    Ok(Row::new(what, "x", median, Budget::Most(1.7)))
}

fn shown(latencies: &mut Latencies) -> String {
    let ms = |latencies: &mut Latencies, share| latencies.percentile_us(share) / 1e3;
    format!("p50 {:.1} ms, p99 {:.1} ms", ms(latencies, 0.5), ms(latencies, 0.99))
}

/// Nothing that is measured here takes longer.
const LIMIT: Duration = Duration::from_secs(60);
