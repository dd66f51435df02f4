//! `gantry down`: ends what `up` started on a data folder.

use anyhow::{Context, Result};
use gantry_base::DataDir;
use gantry_network::NodeNetworks;
use gantry_storage_pg::ManagedPostgres;

use super::up::namespaces;
use crate::{cli::DownArgs, instance, node::runtime};

/// Ends the instance; then, unless told to keep them, its containers, their containerd and their networks.
///
/// # Errors
/// What could not be ended. Whatever was, stays ended: run it again.
pub fn run(arguments: &DownArgs) -> Result<()> {
    let dir = DataDir::new(&arguments.data_dir)?;
    if !dir.run().is_dir() {
        println!("{}: nothing runs here", dir.path().display());
        return Ok(());
    }
    let was_running = instance::stop_running(&dir)?;
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    executor.block_on(async {
        if !arguments.keep_pods {
            stop_nodes(&dir).await?;
        }
        stop_database(&dir).await
    })?;
    println!("{}: {}", dir.path().display(), if was_running { "stopped" } else { "nothing was running" });
    Ok(())
}

async fn stop_nodes(dir: &DataDir) -> Result<()> {
    let folder = dir.path().join("nodes");
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let node = entry?.path();
        runtime::stop(&node).await.with_context(|| format!("containers of {}", node.display()))?;
        namespaces::remove(&node)?;
    }
    NodeNetworks::new(dir.path()).destroy().await?;
    Ok(())
}

/// An instance that was killed leaves its PostgreSQL behind.
async fn stop_database(dir: &DataDir) -> Result<()> {
    if let Some(postgres) = ManagedPostgres::running(&dir.postgres())? {
        postgres.stop().await?;
    }
    Ok(())
}
