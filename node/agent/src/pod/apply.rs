//! Takes the steps of a plan: the only place where a pod that lives is changed in the runtime.

use std::{sync::Arc, time::Duration};

use gantry_cri::{CriError, api};
use k8s_openapi::api::core::v1::Container;
use thiserror::Error;

use super::{
    container_config::{ContainerConfigError, ContainerInput, container_config},
    desired::{DesiredPod, LONGEST_GRACE_SECONDS},
    env::environment,
    hosts_file,
    observed::{ContainerPhase, ObservedContainer, ObservedSandbox},
    plan::{Kill, Start},
    resources::container_resources,
    sandbox_config::sandbox_config,
    status::Waiting,
    tokens::PodTokens,
    volumes::{MountedVolumes, SetUpError, VolumeInput, set_up},
};
use crate::{context::NodeContext, events::Subject, hooks, image_pull::ImageError};

/// A container that is not started is tried again after this long, if nothing else says when.
const RETRY: Duration = Duration::from_secs(10);

/// Why a container does not run, and when to try again.
#[derive(Debug)]
pub struct StartFailure {
    pub waiting: Waiting,
    pub retry_after: Duration,
    /// What was made before it failed; it stays as an attempt that ended.
    pub container: Option<ObservedContainer>,
}

/// Why a pod has no volumes or no sandbox.
#[derive(Debug, Error)]
pub enum PrepareError {
    #[error(transparent)]
    Volumes(#[from] SetUpError),
    #[error("{0}")]
    Tokens(String),
    #[error("Failed to create pod sandbox: {0}")]
    Sandbox(CriError),
    #[error("{0}")]
    HostsFile(std::io::Error),
}

/// The steps that one pod needs. Holds nothing of the worker, so that a step can be dropped when the pod is deleted.
#[derive(Clone)]
pub struct Applier {
    pub node: Arc<NodeContext>,
    pub pod: Arc<DesiredPod>,
}

impl Applier {
    fn sandbox_config(&self, attempt: u32) -> api::PodSandboxConfig {
        let cgroup = self.node.cgroups.pod_path(&self.pod);
        sandbox_config(&self.pod, attempt, &self.node.config, &self.node.log_directory(&self.pod), &cgroup)
    }

    /// Makes the sandbox. Returns it with its addresses.
    pub async fn create_sandbox(&self, attempt: u32) -> Result<ObservedSandbox, PrepareError> {
        self.in_background(|applier| {
            applier.node.cgroups.create(&applier.pod);
        })
        .await;
        let config = self.sandbox_config(attempt);
        let handler = self.pod.spec().runtime_class_name.as_deref().unwrap_or_default();
        let id = self.node.runtime.run_pod_sandbox(config, handler).await.map_err(PrepareError::Sandbox)?;
        self.node.owners.add(&id, self.pod.uid());
        let status = self.node.runtime.pod_sandbox_status(&id).await.map_err(PrepareError::Sandbox)?;
        Ok(ObservedSandbox::from_status(&status))
    }

    /// Fetches tokens that are due and brings all volumes up to date.
    pub async fn prepare_volumes(&self, tokens: PodTokens) -> (PodTokens, Result<MountedVolumes, PrepareError>) {
        let ((), tokens) = tokio::join!(self.node.references.acquire(&self.pod), self.fresh_tokens(tokens));
        let tokens = match tokens {
            Ok(tokens) => tokens,
            Err(error) => return (PodTokens::default(), Err(error)),
        };
        let values = tokens.tokens.clone();
        let volumes = self.in_background(move |applier| {
            let facts = applier.node.facts(&applier.pod, &[]);
            let folders = applier.node.folders.pod(applier.pod.uid());
            set_up(&VolumeInput {
                pod: &applier.pod,
                facts: &facts,
                references: &applier.node.references,
                tokens: &values,
                folders: &folders,
            })
        });
        let volumes = volumes.await.map_err(PrepareError::from);
        (tokens, volumes)
    }

    async fn fresh_tokens(&self, tokens: PodTokens) -> Result<PodTokens, PrepareError> {
        if tokens.are_fresh(jiff::Timestamp::now()) {
            return Ok(tokens);
        }
        let requested = PodTokens::request(self.node.sink.as_ref(), &self.pod).await;
        requested.map_err(|error| PrepareError::Tokens(format!("failed to fetch token: {error}")))
    }

    /// Writes the hosts file; addresses are those of the sandbox.
    pub async fn write_hosts_file(&self, ips: Vec<String>) -> Result<(), PrepareError> {
        let written = self.in_background(move |applier| {
            let folders = applier.node.folders.pod(applier.pod.uid());
            std::fs::create_dir_all(folders.root())?;
            let host =
                if applier.pod.is_host_network() { std::fs::read_to_string("/etc/hosts")? } else { String::new() };
            let domain = &applier.node.config.cluster_domain;
            std::fs::write(folders.hosts_file(), hosts_file::content(&applier.pod, &ips, domain, &host))
        });
        written.await.map_err(PrepareError::HostsFile)
    }

    /// Starts one container: image, configuration, create, start, postStart hook.
    pub async fn start_container(
        &self,
        start: &Start,
        sandbox: &ObservedSandbox,
        volumes: &MountedVolumes,
    ) -> Result<ObservedContainer, StartFailure> {
        let Some((_, container)) = self.pod.container(&start.name) else {
            return Err(failure("CreateContainerConfigError", "the spec has no such container".into()));
        };
        let sandbox_config = self.sandbox_config(sandbox.attempt);
        let images = &self.node.images;
        let image = images.ensure(&self.pod, container, &self.node.references, &sandbox_config).await;
        let image = image.map_err(from_image_error)?;
        let config = self.container_config(container, start, sandbox, image, volumes.clone()).await;
        let config =
            config.map_err(|error| self.announce(container, "CreateContainerConfigError", error.to_string()))?;
        let runtime = &self.node.runtime;
        let created = runtime.create_container(&sandbox.id, config, sandbox_config).await;
        let id = created.map_err(|error| self.announce(container, "CreateContainerError", error.to_string()))?;
        self.node.owners.add(&id, self.pod.uid());
        let subject = Subject::container(&self.pod, &container.name);
        self.node.events.normal(subject.clone(), "Created", format!("Container created: {}", container.name));
        if let Err(error) = runtime.start_container(&id).await {
            let mut failure = self.announce(container, "RunContainerError", error.to_string());
            failure.container = self.read(&id, &sandbox.id).await;
            return Err(failure);
        }
        self.node.events.normal(subject, "Started", format!("Container started: {}", container.name));
        self.post_start(container, &id, sandbox).await?;
        let status = runtime.container_status(&id).await;
        let status = status.map_err(|error| self.announce(container, "RunContainerError", error.to_string()))?;
        Ok(ObservedContainer::from_status(&status, &sandbox.id))
    }

    async fn read(&self, id: &str, sandbox_id: &str) -> Option<ObservedContainer> {
        let status = self.node.runtime.container_status(id).await.ok()?;
        Some(ObservedContainer::from_status(&status, sandbox_id)).filter(|c| c.phase == ContainerPhase::Exited)
    }

    async fn container_config(
        &self,
        container: &Container,
        start: &Start,
        sandbox: &ObservedSandbox,
        image: api::Image,
        volumes: MountedVolumes,
    ) -> Result<api::ContainerConfig, ContainerConfigError> {
        self.node.services.wait_synced().await;
        let facts = self.node.facts(&self.pod, &sandbox.ips);
        let services = self.node.service_variables(&self.pod);
        let env = environment(&self.pod, container, &facts, &self.node.references, services)?;
        let (container, start) = (container.clone(), start.clone());
        self.in_background(move |applier| {
            let folders = applier.node.folders.pod(applier.pod.uid());
            let hosts_file = folders.hosts_file();
            container_config(&ContainerInput {
                pod: &applier.pod,
                container: &container,
                attempt: start.attempt,
                target: start.target.as_deref(),
                env,
                image: &image,
                volumes: &volumes,
                folders: &folders,
                node_name: &applier.node.config.name,
                node_memory_bytes: applier.node.machine.memory_bytes,
                hosts_file: Some(&hosts_file),
            })
        })
        .await
    }

    /// Gives running containers (by id) what their specs say, and the pod's cgroup what all have together. One result
    /// for each, in the order given.
    pub async fn resize(&self, containers: Vec<(String, Container)>) -> Vec<Result<(), CriError>> {
        // A child may not get more than its parent has, nor a parent less than a child: no order would always do.
        self.in_background(|applier| applier.node.cgroups.lift(&applier.pod)).await;
        let mut results = Vec::with_capacity(containers.len());
        for (id, container) in containers {
            let resources = container_resources(&self.pod, &container, self.node.machine.memory_bytes);
            results.push(self.node.runtime.update_container_resources(&id, resources).await);
        }
        self.in_background(|applier| applier.node.cgroups.create(&applier.pod)).await;
        results
    }

    async fn post_start(&self, container: &Container, id: &str, sandbox: &ObservedSandbox) -> Result<(), StartFailure> {
        let Some(hook) = container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.post_start.as_ref()) else {
            return Ok(());
        };
        let facts = self.node.facts(&self.pod, &sandbox.ips);
        let ip = facts.pod_ips.first().map(String::as_str).unwrap_or_default();
        let Err(message) = hooks::run(&self.node.runtime, container, id, hook, ip).await else { return Ok(()) };
        let subject = Subject::container(&self.pod, &container.name);
        self.node.events.warning(subject, "FailedPostStartHook", format!("PostStartHook failed: {message}"));
        let kill = Kill {
            container_id: id.into(),
            name: container.name.clone(),
            message: "FailedPostStartHook".into(),
            grace_seconds: None,
        };
        self.kill(&kill).await;
        let mut failure = failure("PostStartHookError", message);
        failure.container = self.read(id, &sandbox.id).await;
        Err(failure)
    }

    /// Ends one container of a pod that goes on living.
    pub async fn kill(&self, kill: &Kill) {
        let subject = Subject::container(&self.pod, &kill.name);
        self.node.events.normal(subject, "Killing", format!("{}, will be restarted", kill.message));
        let grace = kill.grace_seconds.unwrap_or(self.pod.grace_seconds()).min(LONGEST_GRACE_SECONDS);
        if let Err(error) = super::terminate::stop_container(self, &kill.name, &kill.container_id, grace).await {
            tracing::warn!(%error, container = kill.name, pod = self.pod.name(), "a container could not be stopped");
        }
    }

    fn announce(&self, container: &Container, reason: &'static str, message: String) -> StartFailure {
        let subject = Subject::container(&self.pod, &container.name);
        self.node.events.warning(subject, "Failed", format!("Error: {message}"));
        failure(reason, message)
    }

    /// Runs what blocks (files, mounts, cgroups) off the reactor.
    pub async fn in_background<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> T + Send + 'static) -> T {
        let applier = self.clone();
        match tokio::task::spawn_blocking(move || work(&applier)).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The reactor is being shut down, and this task with it.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

fn failure(reason: &'static str, message: String) -> StartFailure {
    StartFailure { waiting: Waiting { reason, message }, retry_after: RETRY, container: None }
}

fn from_image_error(error: ImageError) -> StartFailure {
    StartFailure { waiting: error.waiting, retry_after: error.retry_after, container: None }
}
