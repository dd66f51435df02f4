//! `gantry node`: the node daemon.

use std::{
    net::IpAddr,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use gantry_base::{Shutdown, telemetry};
use gantry_client::{ClientConfig, Token};
use jiff::Timestamp;

use crate::{
    cli::{NodeArgs, TelemetryArgs},
    commands::up::nodes::machine_address,
    node::{
        self, NodeSettings,
        join::{Joined, join, pause_until},
        lock::NodeLock,
    },
};

/// Why the daemon ended.
enum Ended {
    Asked,
    /// Connections hold on to the certificate they began with: with a new one the daemon begins anew.
    Renew,
}

/// Runs until it is told to end. Containers stay.
///
/// # Errors
/// If the node cannot join, or containerd or a part of the daemon cannot be started.
pub fn run(arguments: &NodeArgs, telemetry: &TelemetryArgs) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let _telemetry = telemetry::init(&telemetry.options("gantry-node"))?;
        let shutdown = Shutdown::new();
        shutdown.on_signals()?;
        let _lock = NodeLock::take(&std::path::absolute(&arguments.data_dir)?)?;
        let ended = serve(arguments, &shutdown).await;
        shutdown.request();
        shutdown.finished().await;
        ended
    });
    drop(runtime);
    match ended? {
        Ended::Asked => Ok(()),
        Ended::Renew => Err(Command::new(std::env::current_exe()?).args(std::env::args_os().skip(1)).exec())
            .context("the daemon cannot begin anew"),
    }
}

async fn serve(arguments: &NodeArgs, shutdown: &Shutdown) -> Result<Ended> {
    let name = name(arguments)?;
    let data_dir = std::path::absolute(&arguments.data_dir)?;
    let (files, renew_at) = match &arguments.kubeconfig {
        Some(kubeconfig) => {
            let kubeconfig = needed(kubeconfig).context("the node's credentials")?;
            ((kubeconfig, arguments.proxy_kubeconfig.clone()), Timestamp::MAX)
        }
        None => {
            let bootstrap = bootstrap(arguments)?;
            let joining = join(&name, &data_dir, bootstrap.as_ref());
            let Some(joined) = shutdown.token().run_until_cancelled(joining).await else { return Ok(Ended::Asked) };
            let Joined { kubeconfig, proxy_kubeconfig, renew_at } = joined.context("the node cannot join")?;
            ((kubeconfig, arguments.proxy_kubeconfig.clone().or(Some(proxy_kubeconfig))), renew_at)
        }
    };
    let settings = settings(arguments, name, data_dir, files)?;
    tokio::select! {
        ended = node::run(settings, shutdown) => ended.map(|()| Ended::Asked),
        () = tokio::time::sleep(pause_until(renew_at)) => Ok(Ended::Renew),
    }
}

fn name(arguments: &NodeArgs) -> Result<String> {
    arguments.node_name.clone().map_or_else(node::machine_name, Ok)
}

/// What the node may join with; `None`: it must have joined before.
fn bootstrap(arguments: &NodeArgs) -> Result<Option<ClientConfig>> {
    if let Some(file) = &arguments.bootstrap_kubeconfig {
        return Ok(Some(ClientConfig::from_kubeconfig(file, None)?));
    }
    let (Some(server), Some(authority), Some(token)) =
        (&arguments.server, &arguments.certificate_authority, &arguments.token)
    else {
        return Ok(None);
    };
    let pem = std::fs::read_to_string(authority).with_context(|| format!("cannot read {}", authority.display()))?;
    Ok(Some(ClientConfig::new(server, &pem).token(Token::Fixed(token.clone()))))
}

fn needed(file: &Path) -> Result<PathBuf> {
    if !file.is_file() {
        bail!("{} is missing", file.display());
    }
    Ok(file.to_path_buf())
}

fn settings(
    arguments: &NodeArgs,
    name: String,
    data_dir: PathBuf,
    (kubeconfig, proxy_kubeconfig): (PathBuf, Option<PathBuf>),
) -> Result<NodeSettings> {
    let kubelet_files = match (&arguments.kubelet_certificate, &arguments.kubelet_key) {
        (Some(certificate), Some(key)) => Some((
            needed(certificate).context("the kubelet API's certificate")?,
            needed(key).context("the kubelet API's key")?,
        )),
        _ => None,
    };
    Ok(NodeSettings {
        name,
        ip: arguments.node_ip.map_or_else(machine_address, Ok::<IpAddr, anyhow::Error>)?,
        data_dir,
        kubeconfig,
        proxy_kubeconfig,
        grpc_server: arguments.grpc_server.clone(),
        containerd_socket: arguments.containerd_socket.clone(),
        images: arguments.images.clone(),
        kubelet_port: arguments.kubelet_port,
        kubelet_files,
        plugin_dir: crate::plugin_folder::locate(arguments.plugin_dir.as_deref())?,
    })
}
