//! The task of one pod: takes in what happens, decides, acts, reports. Everything about the pod goes through it, one step
//! at a time.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    sync::Arc,
    time::Duration,
};

use gantry_cri::RuntimeEvent;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::PodStatus;
use tokio::{sync::mpsc, task::AbortHandle, time::Instant};

use super::{
    apply::{Applier, PrepareError, StartFailure},
    backoff::{RestartBackoffs, shown},
    desired::DesiredPod,
    observed::{ObservedContainer, ObservedPod, ObservedSandbox},
    plan::{Held, Plan, Situation, Start, compute_pod_actions},
    probe_state::{ProbeKind, ProbeStates},
    status::{StatusInput, Waiting, pod_status},
    tokens::PodTokens,
    volumes::MountedVolumes,
};
use crate::{
    context::NodeContext,
    events::Subject,
    probes::{ProbeReport, ProbeTask},
    status_writer::StatusWriter,
};

/// A status that says no more than "being created" is not sent if the pod runs within this time.
const PENDING_DELAY: Duration = Duration::from_millis(300);
/// How soon a step that failed for a reason outside of the pod is tried again.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY: Duration = Duration::from_secs(60);
/// The runtime tells of an end a moment before its own books show it.
const EXIT_VISIBLE: Duration = Duration::from_secs(2);

/// What a worker is told.
#[derive(Debug)]
pub enum Message {
    Desired(Arc<DesiredPod>),
    /// The object is gone from the API, or the daemon found containers of a pod that the API does not have.
    Gone,
    Runtime(RuntimeEvent),
    /// Events may have been missed: read everything again.
    Reread,
    /// A ConfigMap or Secret that the pod refers to changed.
    ReferencesChanged,
}

/// One pod's state and the worker that owns it.
pub struct PodWorker {
    node: Arc<NodeContext>,
    pod: Arc<DesiredPod>,
    mailbox: mpsc::UnboundedReceiver<Message>,
    reports: mpsc::UnboundedReceiver<ProbeReport>,
    report_sender: mpsc::UnboundedSender<ProbeReport>,
    status: StatusWriter,
    last_status: PodStatus,
    observed: ObservedPod,
    probes: ProbeStates,
    probe_tasks: HashMap<(String, ProbeKind), AbortHandle>,
    backoffs: RestartBackoffs,
    waiting: HashMap<String, Waiting>,
    retry_at: HashMap<String, Instant>,
    volumes: Option<MountedVolumes>,
    tokens: PodTokens,
    prepare_wait: Duration,
    /// Sandbox and volumes are not tried again before this.
    prepare_not_before: Option<Instant>,
    /// Volumes of a running pod are not brought up to date again before this.
    volumes_not_before: Option<Instant>,
    /// The next turn comes at once.
    again: bool,
    is_gone: bool,
    must_reread: bool,
    /// Containers whose state must be read again; true: it is known to have ended.
    stale: HashMap<String, bool>,
    volumes_are_stale: bool,
}

impl PodWorker {
    /// `observed`: what the runtime has of the pod already.
    pub fn new(
        node: Arc<NodeContext>,
        pod: Arc<DesiredPod>,
        observed: ObservedPod,
        mailbox: mpsc::UnboundedReceiver<Message>,
    ) -> Self {
        let known = pod.api_status();
        let status = StatusWriter::start(node.sink.clone(), pod.namespace(), pod.name(), pod.uid(), known.clone());
        let (report_sender, reports) = mpsc::unbounded_channel();
        let probes = remembered_probes(&known);
        Self {
            node,
            pod,
            mailbox,
            reports,
            report_sender,
            status,
            last_status: known,
            observed,
            probes,
            probe_tasks: HashMap::new(),
            backoffs: RestartBackoffs::default(),
            waiting: HashMap::new(),
            retry_at: HashMap::new(),
            volumes: None,
            tokens: PodTokens::default(),
            prepare_wait: FIRST_RETRY,
            prepare_not_before: None,
            volumes_not_before: None,
            again: false,
            is_gone: false,
            must_reread: false,
            stale: HashMap::new(),
            volumes_are_stale: false,
        }
    }

    /// Runs until the pod is gone from the runtime and the API.
    pub async fn run(mut self) {
        loop {
            while let Ok(message) = self.mailbox.try_recv() {
                self.take(message);
            }
            if self.is_ending() {
                return self.end().await;
            }
            self.sync().await;
            self.wait().await;
        }
    }

    fn applier(&self) -> Applier {
        Applier { node: self.node.clone(), pod: self.pod.clone() }
    }

    fn is_ending(&self) -> bool {
        self.is_gone || self.pod.is_terminating()
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Desired(pod) => {
                self.volumes_are_stale |= !pod.differs_only_in_status(&self.pod);
                self.pod = pod;
            }
            Message::Gone => self.is_gone = true,
            Message::Runtime(event) => {
                let ended = matches!(event, RuntimeEvent::Exited { .. });
                self.stale.insert(event.id().to_owned(), ended);
            }
            Message::Reread => self.must_reread = true,
            Message::ReferencesChanged => {
                self.volumes_are_stale = true;
                // What a container lacked may be there now.
                self.retry_at.clear();
                self.prepare_not_before = None;
                self.volumes_not_before = None;
            }
        }
    }

    fn take_report(&mut self, report: &ProbeReport) {
        self.probes.set(&report.container_id, report.kind, report.passes);
    }

    /// Waits for `work`, taking in messages meanwhile. `None`: the pod is to end, and the work was dropped.
    async fn or_ending<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Some(done),
                Some(message) = self.mailbox.recv() => self.take(message),
                Some(report) = self.reports.recv() => self.take_report(&report),
            }
            // What came meanwhile is looked at in the next turn.
            self.again = true;
            if self.is_ending() {
                self.must_reread = true;
                return None;
            }
        }
    }

    async fn wait(&mut self) {
        if std::mem::take(&mut self.again) {
            return;
        }
        let due = self.next_due();
        tokio::select! {
            message = self.mailbox.recv() => match message {
                Some(message) => self.take(message),
                // Whoever led the workers is gone: the daemon ends, the pod goes on without us.
                None => std::future::pending().await,
            },
            Some(report) = self.reports.recv() => self.take_report(&report),
            () = tokio::time::sleep_until(due) => {}
        }
    }

    /// When something is due without anything happening.
    fn next_due(&self) -> Instant {
        let after = |at: Timestamp| {
            Instant::now() + Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default()
        };
        let now = Timestamp::now();
        let held = self.plan(now).held.into_iter().map(|held| after(held.until));
        let all =
            held.chain(self.retry_at.values().copied()).chain(self.prepare_not_before).chain(self.volumes_due(after));
        all.min().unwrap_or_else(|| Instant::now() + Duration::from_secs(3600))
    }

    /// When the volumes of a running pod must be looked at again.
    fn volumes_due(&self, after: impl Fn(Timestamp) -> Instant) -> Option<Instant> {
        self.volumes.as_ref()?;
        self.volumes_not_before.or_else(|| self.tokens.renew_at().map(after))
    }

    /// What was waited for until now holds nothing back any more.
    fn forget_passed(&mut self) {
        let now = Instant::now();
        self.retry_at.retain(|_, at| *at > now);
        self.prepare_not_before = self.prepare_not_before.filter(|at| *at > now);
        self.volumes_not_before = self.volumes_not_before.filter(|at| *at > now);
    }

    fn plan(&self, now: Timestamp) -> Plan {
        if matches!(self.last_status.phase.as_deref(), Some("Succeeded" | "Failed")) {
            let remains = self.observed.ready_sandbox().is_some() || self.observed.running().next().is_some();
            return Plan { finished: remains, ..Plan::default() };
        }
        let situation = Situation { observed: &self.observed, probes: &self.probes, backoffs: &self.backoffs, now };
        compute_pod_actions(&self.pod, &situation)
    }

    /// One step: read what changed, decide, act, report.
    async fn sync(&mut self) {
        self.forget_passed();
        self.read_changes().await;
        self.refresh_volumes().await;
        let plan = self.plan(Timestamp::now());
        self.hold(&plan.held);
        if plan.create_sandbox.is_some() {
            let status = self.make_status();
            self.status.send_unless_superseded(status, PENDING_DELAY);
        }
        self.apply(plan).await;
        self.publish();
        self.tend_probes();
    }

    async fn read_changes(&mut self) {
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
    async fn refresh_volumes(&mut self) {
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

    fn hold(&mut self, held: &[Held]) {
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

    async fn apply(&mut self, plan: Plan) {
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

    fn announce_prepare(&self, error: &PrepareError) {
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

    fn make_status(&self) -> PodStatus {
        let host_ip = self.node.config.ip.to_string();
        pod_status(
            &self.pod,
            &StatusInput {
                observed: &self.observed,
                probes: &self.probes,
                waiting: &self.waiting,
                last: &self.last_status,
                host_ip: &host_ip,
                is_ending: self.is_ending(),
                failure: None,
                now: Timestamp::now(),
            },
        )
    }

    fn publish(&mut self) {
        self.last_status = self.make_status();
        self.status.send(self.last_status.clone());
    }

    /// Every running container has the tasks that its state asks for, and no other has any.
    fn tend_probes(&mut self) {
        let mut wanted = HashSet::new();
        for container in self.observed.running() {
            let Some((_, spec)) = self.pod.container(&container.name) else { continue };
            let started = self.probes.is_started(&container.id, spec);
            for kind in ProbeKind::ALL {
                let fits = (kind == ProbeKind::Startup) != started && kind.of(spec).is_some();
                if fits && self.probes.failed(&container.id, spec).is_none() {
                    wanted.insert((container.id.clone(), kind));
                }
            }
        }
        self.probe_tasks.retain(|key, task| {
            let keep = wanted.contains(key);
            if !keep {
                task.abort();
            }
            keep
        });
        for key in wanted {
            if !self.probe_tasks.contains_key(&key) {
                self.start_probe(key);
            }
        }
        let known: HashSet<&str> = self.observed.containers.iter().map(|c| c.id.as_str()).collect();
        self.probes.retain_containers(|id| known.contains(id));
    }

    fn start_probe(&mut self, key: (String, ProbeKind)) {
        let Some(container) = self.observed.containers.iter().find(|c| c.id == key.0) else { return };
        let Some((_, spec)) = self.pod.container(&container.name) else { return };
        let ips = self.observed.sandbox().map(|s| s.ips.clone()).unwrap_or_default();
        let task = ProbeTask {
            runtime: self.node.runtime.clone(),
            events: self.node.events.clone(),
            subject: Subject::container(&self.pod, &container.name),
            container: spec.clone(),
            container_id: container.id.clone(),
            pod_ip: self.node.facts(&self.pod, &ips).pod_ips.into_iter().next().unwrap_or_default(),
            kind: key.1,
            started_at: container.started_at.unwrap_or(container.created_at),
        };
        let handle = tokio::spawn(task.run(self.report_sender.clone())).abort_handle();
        self.probe_tasks.insert(key, handle);
    }

    fn stop_probes_of(&mut self, container_id: &str) {
        for ((_, task), _) in self.probe_tasks.extract_if(|(id, _), _| id == container_id).map(|entry| (entry, ())) {
            task.abort();
        }
    }

    fn stop_probes(&mut self) {
        self.probe_tasks.drain().for_each(|(_, task)| task.abort());
    }

    /// Ends everything, reports the end, and deletes the object.
    async fn end(mut self) {
        self.stop_probes();
        self.must_reread = true;
        self.read_changes().await;
        if !self.is_gone {
            self.publish();
        }
        self.stop_containers().await;
        self.must_reread = true;
        self.read_changes().await;
        let applier = self.applier();
        if self.is_gone {
            applier.stop_sandboxes(&self.observed).await;
        } else {
            self.publish();
            tokio::join!(applier.stop_sandboxes(&self.observed), self.status.flushed());
            applier.delete_object().await;
        }
        applier.remove_remains(&self.observed).await;
    }

    /// Ends all containers within the grace; a second deletion may shorten it.
    async fn stop_containers(&mut self) {
        let started = Instant::now();
        loop {
            let grace = self.pod.grace_seconds();
            let left = grace - i64::try_from(started.elapsed().as_secs()).unwrap_or(i64::MAX);
            let (applier, observed) = (self.applier(), self.observed.clone());
            let work = async move { applier.stop_all(&observed, left.max(0)).await };
            tokio::pin!(work);
            let was_gone = self.is_gone;
            loop {
                tokio::select! {
                    biased;
                    () = &mut work => return,
                    Some(message) = self.mailbox.recv() => self.take(message),
                }
                if self.pod.grace_seconds() < grace || self.is_gone != was_gone {
                    break;
                }
            }
        }
    }
}

/// A daemon that starts again believes what the API says of containers that went on running.
fn remembered_probes(status: &PodStatus) -> ProbeStates {
    let mut probes = ProbeStates::default();
    let all = status.container_statuses.iter().flatten().chain(status.init_container_statuses.iter().flatten());
    for status in all {
        let id = status.container_id.as_deref().and_then(|id| id.strip_prefix("containerd://"));
        if let Some(id) = id.filter(|_| status.started == Some(true)) {
            probes.set(id, ProbeKind::Startup, true);
            if status.ready {
                probes.set(id, ProbeKind::Readiness, true);
            }
        }
    }
    probes
}
