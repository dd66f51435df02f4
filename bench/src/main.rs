//! Paired benchmarks: ours and a peer's, on the same machine in the same run, as ratios. A benchmark says what it measured,
//! on what, and fails on no figure.

mod cpu;
mod etcd;
mod latency;
mod services;
mod store;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "gantry-bench", version, about)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Durable compare-and-set writes, against etcd from the PATH; fan-out and lists of the watch cache.
    Store(store::Options),
    /// Service rules in the kernel: the full table, and one endpoint's change among all services.
    Services(services::Options),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Cli::parse().what {
        What::Store(options) => store::run(options).await,
        What::Services(options) => services::run(&options),
    }
}
