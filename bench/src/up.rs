//! `gantry up` with one node: from an empty folder to the first pod that runs, a second start, and memory at rest.

use std::time::{Duration, Instant};

use anyhow::Result;
use gantry_tests::{Cluster, Options as ClusterOptions};

use crate::{
    memory,
    node::pods::Pods,
    table::{self, Budget, Row},
};

#[derive(clap::Args)]
pub struct Options {
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of rest before memory is read.
    #[arg(long, default_value_t = 30)]
    rest: u64,
}

/// Needs root, containerd, PostgreSQL, and what `cargo xtask bench` built.
pub async fn run(options: Options) -> Result<()> {
    println!("up: one node, {} times", options.rounds);
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        rounds.push(round(options.rest).await?);
    }
    let worst = |figure: fn(&Round) -> f64| rounds.iter().map(figure).fold(f64::NAN, f64::max);
    table::print(
        "up (the worst round)",
        &[
            Row::new("empty folder -> first pod Running", "s", worst(|r| r.first_pod), Budget::Most(8.0)),
            Row::new("second start -> node Ready", "s", worst(|r| r.again), Budget::Most(5.0)),
            Row::new("resident at rest, control plane and node", "MB", worst(|r| r.resident), Budget::Most(150.0)),
        ],
    );
    Ok(())
}

/// Seconds, and MB.
struct Round {
    first_pod: f64,
    again: f64,
    resident: f64,
}

async fn round(rest: u64) -> Result<Round> {
    let started = Instant::now();
    let cluster = Cluster::start(ClusterOptions::nodes(1))?;
    let ready = started.elapsed().as_secs_f64();
    let mut pods = Pods::connect(&cluster.kubeconfig()).await?;
    pods.until_running(&["first".into()]).await?;
    let first_pod = started.elapsed().as_secs_f64();
    pods.delete(&["first".into()]).await?;
    tokio::time::sleep(Duration::from_secs(rest)).await;
    let memory = memory::of_processes(&[&cluster.data_dir().to_string_lossy(), "gantry"])?;
    cluster.down(&[])?;
    let restarted = Instant::now();
    cluster.up()?;
    let again = restarted.elapsed().as_secs_f64();
    println!("  empty folder: node Ready {ready:.2} s, first pod Running {first_pod:.2} s; second start: {again:.2} s");
    println!("  resident after {rest} s of rest: {memory}");
    Ok(Round { first_pod, again, resident: memory.mb() })
}
