//! Waiting until a node reports Ready.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, bail};
use futures::StreamExt;
use gantry_meta::GroupVersionResource;
use gantry_runtime::{ListOptions, ObjectSource, Observed, WatchEvent};

/// A first start pulls nothing: what takes longer than this does not come.
const LIMIT: Duration = Duration::from_secs(120);

/// # Errors
/// When the node is not Ready in time, or the API goes away.
pub async fn wait(source: Arc<dyn ObjectSource>, node: &str) -> Result<()> {
    match tokio::time::timeout(LIMIT, follow(source, node)).await {
        Ok(ended) => ended,
        Err(_) => bail!("it is not Ready after {} s", LIMIT.as_secs()),
    }
}

async fn follow(source: Arc<dyn ObjectSource>, node: &str) -> Result<()> {
    let nodes = GroupVersionResource::new("", "v1", "nodes");
    let options = ListOptions { field_selector: format!("metadata.name={node}"), ..Default::default() };
    loop {
        let listed = source.list(&nodes, &options).await?;
        if listed.items.iter().any(is_ready) {
            return Ok(());
        }
        let mut events = source.watch(&nodes, &options, &listed.resource_version).await?;
        while let Some(event) = events.next().await {
            match event {
                Ok(WatchEvent::Added(node) | WatchEvent::Modified(node)) if is_ready(&node) => return Ok(()),
                Ok(_) => {}
                // The next list tells where things stand.
                Err(_) => break,
            }
        }
    }
}

fn is_ready(node: &Observed) -> bool {
    let Ok(node) = serde_json::from_slice::<serde_json::Value>(&node.json) else { return false };
    let conditions = node["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True")
}
