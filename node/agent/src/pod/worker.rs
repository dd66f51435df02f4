//! The task of one pod: takes in what happens, decides, acts, reports. Everything about the pod goes through it, one step
//! at a time.

mod deadline;
mod ending;
mod probing;
mod reading;
mod resizing;
mod steps;

use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

use gantry_cri::RuntimeEvent;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PodStatus, ResourceRequirements};
use tokio::{
    sync::{mpsc, watch},
    task::AbortHandle,
    time::Instant,
};

use self::resizing::{remembered_allocation, remembered_resources};
use super::{
    admission::{Failure, admit},
    apply::Applier,
    backoff::RestartBackoffs,
    desired::DesiredPod,
    observed::ObservedPod,
    plan::{Plan, Situation, compute_pod_actions},
    probe_state::{ProbeKind, ProbeStates},
    resize::Resize,
    status::{StatusInput, Waiting, pod_status},
    tokens::PodTokens,
    volumes::MountedVolumes,
};
use crate::{context::NodeContext, events::Subject, probes::ProbeReport, status_writer::StatusWriter};

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
    /// As the API wants it.
    wanted: Arc<DesiredPod>,
    /// The same with the resources that the node granted: what everything is made from.
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
    /// What running containers have, by container id.
    actuated: HashMap<String, ResourceRequirements>,
    resize: Option<Resize>,
    /// Containers are not resized again before this.
    resize_not_before: Option<Instant>,
    room: watch::Receiver<()>,
    /// Reason and message, once the pod failed for another reason than its containers.
    failure: Option<Failure>,
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
        let granted: HashMap<_, _> = remembered_allocation(&known).collect();
        let wanted = pod.clone();
        let pod = if granted.is_empty() { pod } else { Arc::new(pod.with_resources(&granted)) };
        let failure = take_in(&node, &pod, &known, &observed);
        Self {
            room: node.allocations.given_back(),
            node,
            wanted,
            pod,
            mailbox,
            reports,
            report_sender,
            status,
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
            actuated: remembered_resources(&known).collect(),
            resize: None,
            resize_not_before: None,
            failure,
            again: false,
            is_gone: false,
            must_reread: false,
            stale: HashMap::new(),
            volumes_are_stale: false,
            last_status: known,
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
                self.volumes_are_stale |= !pod.differs_only_in_status(&self.wanted);
                let as_granted = !pod.resources_differ(&self.pod);
                self.pod = if as_granted { pod.clone() } else { Arc::new(pod.with_resources(&self.pod.resources())) };
                self.wanted = pod;
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
            Ok(()) = self.room.changed(), if matches!(self.resize, Some(Resize::Deferred(_))) => {}
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
        let retries = self.retry_at.values().copied().chain(self.prepare_not_before).chain(self.resize_not_before);
        let all = held.chain(retries).chain(self.deadline().map(after)).chain(self.volumes_due(after));
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
        self.resize_not_before = self.resize_not_before.filter(|at| *at > now);
    }

    /// Nothing of the pod is to run any more, whatever its containers say.
    fn has_ended(&self) -> bool {
        self.failure.is_some() || matches!(self.last_status.phase.as_deref(), Some("Succeeded" | "Failed"))
    }

    fn plan(&self, now: Timestamp) -> Plan {
        if self.has_ended() {
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
        self.check_deadline();
        self.resize().await;
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
                is_ending: self.is_ending() || self.failure.is_some(),
                actuated: &self.actuated,
                resize: self.resize.as_ref(),
                failure: self.failure.as_ref(),
                now: Timestamp::now(),
            },
        )
    }

    fn publish(&mut self) {
        self.last_status = self.make_status();
        if self.has_ended() {
            // Before the API knows: what it sends here next may need the room.
            self.node.allocations.remove(self.pod.uid());
        }
        self.status.send(self.last_status.clone());
    }
}

/// A new pod is admitted; one that was here before stays, whether there is room for it or not.
fn take_in(node: &NodeContext, pod: &DesiredPod, known: &PodStatus, observed: &ObservedPod) -> Option<Failure> {
    let is_new = known.container_statuses.is_none() && observed.sandboxes.is_empty();
    if pod.is_terminating() || matches!(known.phase.as_deref(), Some("Succeeded" | "Failed")) {
        return None;
    }
    if !is_new {
        node.allocations.note(pod);
        return None;
    }
    let failure = admit(pod, &node.allocations).err()?;
    node.events.warning(Subject::pod(pod), failure.0, failure.1.clone());
    Some(failure)
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
