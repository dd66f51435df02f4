//! Takes the steps of a plan, and notes what came of them.

use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    super::{
        apply::{PrepareError, StartFailure},
        backoff::shown,
        observed::{ObservedContainer, ObservedSandbox},
        plan::{Held, Plan, Start},
        status::Waiting,
        volumes::MountedVolumes,
    },
    FIRST_RETRY, MAX_RETRY, PodWorker,
};
use crate::events::Subject;

impl PodWorker {
    pub(super) fn hold(&mut self, held: &[Held]) {
        for held in held {
            let (name, pod) = (&held.name, &self.pod);
            let full = format!("{}_{}({})", pod.name(), pod.namespace(), pod.uid());
            let message = format!("back-off {} restarting failed container={name} pod={full}", shown(held.wait));
            let waiting = Waiting { reason: "CrashLoopBackOff", message };
            if self.waiting.get(name) != Some(&waiting) {
                let message = format!("Back-off restarting failed container {name} in pod {full}");
                self.node.events.warning(Subject::container(pod, name), "BackOff", message);
                self.waiting.insert(name.clone(), waiting);
            }
        }
    }

    pub(super) async fn apply(&mut self, plan: Plan) {
        if plan.finished {
            return self.finish().await;
        }
        for kill in &plan.kill {
            let (applier, kill) = (self.applier(), kill.clone());
            self.stop_probes_of(&kill.container_id);
            let id = kill.container_id.clone();
            self.or_ending(async move { applier.kill(&kill).await }).await;
            self.stale.insert(id, true);
            self.again = true;
        }
        if plan.start.is_empty() && plan.create_sandbox.is_none() {
            return;
        }
        let Some((sandbox, volumes)) = self.prepare(&plan).await else { return };
        for start in &plan.start {
            // Once it runs another container may be next in the order.
            self.again |= self.start(start, &sandbox, &volumes).await;
            if self.is_ending() {
                return;
            }
        }
    }

    /// Sandbox and volumes, made at the same time. `None`: not now; tried again later.
    async fn prepare(&mut self, plan: &Plan) -> Option<(ObservedSandbox, MountedVolumes)> {
        if self.prepare_not_before.is_some() {
            return None;
        }
        let applier = self.applier();
        if plan.stop_sandbox {
            let (applier, observed) = (applier.clone(), self.observed.clone());
            self.or_ending(async move { applier.stop_sandboxes(&observed).await }).await?;
            self.must_reread = true;
            self.read_changes().await;
        }
        let (tokens, known) = (std::mem::take(&mut self.tokens), self.volumes.take());
        let made = {
            let (volumes_of, sandbox_of, attempt) = (applier.clone(), applier.clone(), plan.create_sandbox);
            let volumes = async move {
                match known {
                    Some(known) => (tokens, Ok(known)),
                    None => volumes_of.prepare_volumes(tokens).await,
                }
            };
            let sandbox = async move {
                match attempt {
                    Some(attempt) => Some(sandbox_of.create_sandbox(attempt).await),
                    None => None,
                }
            };
            self.or_ending(async move { tokio::join!(volumes, sandbox) }).await
        };
        let ((tokens, volumes), sandbox) = made?;
        self.tokens = tokens;
        self.settle(volumes, sandbox).await
    }

    async fn settle(
        &mut self,
        volumes: Result<MountedVolumes, PrepareError>,
        sandbox: Option<Result<ObservedSandbox, PrepareError>>,
    ) -> Option<(ObservedSandbox, MountedVolumes)> {
        let mut failed = false;
        match volumes {
            Ok(volumes) => self.volumes = Some(volumes),
            Err(error) => {
                self.announce_prepare(&error);
                failed = true;
            }
        }
        match sandbox {
            Some(Ok(sandbox)) => {
                let ips = sandbox.ips.clone();
                self.observed.put_sandbox(sandbox);
                if let Err(error) = self.applier().write_hosts_file(ips).await {
                    self.announce_prepare(&error);
                    failed = true;
                }
            }
            Some(Err(error)) => {
                self.announce_prepare(&error);
                self.must_reread = true;
                failed = true;
            }
            None => {}
        }
        if failed {
            self.prepare_not_before = Some(Instant::now() + self.prepare_wait);
            self.prepare_wait = (self.prepare_wait * 2).min(MAX_RETRY);
            return None;
        }
        self.prepare_wait = FIRST_RETRY;
        Some((self.observed.ready_sandbox()?.clone(), self.volumes.clone()?))
    }

    pub(super) fn announce_prepare(&self, error: &PrepareError) {
        let reason = match error {
            PrepareError::Volumes(_) | PrepareError::Tokens(_) => "FailedMount",
            PrepareError::Sandbox(_) => "FailedCreatePodSandBox",
            PrepareError::HostsFile(_) => "FailedSync",
        };
        self.node.events.warning(Subject::pod(&self.pod), reason, error.to_string());
    }

    /// Returns whether the container was started.
    async fn start(&mut self, start: &Start, sandbox: &ObservedSandbox, volumes: &MountedVolumes) -> bool {
        if self.retry_at.get(&start.name).is_some_and(|at| *at > Instant::now()) {
            return false;
        }
        self.retry_at.remove(&start.name);
        let work = {
            let (applier, start) = (self.applier(), start.clone());
            let (sandbox, volumes) = (sandbox.clone(), volumes.clone());
            async move { applier.start_container(&start, &sandbox, &volumes).await }
        };
        let Some(outcome) = self.or_ending(work).await else { return false };
        let started = outcome.is_ok();
        let attempted = match outcome {
            Ok(container) => {
                self.waiting.remove(&start.name);
                let resources = self.pod.container(&start.name).and_then(|(_, c)| c.resources.clone());
                self.actuated.insert(container.id.clone(), resources.unwrap_or_default());
                self.observed.put(container);
                true
            }
            Err(failure) => self.note_failure(&start.name, failure),
        };
        if attempted {
            if let Some(finished) = start.replaces_finished {
                self.backoffs.restarted(&start.name, finished, Timestamp::now());
            }
            self.forget_older(&start.name, start.attempt).await;
        }
        started
    }

    /// Returns whether the failure left a container behind.
    fn note_failure(&mut self, name: &str, failure: StartFailure) -> bool {
        self.retry_at.insert(name.into(), Instant::now() + failure.retry_after);
        self.waiting.insert(name.into(), failure.waiting);
        let left = failure.container.is_some();
        if let Some(container) = failure.container {
            self.observed.put(container);
        }
        left
    }

    /// Of the containers that ended, the last one stays: its log and its state are still asked for.
    async fn forget_older(&mut self, name: &str, attempt: u32) {
        let is_older = |c: &ObservedContainer| c.name == name && c.attempt + 1 < attempt;
        let older: Vec<String> =
            self.observed.containers.iter().filter(|c| is_older(c)).map(|c| c.id.clone()).collect();
        for id in older {
            if self.node.runtime.remove_container(&id).await.is_ok() {
                self.observed.containers.retain(|container| container.id != id);
            }
        }
    }

    /// The pod has done its work: nothing may run on, what is left to see stays.
    async fn finish(&mut self) {
        self.stop_probes();
        let (applier, observed) = (self.applier(), self.observed.clone());
        let grace = self.pod.grace_seconds();
        let work = async move {
            applier.stop_all(&observed, grace).await;
            applier.stop_sandboxes(&observed).await;
        };
        if self.or_ending(work).await.is_some() {
            self.must_reread = true;
            self.read_changes().await;
        }
    }
}
