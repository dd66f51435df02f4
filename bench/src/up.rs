//! `gantry up` with one node: from an empty folder to the first pod that runs, a second start, and memory at rest.

use std::time::{Duration, Instant};

use anyhow::Result;
use gantry_tests::{Cluster, Options as ClusterOptions};

use crate::{memory, node::pods::Pods};

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
    for _ in 0..options.rounds {
        let started = Instant::now();
        let cluster = Cluster::start(ClusterOptions::nodes(1))?;
        let ready = started.elapsed();
        let mut pods = Pods::connect(&cluster.kubeconfig()).await?;
        pods.until_running(&["first".into()]).await?;
        let first = started.elapsed();
        pods.delete(&["first".into()]).await?;
        tokio::time::sleep(Duration::from_secs(options.rest)).await;
        let memory = memory::of_processes(&[&cluster.data_dir().to_string_lossy(), "gantry"])?;
        cluster.down(&[])?;
        let again = Instant::now();
        cluster.up()?;
        println!(
            "  empty folder: node Ready {:.2} s, first pod Running {:.2} s; second start: node Ready {:.2} s",
            ready.as_secs_f64(),
            first.as_secs_f64(),
            again.elapsed().as_secs_f64()
        );
        println!("  resident after {} s of rest: {memory}", options.rest);
    }
    Ok(())
}
