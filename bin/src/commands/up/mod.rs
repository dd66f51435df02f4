//! `gantry up`: database, control plane and nodes on this machine.

mod detach;
mod hints;
pub mod namespaces;
mod node_process;
pub mod nodes;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use gantry_base::{DataDir, Shutdown, telemetry};
use gantry_runtime::ObjectSource;
use gantry_storage_pg::{ManagedOptions, ManagedPostgres};

use crate::{
    cli::{TelemetryArgs, UpArgs},
    control_plane::{ControlPlane, ControlPlaneConfig, Role},
    instance::InstanceLock,
    plugin_folder,
    progress::Progress,
};
use nodes::{Fleet, NodePlace};

/// Who starts things by hand wants to hear soon that the database they named is not there.
const DATABASE_PATIENCE: Duration = Duration::from_secs(30);

/// Runs until it is told to end, or, detached, until everything is ready.
///
/// # Errors
/// What could not be started, and where its log is.
pub fn run(arguments: &UpArgs, telemetry: &TelemetryArgs) -> Result<()> {
    let dir = DataDir::new(&arguments.data_dir)?;
    dir.create().with_context(|| format!("cannot make {}", dir.path().display()))?;
    if arguments.detach && !arguments.report_json {
        detach::run(&dir)?;
        hints::print(&dir);
        return Ok(());
    }
    let mut progress = if arguments.report_json { Progress::to_parent() } else { Progress::to_user() };
    let _lock = InstanceLock::take(&dir).inspect_err(|error| progress.failed(error))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(up(arguments, telemetry, &dir, &mut progress));
    if let Err(error) = &ended {
        progress.failed(error);
    }
    ended.with_context(|| match progress.current_step() {
        "" => "up".to_owned(),
        step => format!("{step} (the log is {})", dir.logs().join("gantry.log").display()),
    })
}

async fn up(arguments: &UpArgs, telemetry: &TelemetryArgs, dir: &DataDir, progress: &mut Progress) -> Result<()> {
    let mut options = telemetry.options("gantry-up");
    options.file = Some(dir.logs().join("gantry.log"));
    let _telemetry = telemetry::init(&options)?;
    let shutdown = Shutdown::new();
    shutdown.on_signals()?;

    let (database_url, postgres) = database(arguments, dir, progress).await?;
    let started = start(arguments, dir, progress, database_url, &shutdown).await;
    if started.is_ok() {
        progress.ready();
        if !arguments.report_json {
            hints::print(dir);
        }
        shutdown.requested().await;
    }
    shutdown.request();
    shutdown.finished().await;
    if let Some(postgres) = postgres {
        postgres.stop().await?;
    }
    started.map(drop)
}

async fn database(
    arguments: &UpArgs,
    dir: &DataDir,
    progress: &mut Progress,
) -> Result<(String, Option<ManagedPostgres>)> {
    if let Some(url) = &arguments.database_url {
        return Ok((url.clone(), None));
    }
    progress.step("PostgreSQL");
    let postgres = ManagedPostgres::start(&dir.postgres(), &ManagedOptions::default()).await?;
    Ok((postgres.url().to_owned(), Some(postgres)))
}

async fn start(
    arguments: &UpArgs,
    dir: &DataDir,
    progress: &mut Progress,
    database_url: String,
    shutdown: &Shutdown,
) -> Result<ControlPlane> {
    let places = places(arguments, dir, progress).await?;
    progress.step(&format!("control plane on https://{}", arguments.listen));
    let plugin_dir = plugin_folder::locate(None)?;
    let config = ControlPlaneConfig {
        dir: dir.clone(),
        listen: listeners(arguments.listen, &places)?,
        grpc_listen: listeners(SocketAddr::new(arguments.listen.ip(), 0), &places)?,
        database_url,
        database_patience: Some(DATABASE_PATIENCE),
        roles: vec![Role::Api, Role::Scheduler, Role::Controllers],
        advertise: advertised(arguments.listen, &places)?,
        names: Vec::new(),
        plugin_dir: plugin_dir.clone(),
        pods_within: places.iter().find_map(|place| place.namespace.as_ref()).map(|namespace| namespace.path.clone()),
        audit: arguments.audit.config(),
    };
    let control_plane = ControlPlane::start(config, shutdown).await?;
    let fleet = Fleet {
        dir,
        authority: control_plane.authority(),
        api_port: arguments.listen.port(),
        grpc_port: control_plane.grpc_port(),
        plugin_dir: &plugin_dir,
    };
    for place in &places {
        progress.step(&format!("node {}", place.name));
        fleet.prepare(place)?.keep_running(shutdown)?;
    }
    for place in &places {
        progress.step(&format!("node {} is Ready", place.name));
        until_ready(control_plane.source(), &place.name, shutdown).await?;
    }
    Ok(control_plane)
}

async fn places(arguments: &UpArgs, dir: &DataDir, progress: &mut Progress) -> Result<Vec<NodePlace>> {
    if arguments.no_node {
        return Ok(Vec::new());
    }
    let Some(count) = arguments.nodes else {
        progress.step("this machine's address");
        return Ok(vec![NodePlace::this_machine()?]);
    };
    progress.step(&format!("namespaces for {count} nodes"));
    NodePlace::in_namespaces(dir, count).await
}

/// The address asked for, and where nodes cannot reach that one, the one they can.
fn listeners(asked: SocketAddr, places: &[NodePlace]) -> Result<Vec<SocketAddr>> {
    let mut all = vec![asked];
    if !asked.ip().is_unspecified()
        && let Some(place) = places.first()
    {
        let reachable = place.api_address();
        if reachable != asked.ip() {
            all.push(SocketAddr::new(reachable, asked.port()));
        }
    }
    Ok(all)
}

/// Where pods and nodes reach the API.
fn advertised(asked: SocketAddr, places: &[NodePlace]) -> Result<IpAddr> {
    if let Some(place) = places.first() {
        return Ok(place.api_address());
    }
    if !asked.ip().is_unspecified() && !asked.ip().is_loopback() {
        return Ok(asked.ip());
    }
    // Without a node nobody but clients on this machine is known.
    Ok(nodes::machine_address().unwrap_or(Ipv4Addr::LOCALHOST.into()))
}

async fn until_ready(source: Arc<dyn ObjectSource>, node: &str, shutdown: &Shutdown) -> Result<()> {
    tokio::select! {
        ready = crate::node_ready::wait(source, node) => ready,
        () = shutdown.requested() => bail!("interrupted"),
    }
}
