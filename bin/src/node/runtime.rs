//! The node's containerd: one that runs already, or one of our own that outlives the daemon.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use futures::future::join_all;
use gantry_agent::{NodeConfig, cgroups::Cgroups};
use gantry_base::Shutdown;
use gantry_cri::{
    Containerd, ContainerdConfig, CriError, RuntimeClient,
    containerd::{answers, end_leftover, end_shims},
    runtime::connect,
};

use super::NodeSettings;
use crate::say;

/// What containers may take to end when their node is taken down.
const GRACE_SECONDS: i64 = 2;
/// For how long pods are asked to end that cannot just now.
const PATIENCE: Duration = Duration::from_secs(5);
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// Of the containerd that we start for a node with this folder.
pub fn containerd_config(data_dir: &Path) -> ContainerdConfig {
    ContainerdConfig::below(&data_dir.join("containerd"))
}

/// Where the node's containerd looks for CNI configurations.
pub fn cni_conf_dir(settings: &NodeSettings) -> PathBuf {
    match settings.containerd_socket {
        Some(_) => "/etc/cni/net.d".into(),
        None => containerd_config(&settings.data_dir).cni_conf_dir,
    }
}

/// The socket of a containerd that answers. Ours is started again whenever it ends.
///
/// # Errors
/// If it cannot be started; the end of its log is in the error.
pub async fn ensure(settings: &NodeSettings, shutdown: &Shutdown) -> Result<PathBuf> {
    if let Some(socket) = &settings.containerd_socket {
        return Ok(socket.clone());
    }
    let config = containerd_config(&settings.data_dir);
    let socket = config.socket();
    let mut containerd = Containerd::start(config).await.context("containerd cannot be started")?;
    let stop = shutdown.token();
    shutdown.spawn(async move {
        let watch = async {
            loop {
                let ended = containerd.ended().await;
                tracing::warn!(?ended, "containerd ended; it is started again");
                containerd.revive().await;
            }
        };
        let never: Option<std::convert::Infallible> = stop.run_until_cancelled(watch).await;
        debug_assert!(never.is_none(), "the loop ends only by the token");
    });
    Ok(socket)
}

/// Ends all pods of a node, and the containerd that we run for it. What does not end when asked, or can be asked by nobody as
/// its containerd is dead, is killed. `node`: its name, if that is known; cgroups are found by it. Blocks the thread while it
/// waits for what it killed.
///
/// # Errors
/// If something outlives being killed.
pub async fn stop(data_dir: &Path, node: Option<&str>) -> Result<()> {
    let config = containerd_config(data_dir);
    if config.socket().exists() {
        let runtime = RuntimeClient::new(connect(&config.socket())?);
        if answers(&config, &runtime).await
            && let Err(error) = stop_pods_patiently(&runtime).await
        {
            say::line(format_args!("{}: pods do not end when asked, and are killed: {error}", data_dir.display()));
        }
    }
    end_leftover(&config).await;
    if let Some(node) = node {
        let cgroups = Cgroups::new(&NodeConfig::cgroup_root_of(node));
        cgroups.destroy().with_context(|| format!("the cgroups of the pods of {node}"))?;
    }
    end_shims(&config).await;
    Ok(())
}

/// A container that was being started when its node daemon ended cannot be removed for a moment.
async fn stop_pods_patiently(runtime: &RuntimeClient) -> Result<(), CriError> {
    let started = Instant::now();
    loop {
        match stop_pods(runtime).await {
            Err(_) if started.elapsed() < PATIENCE => tokio::time::sleep(TRY_AGAIN).await,
            done => return done,
        }
    }
}

async fn stop_pods(runtime: &RuntimeClient) -> Result<(), CriError> {
    let containers = runtime.list_containers(None).await?;
    let stops = containers.iter().map(|container| runtime.stop_container(&container.id, GRACE_SECONDS));
    // What does not stop here is killed with its sandbox.
    join_all(stops).await;
    let sandboxes = runtime.list_pod_sandbox(None).await?;
    let removals = sandboxes.iter().map(|sandbox| async {
        runtime.stop_pod_sandbox(&sandbox.id).await?;
        runtime.remove_pod_sandbox(&sandbox.id).await
    });
    join_all(removals).await.into_iter().collect::<Result<Vec<()>, _>>().map(drop)
}
