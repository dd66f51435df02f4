//! `gantry node`: the node daemon.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use gantry_base::{Shutdown, telemetry};

use crate::{
    cli::{NodeArgs, TelemetryArgs},
    commands::up::nodes::machine_address,
    node::{self, NodeSettings, lock::NodeLock},
};

/// Runs until it is told to end. Containers stay.
///
/// # Errors
/// If containerd or a part of the daemon cannot be started.
pub fn run(arguments: &NodeArgs, telemetry: &TelemetryArgs) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let _telemetry = telemetry::init(&telemetry.options("gantry-node"))?;
        let shutdown = Shutdown::new();
        shutdown.on_signals()?;
        let settings = settings(arguments)?;
        let _lock = NodeLock::take(&settings.data_dir)?;
        let ended = node::run(settings, &shutdown).await;
        shutdown.request();
        shutdown.finished().await;
        ended
    })
}

fn settings(arguments: &NodeArgs) -> Result<NodeSettings> {
    let name = match &arguments.node_name {
        Some(name) => name.clone(),
        None => nix::unistd::gethostname()?.to_string_lossy().to_lowercase(),
    };
    let needed = |file: &Path| -> Result<PathBuf> {
        if !file.is_file() {
            bail!("{} is missing", file.display());
        }
        Ok(file.to_path_buf())
    };
    Ok(NodeSettings {
        name,
        ip: arguments.node_ip.map_or_else(machine_address, Ok)?,
        data_dir: std::path::absolute(&arguments.data_dir)?,
        kubeconfig: needed(&arguments.kubeconfig).context("the node's credentials")?,
        proxy_kubeconfig: arguments.proxy_kubeconfig.clone(),
        grpc_server: arguments.grpc_server.clone(),
        containerd_socket: arguments.containerd_socket.clone(),
        images: arguments.images.clone(),
        kubelet_port: arguments.kubelet_port,
        kubelet_certificate: needed(&arguments.kubelet_certificate).context("the kubelet API's certificate")?,
        kubelet_key: needed(&arguments.kubelet_key).context("the kubelet API's key")?,
        plugin_dir: crate::plugin_folder::locate(arguments.plugin_dir.as_deref())?,
    })
}
