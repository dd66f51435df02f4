//! Paired benchmarks: ours and a peer's, on the same machine in the same run, as ratios. A benchmark says what it measured,
//! on what, and fails on no figure.

mod api;
mod cpu;
mod etcd;
mod latency;
mod memory;
mod node;
mod services;
mod store;
mod table;
mod up;

use clap::{Parser, Subcommand};

/// As in `gantry` itself: what is measured in process allocates as it does there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "gantry-bench", version, about)]
struct Cli {
    /// Left out: all, one after the other
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// Durable compare-and-set writes, against etcd from the PATH; fan-out and lists of the watch cache.
    Store(store::Options),
    /// Requests over HTTPS against `gantry up --no-node`, paired with etcd and, if one is named, a kube-apiserver.
    Api(api::Options),
    /// Service rules in the kernel: the full table, and one endpoint's change among all services.
    Services(services::Options),
    /// Pods, one by one and many at once, against bare calls of CRI on the same containerd.
    Node(node::Options),
    /// From an empty folder to the first pod that runs, a second start, memory at rest.
    Up(up::Options),
}

const ALL: [&str; 5] = ["store", "api", "services", "node", "up"];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    if let Some(part) = Cli::parse().part {
        return run(part).await;
    }
    for name in ALL {
        let part = Cli::parse_from(["gantry-bench", name]).part;
        run(part.expect("a part was named")).await?;
    }
    Ok(())
}

async fn run(part: Part) -> anyhow::Result<()> {
    match part {
        Part::Store(options) => store::run(options).await,
        Part::Api(options) => api::run(options).await,
        Part::Services(options) => services::run(&options),
        Part::Node(options) => node::run(options).await,
        Part::Up(options) => up::run(options).await,
    }
}
