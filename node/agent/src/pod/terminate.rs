//! Ends pods: hooks, signals, grace, and then everything that belonged to them.

use std::time::Duration;

use gantry_cri::CriError;
use gantry_meta::{GroupVersionResource, Reason};
use gantry_runtime::{Backoff, DeleteOptions, SinkError, WriteTarget};
use tokio::time::Instant;

use super::{apply::Applier, desired::Role, observed::ObservedPod};
use crate::{events::Subject, hooks};

/// A container whose preStop hook used up the grace still gets this long, in seconds.
const MIN_STOP_SECONDS: i64 = 2;

/// Runs the preStop hook and stops one container, both within `grace_seconds`.
pub async fn stop_container(applier: &Applier, name: &str, id: &str, grace_seconds: i64) -> Result<(), CriError> {
    let started = Instant::now();
    if grace_seconds > 0 {
        pre_stop(applier, name, id, Duration::from_secs(grace_seconds.unsigned_abs())).await;
    }
    let used = i64::try_from(started.elapsed().as_secs()).unwrap_or(i64::MAX);
    let left = if grace_seconds <= 0 { 0 } else { (grace_seconds - used).max(MIN_STOP_SECONDS) };
    match applier.node.runtime.stop_container(id, left).await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

async fn pre_stop(applier: &Applier, name: &str, id: &str, limit: Duration) {
    let Some((_, container)) = applier.pod.container(name) else { return };
    let Some(hook) = container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.pre_stop.as_ref()) else { return };
    let status = applier.pod.api_status();
    let ip = status.pod_ip.unwrap_or_default();
    let run = hooks::run(&applier.node.runtime, container, id, hook, &ip);
    let outcome =
        tokio::time::timeout(limit, run).await.unwrap_or_else(|_| Err("it took longer than the grace period".into()));
    if let Err(message) = outcome {
        let subject = Subject::container(&applier.pod, name);
        applier.node.events.warning(subject, "FailedPreStopHook", format!("PreStopHook failed: {message}"));
    }
}

impl Applier {
    /// Ends all running containers: first everything but sidecars, all at once, then the sidecars in reverse order.
    pub async fn stop_all(&self, observed: &ObservedPod, grace_seconds: i64) {
        let deadline = Instant::now() + Duration::from_secs(grace_seconds.max(0).unsigned_abs());
        let role = |name: &str| self.pod.container(name).map_or(Role::Main, |(role, _)| role);
        let running = || observed.running().map(|c| (c.name.as_str(), c.id.as_str()));
        let first = running().filter(|(name, _)| role(name) != Role::Sidecar);
        futures::future::join_all(first.map(|(name, id)| self.stop_one(name, id, deadline))).await;
        let order: Vec<&str> = self.pod.containers().map(|(_, container)| container.name.as_str()).collect();
        let mut sidecars: Vec<_> = running().filter(|(name, _)| role(name) == Role::Sidecar).collect();
        sidecars.sort_by_key(|(name, _)| std::cmp::Reverse(order.iter().position(|known| known == name)));
        for (name, id) in sidecars {
            self.stop_one(name, id, deadline).await;
        }
    }

    async fn stop_one(&self, name: &str, id: &str, deadline: Instant) {
        let subject = Subject::container(&self.pod, name);
        self.node.events.normal(subject, "Killing", format!("Stopping container {name}"));
        // Rounded up: a grace of 30 s that began a moment ago is still one of 30 s.
        let left = deadline.saturating_duration_since(Instant::now());
        let seconds = i64::try_from(left.as_millis().div_ceil(1000)).unwrap_or(i64::MAX);
        let mut backoff = Backoff::default();
        while let Err(error) = stop_container(self, name, id, seconds).await {
            tracing::warn!(%error, container = name, pod = self.pod.name(), "a container could not be stopped yet");
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }

    /// Takes all sandboxes down; their containers and networks end with them.
    pub async fn stop_sandboxes(&self, observed: &ObservedPod) {
        for sandbox in &observed.sandboxes {
            let mut backoff = Backoff::default();
            while let Err(error) = self.node.runtime.stop_pod_sandbox(&sandbox.id).await {
                if error.is_not_found() {
                    break;
                }
                tracing::warn!(%error, pod = self.pod.name(), "a sandbox could not be stopped yet");
                tokio::time::sleep(backoff.next_delay()).await;
            }
        }
    }

    /// Removes sandboxes, containers, volumes, cgroups and logs. What fails is left to the collector.
    pub async fn remove_remains(&self, observed: &ObservedPod) {
        for sandbox in &observed.sandboxes {
            if let Err(error) = self.node.runtime.remove_pod_sandbox(&sandbox.id).await {
                tracing::warn!(%error, pod = self.pod.name(), "a sandbox could not be removed");
            }
        }
        self.in_background(|applier| {
            let uid = applier.pod.uid();
            if let Err(error) = applier.node.folders.pod(uid).remove() {
                tracing::warn!(%error, pod = applier.pod.name(), "the pod's folder could not be removed");
            }
            applier.node.cgroups.remove(uid);
            // Logs may never have been written.
            let _ = std::fs::remove_dir_all(applier.node.log_directory(&applier.pod));
        })
        .await;
        self.node.references.release(self.pod.uid());
        self.node.owners.remove_pod(self.pod.uid());
    }

    /// Deletes the object for good: nothing of the pod runs any more.
    pub async fn delete_object(&self) {
        let pods = GroupVersionResource::new("", "v1", "pods");
        let target = WriteTarget::new(&pods, self.pod.namespace(), self.pod.name());
        let uid = Some(self.pod.uid().to_owned());
        let options = DeleteOptions { grace_period_seconds: Some(0), uid, ..Default::default() };
        let mut backoff = Backoff::default();
        loop {
            match self.node.sink.delete(&target, &options).await {
                Ok(()) => return,
                Err(SinkError::Refused(status)) if status.is(Reason::NotFound) || status.is(Reason::Conflict) => return,
                Err(error) => {
                    tracing::warn!(%error, pod = self.pod.name(), "the pod's object is deleted again");
                    tokio::time::sleep(backoff.next_delay()).await;
                }
            }
        }
    }
}
