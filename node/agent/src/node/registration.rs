//! Keeps the Node object: makes it, keeps its labels, and posts its status when something changed or every few minutes.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gantry_cri::{ImageClient, RuntimeClient};
use gantry_meta::{GroupVersionResource, Reason};
use gantry_runtime::{Backoff, ObjectSink, ObjectSource, Observed, Patch, SinkError, WriteTarget};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::object::{self, Health};
use crate::{
    NodeConfig,
    machine::{self, Machine},
};

/// The status is posted this often even if nothing changed.
const REPORT: Duration = Duration::from_secs(300);
const CHECK: Duration = Duration::from_secs(10);
/// Before the node is ready its state is looked at this often: somebody waits for it.
const CHECK_UNREADY: Duration = Duration::from_millis(100);
/// A runtime that is silent for this long makes the node NotReady.
const RUNTIME_PATIENCE: Duration = Duration::from_secs(40);
const MIN_AVAILABLE_MEMORY_BYTES: u64 = 100 << 20;
/// Absolute: a share of a large disk is more than pods need.
const MIN_AVAILABLE_DISK_BYTES: u64 = 1 << 30;

/// The node's presence in the API.
pub struct Registration {
    pub config: NodeConfig,
    pub machine: Machine,
    pub runtime: RuntimeClient,
    pub images: ImageClient,
    pub source: Arc<dyn ObjectSource>,
    pub sink: Arc<dyn ObjectSink>,
    /// Woken when images came or went.
    pub changed: Arc<Notify>,
}

fn nodes() -> GroupVersionResource {
    GroupVersionResource::new("", "v1", "nodes")
}

impl Registration {
    /// Makes the Node, or brings the labels of the one that is there up to date. Returns it. Tries until it works.
    pub async fn register(&self) -> Observed {
        let mut backoff = Backoff::default();
        loop {
            match self.register_once().await {
                Ok(node) => return node,
                Err(error) => tracing::warn!(%error, "the node could not be registered yet"),
            }
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }

    async fn register_once(&self) -> Result<Observed, SinkError> {
        let target = WriteTarget::new(&nodes(), "", &self.config.name);
        let body = Bytes::from(object::object(&self.config).to_string());
        match self.sink.create(&target, body).await {
            Err(SinkError::Refused(status)) if status.is(Reason::AlreadyExists) => {}
            other => return other,
        }
        let patch = json!({"metadata": {"labels": object::labels(&self.config)}});
        self.sink.patch(&target, Patch::Merge(Bytes::from(patch.to_string()))).await
    }

    /// Waits for the node's pod networks: a controller gives them to every new node.
    pub async fn pod_cidrs(&self, registered: &Observed) -> Vec<String> {
        let mut found = pod_cidrs_of(&registered.json);
        while found.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if let Ok(Some(node)) = self.source.get(&nodes(), "", &self.config.name).await {
                found = pod_cidrs_of(&node.json);
            }
        }
        found
    }

    /// Looks at the node's health and posts it until `stop`.
    pub async fn report(self, stop: CancellationToken) {
        let work = async {
            let mut reporter =
                Reporter { registration: &self, posted: None, conditions: Value::Null, runtime_seen: None };
            loop {
                let ready = reporter.check().await;
                let pause = if ready { CHECK } else { CHECK_UNREADY };
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = self.changed.notified() => {}
                }
            }
        };
        stop.run_until_cancelled(work).await;
    }

    async fn post(&self, status: &Value) -> Result<(), SinkError> {
        let target = WriteTarget::new(&nodes(), "", &self.config.name).subresource("status");
        let body = json!({"status": status}).to_string();
        self.sink.patch(&target, Patch::Strategic(Bytes::from(body))).await.map(|_| ())
    }

    /// `None`: the runtime does not answer.
    async fn health(&self) -> Option<Health> {
        let conditions = self.runtime.status().await.ok()?;
        let version = self.runtime.version().await.ok()?;
        let failed =
            conditions.iter().find(|c| !c.status && (c.r#type == "RuntimeReady" || c.r#type == "NetworkReady"));
        let mut images: Vec<(Vec<String>, u64)> = self
            .images
            .list_images()
            .await
            .ok()?
            .into_iter()
            .map(|image| (image.repo_digests.into_iter().chain(image.repo_tags).collect(), image.size))
            .collect();
        images.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        images.truncate(50);
        let (total, available) = disk(&self.config.data_dir);
        Some(Health {
            not_ready: failed.map(|c| {
                format!("container runtime network not ready: {} reason:{} message:{}", c.r#type, c.reason, c.message)
            }),
            memory_pressure: machine::available_memory_bytes() < MIN_AVAILABLE_MEMORY_BYTES,
            disk_pressure: total > 0 && available < MIN_AVAILABLE_DISK_BYTES,
            runtime_version: format!("{}://{}", version.runtime_name, version.runtime_version),
            ephemeral_bytes: total,
            images,
        })
    }
}

fn pod_cidrs_of(node: &[u8]) -> Vec<String> {
    let node: Value = serde_json::from_slice(node).unwrap_or_default();
    let list = node["spec"]["podCIDRs"].as_array().cloned().unwrap_or_default();
    list.into_iter().filter_map(|cidr| cidr.as_str().map(str::to_owned)).collect()
}

/// Size and free bytes of the file system that holds `path`.
fn disk(path: &std::path::Path) -> (u64, u64) {
    let Ok(stat) = nix::sys::statvfs::statvfs(path) else { return (0, 0) };
    (stat.blocks() * stat.fragment_size(), stat.blocks_available() * stat.fragment_size())
}

struct Reporter<'a> {
    registration: &'a Registration,
    posted: Option<(Health, Instant)>,
    conditions: Value,
    runtime_seen: Option<Instant>,
}

impl Reporter<'_> {
    /// Returns whether the node is ready.
    async fn check(&mut self) -> bool {
        let health = match self.registration.health().await {
            Some(health) => {
                self.runtime_seen = Some(Instant::now());
                health
            }
            None if self.runtime_seen.is_some_and(|seen| seen.elapsed() < RUNTIME_PATIENCE) => return true,
            None => Health { not_ready: Some("container runtime is down".into()), ..Health::default() },
        };
        let ready = health.not_ready.is_none();
        let due = self.posted.as_ref().is_none_or(|(posted, at)| *posted != health || at.elapsed() > REPORT);
        if due {
            self.post(health).await;
        }
        ready
    }

    async fn post(&mut self, health: Health) {
        let registration = self.registration;
        let now = Timestamp::now();
        let status = object::status(&registration.config, &registration.machine, &health, &self.conditions, now);
        match registration.post(&status).await {
            Ok(()) => {
                self.conditions = status["conditions"].clone();
                self.posted = Some((health, Instant::now()));
            }
            Err(SinkError::Refused(status)) if status.is(Reason::NotFound) => {
                registration.register().await;
            }
            Err(error) => tracing::warn!(%error, "the node's status could not be posted"),
        }
    }
}
