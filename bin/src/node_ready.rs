//! Waiting until a node reports Ready.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, bail};
use gantry_meta::GroupVersionResource;
use gantry_runtime::ObjectSource;
use serde_json::Value;

use crate::object_wait;

/// A first start pulls nothing: what takes longer than this does not come.
const LIMIT: Duration = Duration::from_secs(120);

/// # Errors
/// When the node is not Ready in time, or the API goes away.
pub async fn wait(source: Arc<dyn ObjectSource>, node: &str) -> Result<()> {
    let nodes = GroupVersionResource::new("", "v1", "nodes");
    let ready = object_wait::until(&*source, &nodes, node, |node| is_ready(node).then_some(()));
    match tokio::time::timeout(LIMIT, ready).await {
        Ok(ended) => ended,
        Err(_) => bail!("it is not Ready after {} s", LIMIT.as_secs()),
    }
}

fn is_ready(node: &Value) -> bool {
    let conditions = node["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True")
}
