use super::*;
use crate::pod::{
    probe_state::ProbeKind,
    testing::{at, container, observed, pod_of},
};

struct Case {
    spec: &'static str,
    observed: ObservedPod,
    probes: ProbeStates,
    waiting: HashMap<String, Waiting>,
    is_ending: bool,
    actuated: HashMap<String, ResourceRequirements>,
    resize: Option<Resize>,
    last: PodStatus,
}

impl Case {
    fn new(spec: &'static str, containers: &[ObservedContainer]) -> Self {
        Self {
            spec,
            observed: observed(containers),
            probes: ProbeStates::default(),
            waiting: HashMap::new(),
            is_ending: false,
            actuated: HashMap::new(),
            resize: None,
            last: PodStatus::default(),
        }
    }

    fn status(&self) -> PodStatus {
        let input = StatusInput {
            observed: &self.observed,
            probes: &self.probes,
            waiting: &self.waiting,
            last: &self.last,
            actuated: &self.actuated,
            resize: self.resize.as_ref(),
            host_ip: "192.0.2.1",
            is_ending: self.is_ending,
            failure: None,
            now: at(100),
        };
        pod_status(&pod_of(self.spec), &input)
    }
}

fn condition<'a>(status: &'a PodStatus, kind: &str) -> &'a PodCondition {
    status.conditions.iter().flatten().find(|c| c.type_ == kind).expect("the condition")
}

const ONE: &str = r#"{"containers":[{"name":"a"}]}"#;
const PROBED: &str = r#"{"containers":[{"name":"a","readinessProbe":{"exec":{}}}]}"#;

#[test]
fn a_pod_without_containers_is_pending_and_names_what_it_waits_for() {
    let mut case = Case::new(ONE, &[]);
    let status = case.status();
    assert_eq!(status.phase.as_deref(), Some("Pending"));
    assert_eq!(condition(&status, "Ready").reason.as_deref(), Some("ContainersNotReady"));
    case.waiting.insert("a".into(), Waiting { reason: "ErrImagePull", message: "no".into() });
    let state = case.status().container_statuses.expect("statuses")[0].state.clone().expect("a state");
    assert_eq!(state.waiting.expect("waiting").reason.as_deref(), Some("ErrImagePull"));
}

#[test]
fn a_running_pod_is_ready_when_its_readiness_probe_says_so() {
    let mut case = Case::new(PROBED, &[container("a", 0, ContainerPhase::Running, 0)]);
    assert_eq!(condition(&case.status(), "Ready").status, "False");
    case.probes.set("a-0", ProbeKind::Readiness, true);
    let status = case.status();
    assert_eq!((status.phase.as_deref(), condition(&status, "Ready").status.as_str()), (Some("Running"), "True"));
    assert_eq!(status.pod_ip.as_deref(), Some("10.0.0.1"));
    case.is_ending = true;
    assert_eq!(condition(&case.status(), "Ready").status, "False");
}

#[test]
fn a_finished_pod_has_succeeded_or_failed_and_stays_so() {
    let spec = r#"{"restartPolicy":"Never","containers":[{"name":"a"}]}"#;
    let mut case = Case::new(spec, &[container("a", 0, ContainerPhase::Exited, 0)]);
    let status = case.status();
    assert_eq!(status.phase.as_deref(), Some("Succeeded"));
    assert_eq!(condition(&status, "Ready").reason.as_deref(), Some("PodCompleted"));
    case.last = status;
    case.observed = ObservedPod::default();
    assert_eq!(case.status().phase.as_deref(), Some("Succeeded"));
    let failed = Case::new(spec, &[container("a", 0, ContainerPhase::Exited, 2)]).status();
    assert_eq!(failed.phase.as_deref(), Some("Failed"));
    let state = failed.container_statuses.expect("statuses")[0].state.clone().expect("a state");
    assert_eq!(state.terminated.expect("terminated").reason.as_deref(), Some("Error"));
}

#[test]
fn a_crash_loop_shows_the_last_end_and_why_it_waits() {
    let mut case = Case::new(ONE, &[container("a", 0, ContainerPhase::Exited, 1)]);
    case.waiting.insert("a".into(), Waiting { reason: "CrashLoopBackOff", message: "back-off".into() });
    let status = case.status();
    assert_eq!(status.phase.as_deref(), Some("Running"));
    let a = &status.container_statuses.expect("statuses")[0];
    assert!(a.state.as_ref().is_some_and(|s| s.waiting.is_some()));
    assert_eq!(a.last_state.as_ref().and_then(|s| s.terminated.as_ref()).map(|t| t.exit_code), Some(1));
}

#[test]
fn transition_times_move_only_with_the_status() {
    let mut case = Case::new(PROBED, &[container("a", 0, ContainerPhase::Running, 0)]);
    let mut before = case.status();
    for condition in before.conditions.iter_mut().flatten() {
        condition.last_transition_time = Some(Time(at(50)));
    }
    case.last = before;
    case.probes.set("a-0", ProbeKind::Readiness, true);
    let status = case.status();
    assert_eq!(condition(&status, "Ready").last_transition_time, Some(Time(at(100))));
    assert_eq!(condition(&status, "PodScheduled").last_transition_time, Some(Time(at(50))));
}

#[test]
fn a_container_that_was_not_resized_yet_shows_what_it_has() {
    let spec = r#"{"containers":[{"name":"a","resources":{"requests":{"cpu":"2"}}}]}"#;
    let mut case = Case::new(spec, &[container("a", 0, ContainerPhase::Running, 0)]);
    let had: ResourceRequirements = serde_json::from_str(r#"{"requests":{"cpu":"1"}}"#).expect("resources");
    case.actuated.insert("a-0".into(), had.clone());
    case.resize = Some(Resize::Deferred("no room".into()));
    let status = case.status();
    assert_eq!(status.container_statuses.expect("one")[0].resources, Some(had));
    let conditions = status.conditions.expect("some");
    let pending = conditions.iter().find(|c| c.type_ == "PodResizePending").expect("the resize is pending");
    assert_eq!((pending.status.as_str(), pending.reason.as_deref()), ("True", Some("Deferred")));
}

#[test]
fn a_class_that_the_api_has_given_stands() {
    let mut case = Case::new(r#"{"containers":[{"name":"a"}]}"#, &[]);
    assert_eq!(case.status().qos_class.as_deref(), Some("BestEffort"));
    case.last.qos_class = Some("Guaranteed".into());
    assert_eq!(case.status().qos_class.as_deref(), Some("Guaranteed"), "what the pod asks for as a whole counts too");
}
