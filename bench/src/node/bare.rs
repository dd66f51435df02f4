//! The floor: what the container runtime takes for a pod when nobody else has a say.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use futures::future::try_join_all;
use gantry_cri::{RuntimeClient, api, runtime::connect};

use super::pods::{COMMAND, IMAGE};

pub struct BareRuntime {
    runtime: RuntimeClient,
    logs: PathBuf,
}

impl BareRuntime {
    /// Of the only node of an instance with this data folder.
    pub fn of(data_dir: &Path) -> Result<Self> {
        let node = std::fs::read_dir(data_dir.join("nodes"))?.next().context("the instance has no node")??.path();
        let runtime = RuntimeClient::new(connect(&node.join("containerd/state/containerd.sock"))?);
        Ok(Self { runtime, logs: node.join("bare-logs") })
    }

    /// A sandbox with one container in it that runs. Returns the sandbox's id.
    pub async fn start(&self, name: &str) -> Result<String> {
        let metadata = api::PodSandboxMetadata {
            name: name.into(),
            uid: format!("bare-{name}"),
            namespace: "bare".into(),
            attempt: 0,
        };
        let sandbox_config = api::PodSandboxConfig {
            metadata: Some(metadata),
            hostname: name.into(),
            log_directory: self.logs.join(name).to_string_lossy().into_owned(),
            linux: Some(api::LinuxPodSandboxConfig::default()),
            ..Default::default()
        };
        let config = api::ContainerConfig {
            metadata: Some(api::ContainerMetadata { name: "main".into(), attempt: 0 }),
            image: Some(api::ImageSpec { image: IMAGE.into(), ..Default::default() }),
            command: COMMAND.map(str::to_owned).to_vec(),
            log_path: "main.log".into(),
            linux: Some(api::LinuxContainerConfig::default()),
            ..Default::default()
        };
        let sandbox = self.runtime.run_pod_sandbox(sandbox_config.clone(), "").await?;
        let container = self.runtime.create_container(&sandbox, config, sandbox_config).await?;
        self.runtime.start_container(&container).await?;
        Ok(sandbox)
    }

    pub async fn remove(&self, sandbox: &str) -> Result<()> {
        self.runtime.stop_pod_sandbox(sandbox).await?;
        Ok(self.runtime.remove_pod_sandbox(sandbox).await?)
    }

    /// All of them at once, and gone again. Returns what the start took.
    pub async fn burst(&self, names: &[String]) -> Result<Duration> {
        let started = Instant::now();
        let sandboxes = try_join_all(names.iter().map(|name| self.start(name))).await?;
        let took = started.elapsed();
        try_join_all(sandboxes.iter().map(|sandbox| self.remove(sandbox))).await?;
        Ok(took)
    }
}
