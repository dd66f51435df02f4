//! What changed since the last turn: containers that ended, sources of volumes, tokens that run out.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    super::observed::{ObservedContainer, ObservedPod, ObservedSandbox},
    EXIT_VISIBLE, FIRST_RETRY, MAX_RETRY, PodWorker,
};

impl PodWorker {
    pub(super) async fn read_changes(&mut self) {
        if self.must_reread {
            match ObservedPod::read(&self.node.runtime, self.pod.uid()).await {
                Ok(observed) => {
                    self.observed = observed;
                    self.must_reread = false;
                    self.stale.clear();
                }
                Err(error) => {
                    tracing::warn!(%error, pod = self.pod.name(), "the pod's containers cannot be read");
                    tokio::time::sleep(FIRST_RETRY).await;
                }
            }
        }
        for (id, ended) in std::mem::take(&mut self.stale) {
            self.read_one(&id, ended).await;
        }
    }

    async fn read_one(&mut self, id: &str, ended: bool) {
        if let Some(known) = self.observed.sandboxes.iter().find(|sandbox| sandbox.id == id) {
            let status = self.node.runtime.pod_sandbox_status(&known.id).await;
            let read = status.map(|status| ObservedSandbox::from_status(&status));
            if let Ok(sandbox) = read {
                // The end of the pause process is the end of the sandbox, whatever the books still say.
                self.observed.put_sandbox(ObservedSandbox { is_ready: sandbox.is_ready && !ended, ..sandbox });
            }
            return;
        }
        let Some(sandbox_id) = self.observed.containers.iter().find(|c| c.id == id).map(|c| c.sandbox_id.clone())
        else {
            return;
        };
        match self.container_state(id, &sandbox_id, ended).await {
            Some(container) => self.observed.put(container),
            None => self.observed.containers.retain(|container| container.id != id),
        }
    }

    async fn container_state(&self, id: &str, sandbox_id: &str, ended: bool) -> Option<ObservedContainer> {
        let deadline = Instant::now() + EXIT_VISIBLE;
        let mut pause = Duration::from_millis(1);
        loop {
            let status = self.node.runtime.container_status(id).await.ok()?;
            let container = ObservedContainer::from_status(&status, sandbox_id);
            if !ended || !container.is_running() || Instant::now() > deadline {
                return Some(container);
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    /// Volumes of a running pod follow their sources, and tokens are renewed.
    pub(super) async fn refresh_volumes(&mut self) {
        let tokens_are_due = self.tokens.renew_at().is_some_and(|at| at <= Timestamp::now());
        let is_due = self.volumes_are_stale || tokens_are_due;
        if self.volumes.is_none() || !is_due || self.volumes_not_before.is_some() {
            return;
        }
        self.volumes_are_stale = false;
        let tokens = std::mem::take(&mut self.tokens);
        let applier = self.applier();
        let Some((tokens, volumes)) = self.or_ending(async move { applier.prepare_volumes(tokens).await }).await else {
            return;
        };
        self.tokens = tokens;
        match volumes {
            Ok(volumes) => self.volumes = Some(volumes),
            Err(error) => {
                // The old files stay; what is missing now is tried again when it changes, or later.
                self.announce_prepare(&error);
                self.volumes_are_stale = true;
                self.volumes_not_before = Some(Instant::now() + MAX_RETRY);
            }
        }
    }
}
