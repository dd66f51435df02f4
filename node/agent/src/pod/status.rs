//! A pod's status, as a pure function of what is wanted and what is there.

use std::collections::HashMap;

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{
        Container, ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
        ContainerStatus, HostIP, PodCondition, PodIP, PodStatus, ResourceRequirements,
    },
    apimachinery::pkg::apis::meta::v1::Time,
};

use super::{
    admission::Failure,
    desired::{DesiredPod, Role},
    observed::{ContainerPhase, ObservedContainer, ObservedPod},
    plan::pod_is_finished,
    probe_state::ProbeStates,
    resize::Resize,
    resources::QosClass,
};

/// Why a container is not running: `ErrImagePull`, `CrashLoopBackOff`, ...
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting {
    pub reason: &'static str,
    pub message: String,
}

/// What a status is made from besides the pod.
pub struct StatusInput<'a> {
    pub observed: &'a ObservedPod,
    pub probes: &'a ProbeStates,
    pub waiting: &'a HashMap<String, Waiting>,
    /// The status last made for this pod, or what the API had when we first saw it.
    pub last: &'a PodStatus,
    pub host_ip: &'a str,
    /// No container will be started any more: the pod is being deleted, or was turned away.
    pub is_ending: bool,
    /// What the running containers have, by container id; those that are missing have what the spec says.
    pub actuated: &'a HashMap<String, ResourceRequirements>,
    /// Where a resize stands that is not done.
    pub resize: Option<&'a Resize>,
    /// Reason and message of a pod that was turned away or evicted.
    pub failure: Option<&'a Failure>,
    pub now: Timestamp,
}

/// The fields of the status that the node owns.
pub fn pod_status(pod: &DesiredPod, input: &StatusInput<'_>) -> PodStatus {
    let statuses = |roles: &[Role]| -> Vec<ContainerStatus> {
        let of_role = pod.all_containers().filter(|(role, _)| roles.contains(role));
        of_role.map(|(role, container)| container_status(pod, input, role, container)).collect()
    };
    let init = statuses(&[Role::Init, Role::Sidecar]);
    let main = statuses(&[Role::Main]);
    let ephemeral = statuses(&[Role::Ephemeral]);
    let phase = phase(pod, input);
    let ips = pod_ips(pod, input);
    PodStatus {
        conditions: Some(conditions(pod, input, phase, &init, &main)),
        container_statuses: Some(main),
        init_container_statuses: (!init.is_empty()).then_some(init),
        ephemeral_container_statuses: (!ephemeral.is_empty()).then_some(ephemeral),
        host_ip: Some(input.host_ip.into()),
        host_ips: Some(vec![HostIP { ip: input.host_ip.into() }]),
        pod_ip: ips.first().cloned(),
        pod_ips: (!ips.is_empty()).then(|| ips.into_iter().map(|ip| PodIP { ip }).collect()),
        phase: Some(phase.into()),
        // What the API says stands: it takes no other.
        qos_class: input.last.qos_class.clone().or_else(|| Some(QosClass::of(pod).name().into())),
        start_time: Some(input.last.start_time.clone().unwrap_or(Time(input.now))),
        observed_generation: pod.metadata.generation,
        reason: input.failure.map(|(reason, _)| (*reason).into()),
        message: input.failure.map(|(_, message)| message.clone()),
        ..Default::default()
    }
}

/// The pod's addresses; they stay in the status after the sandbox is gone.
fn pod_ips(pod: &DesiredPod, input: &StatusInput<'_>) -> Vec<String> {
    if pod.is_host_network() {
        return vec![input.host_ip.into()];
    }
    match input.observed.sandbox().filter(|sandbox| !sandbox.ips.is_empty()) {
        Some(sandbox) => sandbox.ips.clone(),
        None => input.last.pod_ips.iter().flatten().map(|ip| ip.ip.clone()).collect(),
    }
}

fn phase(pod: &DesiredPod, input: &StatusInput<'_>) -> &'static str {
    if input.failure.is_some() {
        return "Failed";
    }
    if let Some(ended @ ("Succeeded" | "Failed")) = input.last.phase.as_deref() {
        return if ended == "Failed" { "Failed" } else { "Succeeded" };
    }
    let observed = input.observed;
    let latest = || pod.main_containers().map(|c| observed.latest(&c.name));
    let nothing_runs = observed.running().next().is_none();
    let all_ended = latest().all(|c| c.is_some_and(|c| c.phase == ContainerPhase::Exited));
    if pod_is_finished(pod, observed) || (input.is_ending && nothing_runs && all_ended) {
        let succeeded = latest().all(|c| c.is_some_and(ObservedContainer::succeeded));
        return if succeeded { "Succeeded" } else { "Failed" };
    }
    if is_initialized(pod, input) && latest().all(|c| c.is_some_and(|c| c.phase != ContainerPhase::Created)) {
        return "Running";
    }
    "Pending"
}

fn is_initialized(pod: &DesiredPod, input: &StatusInput<'_>) -> bool {
    let main_started = pod.main_containers().any(|c| input.observed.latest(&c.name).is_some());
    main_started
        || pod.containers().all(|(role, container)| match (role, input.observed.current(&container.name)) {
            (Role::Main | Role::Ephemeral, _) => true,
            (Role::Init, Some(c)) => c.succeeded(),
            (Role::Sidecar, Some(c)) => c.is_running() && input.probes.is_started(&c.id, container),
            (_, None) => false,
        })
}

fn container_status(pod: &DesiredPod, input: &StatusInput<'_>, role: Role, container: &Container) -> ContainerStatus {
    let latest = input.observed.latest(&container.name);
    let known = last_status(input.last, &container.name);
    let running = latest.filter(|c| c.is_running());
    let started = running.is_some_and(|c| input.probes.is_started(&c.id, container));
    let ready = match role {
        Role::Init => latest.is_some_and(ObservedContainer::succeeded),
        Role::Ephemeral => false,
        Role::Sidecar | Role::Main => {
            !input.is_ending && running.is_some_and(|c| input.probes.is_ready(&c.id, container))
        }
    };
    let waiting = input.waiting.get(&container.name).filter(|_| running.is_none() && !input.is_ending);
    let (state, ended_before) = match (latest, waiting) {
        (Some(latest), None) => (state_of(latest), input.observed.previous(&container.name)),
        (latest, Some(waiting)) => (waiting_state(waiting.reason, &waiting.message), latest),
        (None, None) => (waiting_state(default_reason(pod), ""), None),
    };
    let last_state = ended_before.filter(|c| c.phase == ContainerPhase::Exited).map(state_of);
    ContainerStatus {
        name: container.name.clone(),
        image: container.image.clone().unwrap_or_default(),
        image_id: latest.map(|c| c.image_id.clone()).unwrap_or_default(),
        container_id: latest.map(|c| format!("containerd://{}", c.id)),
        ready,
        started: Some(started),
        restart_count: latest
            .map_or(known.map_or(0, |k| k.restart_count), |c| i32::try_from(c.attempt).unwrap_or(i32::MAX)),
        state: Some(state),
        last_state: Some(last_state.or_else(|| known.and_then(|k| k.last_state.clone())).unwrap_or_default()),
        resources: running.and_then(|c| input.actuated.get(&c.id).or(container.resources.as_ref())).cloned(),
        allocated_resources: container.resources.as_ref().and_then(|r| r.requests.clone()),
        ..Default::default()
    }
}

fn last_status<'a>(last: &'a PodStatus, name: &str) -> Option<&'a ContainerStatus> {
    container_statuses(last).find(|status| status.name == name)
}

/// Of containers of every role.
pub fn container_statuses(status: &PodStatus) -> impl Iterator<Item = &ContainerStatus> {
    let init = status.init_container_statuses.iter().flatten();
    let ephemeral = status.ephemeral_container_statuses.iter().flatten();
    status.container_statuses.iter().flatten().chain(init).chain(ephemeral)
}

/// A pod with init containers initializes until all of its containers have run.
fn default_reason(pod: &DesiredPod) -> &'static str {
    if pod.spec().init_containers.iter().flatten().next().is_some() { "PodInitializing" } else { "ContainerCreating" }
}

fn waiting_state(reason: &str, message: &str) -> ContainerState {
    let message = (!message.is_empty()).then(|| message.to_owned());
    let waiting = Some(ContainerStateWaiting { reason: Some(reason.into()), message });
    ContainerState { waiting, ..Default::default() }
}

fn state_of(container: &ObservedContainer) -> ContainerState {
    match container.phase {
        ContainerPhase::Running => {
            let running = Some(ContainerStateRunning { started_at: container.started_at.map(Time) });
            ContainerState { running, ..Default::default() }
        }
        ContainerPhase::Exited => ContainerState { terminated: Some(terminated(container)), ..Default::default() },
        ContainerPhase::Created | ContainerPhase::Unknown => waiting_state("ContainerCreating", ""),
    }
}

fn terminated(container: &ObservedContainer) -> ContainerStateTerminated {
    let reason = match (container.reason.as_str(), container.exit_code) {
        ("", 0) => "Completed",
        ("", _) => "Error",
        (reason, _) => reason,
    };
    ContainerStateTerminated {
        container_id: Some(format!("containerd://{}", container.id)),
        exit_code: container.exit_code,
        reason: Some(reason.into()),
        message: (!container.message.is_empty()).then(|| container.message.clone()),
        started_at: container.started_at.or(Some(container.created_at)).map(Time),
        finished_at: container.finished_at.map(Time),
        signal: None,
    }
}

/// A condition's status, and why it is false.
type Verdict = (bool, Option<&'static str>, Option<String>);

fn conditions(
    pod: &DesiredPod,
    input: &StatusInput<'_>,
    phase: &str,
    init: &[ContainerStatus],
    main: &[ContainerStatus],
) -> Vec<PodCondition> {
    let has_network = input.observed.ready_sandbox().is_some();
    let initialized = initialized_verdict(pod, input, phase, init);
    let containers_ready = ready_verdict(pod, phase, init, main);
    let ready = gated(pod, &containers_ready);
    let verdicts = [
        ("PodReadyToStartContainers", (has_network, None, None)),
        ("Initialized", initialized),
        ("Ready", ready),
        ("ContainersReady", containers_ready),
        ("PodScheduled", (true, None, None)),
    ];
    let verdicts = verdicts.into_iter().chain(input.resize.map(resize_verdict));
    verdicts.map(|(kind, verdict)| condition(pod, input, kind, verdict)).collect()
}

fn resize_verdict(resize: &Resize) -> (&'static str, Verdict) {
    match resize {
        Resize::Deferred(message) => ("PodResizePending", (true, Some("Deferred"), Some(message.clone()))),
        Resize::Infeasible(message) => ("PodResizePending", (true, Some("Infeasible"), Some(message.clone()))),
        Resize::InProgress(error) => ("PodResizeInProgress", (true, error.as_ref().map(|_| "Error"), error.clone())),
    }
}

fn initialized_verdict(pod: &DesiredPod, input: &StatusInput<'_>, phase: &str, init: &[ContainerStatus]) -> Verdict {
    if phase == "Succeeded" {
        return (true, Some("PodCompleted"), None);
    }
    if is_initialized(pod, input) {
        return (true, None, None);
    }
    let incomplete = names(init.iter().filter(|status| !status.ready));
    (false, Some("ContainersNotInitialized"), Some(format!("containers with incomplete status: [{incomplete}]")))
}

fn ready_verdict(pod: &DesiredPod, phase: &str, init: &[ContainerStatus], main: &[ContainerStatus]) -> Verdict {
    match phase {
        "Succeeded" => return (false, Some("PodCompleted"), None),
        "Failed" => return (false, Some("PodFailed"), None),
        _ => {}
    }
    let is_sidecar = |name: &str| pod.container(name).is_some_and(|(role, _)| role == Role::Sidecar);
    let sidecars = init.iter().filter(|status| is_sidecar(&status.name));
    let unready = names(sidecars.chain(main).filter(|status| !status.ready));
    if unready.is_empty() {
        return (true, None, None);
    }
    (false, Some("ContainersNotReady"), Some(format!("containers with unready status: [{unready}]")))
}

fn names<'a>(statuses: impl Iterator<Item = &'a ContainerStatus>) -> String {
    statuses.map(|status| status.name.as_str()).collect::<Vec<_>>().join(" ")
}

/// Ready also asks for the conditions that the spec's readiness gates name.
fn gated(pod: &DesiredPod, containers_ready: &Verdict) -> Verdict {
    let given = pod.api_status().conditions.unwrap_or_default();
    let holds = |kind: &str| given.iter().any(|c| c.type_ == kind && c.status == "True");
    let missing: Vec<&str> =
        pod.spec().readiness_gates.iter().flatten().map(|g| g.condition_type.as_str()).filter(|g| !holds(g)).collect();
    if !containers_ready.0 || missing.is_empty() {
        return containers_ready.clone();
    }
    let message = format!("corresponding condition of pod readiness gate {:?} does not exist.", missing[0]);
    (false, Some("ReadinessGatesNotReady"), Some(message))
}

fn condition(pod: &DesiredPod, input: &StatusInput<'_>, kind: &str, (holds, reason, message): Verdict) -> PodCondition {
    let status = if holds { "True" } else { "False" };
    let before = input.last.conditions.iter().flatten().find(|c| c.type_ == kind && c.status == status);
    PodCondition {
        type_: kind.into(),
        status: status.into(),
        reason: reason.map(str::to_owned),
        message,
        last_transition_time: Some(before.and_then(|c| c.last_transition_time.clone()).unwrap_or(Time(input.now))),
        last_probe_time: None,
        observed_generation: pod.metadata.generation,
    }
}

#[cfg(test)]
mod tests;
