//! `gantry server`: the control plane alone.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use gantry_base::{DataDir, Shutdown, telemetry};

use crate::{
    cli::{ServerArgs, TelemetryArgs},
    commands::up::nodes::machine_address,
    control_plane::{ControlPlane, ControlPlaneConfig},
    plugin_folder,
};

/// Runs until it is told to end.
///
/// # Errors
/// If a part of the control plane cannot be started.
pub fn run(arguments: &ServerArgs, telemetry: &TelemetryArgs) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let _telemetry = telemetry::init(&telemetry.options("gantry-server"))?;
        let shutdown = Shutdown::new();
        shutdown.on_signals()?;
        let starting = ControlPlane::start(config(arguments)?, &shutdown);
        let Some(started) = shutdown.token().run_until_cancelled(starting).await else { return Ok(()) };
        if started.is_ok() {
            shutdown.requested().await;
        }
        shutdown.request();
        shutdown.finished().await;
        started.map(drop)
    })
}

fn config(arguments: &ServerArgs) -> Result<ControlPlaneConfig> {
    let dir = DataDir::new(&arguments.data_dir)?;
    dir.create().with_context(|| format!("cannot make {}", dir.path().display()))?;
    let next = arguments.listen.port().checked_add(1).unwrap_or(0);
    let advertise = match arguments.advertise_address {
        Some(address) => address,
        None if arguments.listen.ip().is_unspecified() => machine_address()?,
        None => arguments.listen.ip(),
    };
    Ok(ControlPlaneConfig {
        dir,
        listen: vec![arguments.listen],
        grpc_listen: vec![arguments.grpc_listen.unwrap_or(SocketAddr::new(arguments.listen.ip(), next))],
        database_url: arguments.database_url.clone(),
        database_patience: None,
        roles: arguments.roles.clone(),
        advertise,
        names: arguments.tls_san.clone(),
        plugin_dir: plugin_folder::locate(arguments.plugin_dir.as_deref())?,
        pods_within: None,
        audit: arguments.audit.config(),
    })
}
