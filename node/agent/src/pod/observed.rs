//! What the container runtime has of a pod.

use std::collections::HashMap;

use gantry_cri::{CriError, RuntimeClient, api};
use jiff::Timestamp;

use super::labels;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ContainerPhase {
    /// Made, never started.
    Created,
    Running,
    Exited,
    Unknown,
}

/// A sandbox of a pod; a pod has one at a time, older ones are remains.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObservedSandbox {
    pub id: String,
    pub attempt: u32,
    pub created_at: Timestamp,
    pub is_ready: bool,
    /// Empty on the host's network.
    pub ips: Vec<String>,
}

/// A container of a pod, running or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObservedContainer {
    pub id: String,
    pub name: String,
    /// How many times it had been started before.
    pub attempt: u32,
    /// Empty if read back without it; then it belongs to the newest sandbox.
    pub sandbox_id: String,
    pub phase: ContainerPhase,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub exit_code: i32,
    /// `Completed`, `Error`, `OOMKilled`, ...
    pub reason: String,
    pub message: String,
    pub image: String,
    pub image_id: String,
    pub hash: String,
    pub log_path: String,
}

/// Everything of one pod, newest first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ObservedPod {
    pub sandboxes: Vec<ObservedSandbox>,
    pub containers: Vec<ObservedContainer>,
}

fn timestamp(nanoseconds: i64) -> Option<Timestamp> {
    (nanoseconds > 0).then(|| Timestamp::from_nanosecond(nanoseconds.into()).ok()).flatten()
}

impl ObservedSandbox {
    pub fn from_status(status: &api::PodSandboxStatus) -> Self {
        let network = status.network.clone().unwrap_or_default();
        let first = Some(network.ip).filter(|ip| !ip.is_empty());
        Self {
            id: status.id.clone(),
            attempt: status.metadata.as_ref().map(|m| m.attempt).unwrap_or_default(),
            created_at: timestamp(status.created_at).unwrap_or_default(),
            is_ready: status.state == api::PodSandboxState::SandboxReady as i32,
            ips: first.into_iter().chain(network.additional_ips.into_iter().map(|ip| ip.ip)).collect(),
        }
    }
}

impl ObservedContainer {
    pub fn from_status(status: &api::ContainerStatus, sandbox_id: &str) -> Self {
        let text = |map: &HashMap<String, String>, key: &str| map.get(key).cloned().unwrap_or_default();
        let phase = match api::ContainerState::try_from(status.state) {
            Ok(api::ContainerState::ContainerCreated) => ContainerPhase::Created,
            Ok(api::ContainerState::ContainerRunning) => ContainerPhase::Running,
            Ok(api::ContainerState::ContainerExited) => ContainerPhase::Exited,
            _ => ContainerPhase::Unknown,
        };
        let mut container = Self {
            id: status.id.clone(),
            name: text(&status.labels, labels::CONTAINER_NAME),
            attempt: text(&status.annotations, labels::RESTART_COUNT).parse().unwrap_or_default(),
            sandbox_id: sandbox_id.into(),
            phase,
            created_at: timestamp(status.created_at).unwrap_or_default(),
            started_at: timestamp(status.started_at),
            finished_at: timestamp(status.finished_at),
            exit_code: status.exit_code,
            reason: status.reason.clone(),
            message: status.message.clone(),
            image: status.image.as_ref().map(|i| i.image.clone()).unwrap_or_default(),
            image_id: status.image_ref.clone(),
            hash: text(&status.annotations, labels::HASH),
            log_path: status.log_path.clone(),
        };
        if phase == ContainerPhase::Exited && container.message.is_empty() {
            container.message = super::termination::message(status);
        }
        container
    }

    pub fn is_running(&self) -> bool {
        self.phase == ContainerPhase::Running
    }

    pub fn succeeded(&self) -> bool {
        self.phase == ContainerPhase::Exited && self.exit_code == 0
    }
}

impl ObservedPod {
    /// The sandbox that counts: the newest.
    pub fn sandbox(&self) -> Option<&ObservedSandbox> {
        self.sandboxes.first()
    }

    pub fn ready_sandbox(&self) -> Option<&ObservedSandbox> {
        self.sandbox().filter(|sandbox| sandbox.is_ready)
    }

    /// The newest container of a name.
    pub fn latest(&self, name: &str) -> Option<&ObservedContainer> {
        self.containers.iter().find(|container| container.name == name)
    }

    /// The newest container of a name, if it is of the current sandbox.
    pub fn current(&self, name: &str) -> Option<&ObservedContainer> {
        let sandbox = self.sandbox()?;
        self.latest(name).filter(|container| container.sandbox_id == sandbox.id)
    }

    /// The one before the newest.
    pub fn previous(&self, name: &str) -> Option<&ObservedContainer> {
        self.containers.iter().filter(|container| container.name == name).nth(1)
    }

    pub fn running(&self) -> impl Iterator<Item = &ObservedContainer> {
        self.containers.iter().filter(|container| container.is_running())
    }

    /// Puts a container's new state in the place of its old one.
    pub fn put(&mut self, container: ObservedContainer) {
        self.containers.retain(|known| known.id != container.id);
        self.containers.push(container);
        self.sort();
    }

    pub fn put_sandbox(&mut self, sandbox: ObservedSandbox) {
        self.sandboxes.retain(|known| known.id != sandbox.id);
        self.sandboxes.push(sandbox);
        self.sort();
    }

    fn sort(&mut self) {
        self.sandboxes.sort_by_key(|s| std::cmp::Reverse((s.attempt, s.created_at)));
        self.containers.sort_by_key(|c| std::cmp::Reverse((c.attempt, c.created_at)));
    }

    /// Reads a pod's whole state from the runtime.
    pub async fn read(runtime: &RuntimeClient, uid: &str) -> Result<Self, CriError> {
        let selector = HashMap::from([(labels::POD_UID.to_owned(), uid.to_owned())]);
        let sandboxes = api::PodSandboxFilter { label_selector: selector.clone(), ..Default::default() };
        let containers = api::ContainerFilter { label_selector: selector, ..Default::default() };
        let (sandboxes, containers) =
            futures::try_join!(runtime.list_pod_sandbox(Some(sandboxes)), runtime.list_containers(Some(containers)))?;
        let mut observed = Self::default();
        for sandbox in sandboxes {
            if let Some(status) = found(runtime.pod_sandbox_status(&sandbox.id).await)? {
                observed.sandboxes.push(ObservedSandbox::from_status(&status));
            }
        }
        for container in containers {
            if let Some(status) = found(runtime.container_status(&container.id).await)? {
                observed.containers.push(ObservedContainer::from_status(&status, &container.pod_sandbox_id));
            }
        }
        observed.sort();
        Ok(observed)
    }
}

/// What vanished between two calls is no error.
fn found<T>(result: Result<T, CriError>) -> Result<Option<T>, CriError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
