use super::*;
use crate::pod::{
    probe_state::ProbeKind,
    testing::{at, container, observed, pod_of},
};

fn running(name: &str) -> ObservedContainer {
    container(name, 0, ContainerPhase::Running, 0)
}

fn exited(name: &str, exit_code: i32) -> ObservedContainer {
    container(name, 0, ContainerPhase::Exited, exit_code)
}

fn plan_at(spec: &str, observed: &ObservedPod, probes: &ProbeStates, backoffs: &RestartBackoffs, now: i64) -> Plan {
    compute_pod_actions(&pod_of(spec), &Situation { observed, probes, backoffs, now: at(now) })
}

fn plan(spec: &str, observed: &ObservedPod) -> Plan {
    plan_at(spec, observed, &ProbeStates::default(), &RestartBackoffs::default(), 200)
}

fn started(plan: &Plan) -> Vec<(&str, u32)> {
    plan.start.iter().map(|s| (s.name.as_str(), s.attempt)).collect()
}

const TWO: &str = r#"{"containers":[{"name":"a"},{"name":"b"}]}"#;
const INIT: &str = r#"{"initContainers":[{"name":"i1"},{"name":"s","restartPolicy":"Always"},{"name":"i2"}],"containers":[{"name":"a"}]}"#;

#[test]
fn a_new_pod_gets_a_sandbox_and_all_its_containers() {
    let plan = plan(TWO, &ObservedPod::default());
    assert_eq!((plan.create_sandbox, plan.stop_sandbox), (Some(0), false));
    assert_eq!(started(&plan), [("a", 0), ("b", 0)]);
}

#[test]
fn a_running_pod_needs_nothing() {
    assert!(plan(TWO, &observed(&[running("a"), running("b")])).is_empty());
}

#[test]
fn init_containers_run_in_order_and_a_sidecar_goes_along() {
    assert_eq!(started(&plan(INIT, &ObservedPod::default())), [("i1", 0)]);
    assert!(plan(INIT, &observed(&[running("i1")])).is_empty());
    assert_eq!(started(&plan(INIT, &observed(&[exited("i1", 0)]))), [("s", 0)]);
    assert_eq!(started(&plan(INIT, &observed(&[exited("i1", 0), running("s")]))), [("i2", 0)]);
    let done = [exited("i1", 0), running("s"), exited("i2", 0)];
    assert_eq!(started(&plan(INIT, &observed(&done))), [("a", 0)]);
    let crashed_sidecar = [exited("i1", 0), exited("s", 1), exited("i2", 0), running("a")];
    assert_eq!(started(&plan(INIT, &observed(&crashed_sidecar))), [("s", 1)]);
}

#[test]
fn a_sidecar_with_a_startup_probe_holds_back_what_follows() {
    let spec = r#"{"initContainers":[{"name":"s","restartPolicy":"Always","startupProbe":{"exec":{}}}],"containers":[{"name":"a"}]}"#;
    let there = observed(&[running("s")]);
    assert!(plan(spec, &there).is_empty());
    let mut probes = ProbeStates::default();
    probes.set("s-0", ProbeKind::Startup, true);
    assert_eq!(started(&plan_at(spec, &there, &probes, &RestartBackoffs::default(), 200)), [("a", 0)]);
}

#[test]
fn restart_policies_decide_over_containers_that_ended() {
    let spec = |policy: &str| format!(r#"{{"restartPolicy":"{policy}","containers":[{{"name":"a"}},{{"name":"b"}}]}}"#);
    let there = observed(&[exited("a", 0), exited("b", 3)]);
    assert_eq!(started(&plan(&spec("Always"), &there)), [("a", 1), ("b", 1)]);
    assert_eq!(started(&plan(&spec("OnFailure"), &there)), [("b", 1)]);
    let never = plan(&spec("Never"), &there);
    assert!(never.finished && never.start.is_empty());
}

#[test]
fn a_container_that_crashes_again_is_held_until_its_back_off_is_over() {
    let mut backoffs = RestartBackoffs::default();
    backoffs.restarted("a", at(90), at(90));
    let there = observed(&[container("a", 1, ContainerPhase::Exited, 1), running("b")]);
    let held = plan_at(TWO, &there, &ProbeStates::default(), &backoffs, 105);
    assert!(held.start.is_empty());
    assert_eq!(held.held, [Held { name: "a".into(), until: at(110), wait: SignedDuration::from_secs(10) }]);
    let later = plan_at(TWO, &there, &ProbeStates::default(), &backoffs, 110);
    assert_eq!(started(&later), [("a", 2)]);
}

#[test]
fn a_lost_sandbox_is_replaced_and_its_containers_start_again() {
    let mut there = observed(&[exited("a", 137), exited("b", 137)]);
    there.sandboxes[0].is_ready = false;
    let plan = plan(TWO, &there);
    assert_eq!((plan.stop_sandbox, plan.create_sandbox), (true, Some(1)));
    assert_eq!(started(&plan), [("a", 1), ("b", 1)]);
}

#[test]
fn a_failed_liveness_probe_kills_with_its_own_grace() {
    let spec = r#"{"containers":[{"name":"a","livenessProbe":{"exec":{},"terminationGracePeriodSeconds":3}}]}"#;
    let mut probes = ProbeStates::default();
    probes.set("a-0", ProbeKind::Liveness, false);
    let plan = plan_at(spec, &observed(&[running("a")]), &probes, &RestartBackoffs::default(), 200);
    assert_eq!(plan.kill.len(), 1);
    assert_eq!((plan.kill[0].container_id.as_str(), plan.kill[0].grace_seconds), ("a-0", Some(3)));
}

#[test]
fn a_failed_init_container_of_a_pod_that_never_restarts_ends_the_pod() {
    let spec = r#"{"restartPolicy":"Never","initContainers":[{"name":"i"}],"containers":[{"name":"a"}]}"#;
    let plan = plan(spec, &observed(&[exited("i", 1)]));
    assert!(plan.finished && plan.start.is_empty() && plan.create_sandbox.is_none());
}

#[test]
fn a_changed_image_replaces_the_container() {
    let mut old = running("a");
    old.hash = "another".into();
    let plan = plan(r#"{"containers":[{"name":"a"}]}"#, &observed(&[old]));
    assert_eq!(plan.kill.len(), 1);
}

#[test]
fn a_restart_rule_overrides_the_policy() {
    let spec = r#"{"restartPolicy":"Never","containers":[{"name":"a","restartPolicy":"Never",
        "restartPolicyRules":[{"action":"Restart","exitCodes":{"operator":"In","values":[42]}}]}]}"#;
    assert_eq!(started(&plan(spec, &observed(&[exited("a", 42)]))), [("a", 1)]);
    assert!(plan(spec, &observed(&[exited("a", 1)])).finished);
}

#[test]
fn an_ephemeral_container_starts_once_and_sees_its_targets_processes() {
    let spec = r#"{"containers":[{"name":"a"}],"ephemeralContainers":[{"name":"e","targetContainerName":"a"}]}"#;
    let first = plan(spec, &observed(&[running("a")]));
    assert_eq!(started(&first), [("e", 0)]);
    assert_eq!(first.start[0].target.as_deref(), Some("a-0"));
    assert!(plan(spec, &observed(&[running("a"), exited("e", 0)])).is_empty());
}
