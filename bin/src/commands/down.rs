//! `gantry down`: ends what `up` started on a data folder.

use std::path::PathBuf;

use anyhow::{Context, Result};
use gantry_base::DataDir;
use gantry_network::NodeNetworks;
use gantry_storage_pg::ManagedPostgres;

use super::up::namespaces;
use crate::{
    cli::DownArgs,
    instance,
    node::{join, lock, network, runtime},
    say,
};

/// Ends the instance; then, unless told to keep them, its containers, their containerd and their networks.
///
/// # Errors
/// What could not be ended. Whatever was, stays ended: run it again.
pub fn run(arguments: &DownArgs) -> Result<()> {
    let dir = DataDir::new(&arguments.data_dir)?;
    if !dir.run().is_dir() && !joined_node(&dir) {
        say::line(format_args!("{}: nothing runs here", dir.path().display()));
        return Ok(());
    }
    let was_running = dir.run().is_dir() && instance::stop_running(&dir)?;
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let nodes = node_folders(&dir)?;
    for node in &nodes {
        lock::end_leftover(node).with_context(|| format!("the daemon of {}", node.display()))?;
    }
    executor.block_on(async {
        if !arguments.keep_pods && joined_node(&dir) {
            let node = join::node_name(dir.path());
            runtime::stop(dir.path(), node.as_deref()).await.context("containers of the node")?;
        }
        if !arguments.keep_pods {
            stop_nodes(&dir, &nodes).await?;
        }
        stop_database(&dir).await
    })?;
    say::line(format_args!(
        "{}: {}",
        dir.path().display(),
        if was_running { "stopped" } else { "nothing was running" }
    ));
    Ok(())
}

/// A `gantry node` kept its containers here; its daemon is its supervisor's to end.
fn joined_node(dir: &DataDir) -> bool {
    dir.path().join("containerd").is_dir()
}

fn node_folders(dir: &DataDir) -> Result<Vec<PathBuf>> {
    let folder = dir.path().join("nodes");
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(&folder).and_then(|entries| entries.map(|e| Ok(e?.path())).collect());
    entries.with_context(|| format!("cannot read {}", folder.display()))
}

async fn stop_nodes(dir: &DataDir, nodes: &[PathBuf]) -> Result<()> {
    if nodes.is_empty() {
        return Ok(());
    }
    let networks = NodeNetworks::new(dir.path());
    for node in nodes {
        let name = node.file_name().unwrap_or_default().to_string_lossy();
        runtime::stop(node, Some(&name)).await.with_context(|| format!("containers of {}", node.display()))?;
        namespaces::remove(node)?;
        if !networks.is_node(&name) {
            network::take_back(node).await.context("this machine's network")?;
        }
    }
    networks.destroy().await?;
    Ok(())
}

/// An instance that was killed leaves its PostgreSQL behind.
async fn stop_database(dir: &DataDir) -> Result<()> {
    if let Some(postgres) = ManagedPostgres::running(&dir.postgres())? {
        postgres.stop().await?;
    }
    Ok(())
}
