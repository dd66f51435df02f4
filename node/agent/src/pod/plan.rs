//! A pod's next step, as a pure function of what is wanted and what is there.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Container;

use super::{
    backoff::RestartBackoffs,
    desired::{DesiredPod, Role},
    labels::container_hash,
    observed::{ContainerPhase, ObservedContainer, ObservedPod},
    probe_state::ProbeStates,
};

/// A container to end because something about it is wrong. Whether it starts again is the next plan's matter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kill {
    pub container_id: String,
    pub name: String,
    /// Shown in the Killing event.
    pub message: String,
    /// Seconds, where the probe that failed has its own.
    pub grace_seconds: Option<i64>,
}

/// A container to start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Start {
    pub name: String,
    /// How many times it was started before.
    pub attempt: u32,
    /// When the container that it replaces ended.
    pub replaces_finished: Option<Timestamp>,
    /// The id of the container whose processes it sees.
    pub target: Option<String>,
}

/// A container that may not start yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    pub name: String,
    pub until: Timestamp,
    pub wait: SignedDuration,
}

/// What to do now. Applied in the order of the fields.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    /// Every container has ended for good: take the sandbox down, keep nothing running.
    pub finished: bool,
    /// Stop the sandbox that is there; containers of it end with it.
    pub stop_sandbox: bool,
    /// Make a sandbox with this attempt number.
    pub create_sandbox: Option<u32>,
    pub kill: Vec<Kill>,
    pub start: Vec<Start>,
    /// Waiting for their back-off (CrashLoopBackOff).
    pub held: Vec<Held>,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        !self.finished
            && !self.stop_sandbox
            && self.create_sandbox.is_none()
            && self.kill.is_empty()
            && self.start.is_empty()
    }
}

/// What the decision depends on besides the pod.
pub struct Situation<'a> {
    pub observed: &'a ObservedPod,
    pub probes: &'a ProbeStates,
    pub backoffs: &'a RestartBackoffs,
    pub now: Timestamp,
}

/// The next step of a pod that is not being deleted.
pub fn compute_pod_actions(pod: &DesiredPod, situation: &Situation<'_>) -> Plan {
    let mut step = Step { pod, situation, plan: Plan::default() };
    if step.is_finished() {
        step.finish();
    } else if !step.has_usable_sandbox() {
        step.replace_sandbox();
    } else {
        step.containers();
    }
    step.plan
}

/// True once no container of the pod will ever run again.
pub fn pod_is_finished(pod: &DesiredPod, observed: &ObservedPod) -> bool {
    let ended_for_good = |container: &Container| {
        observed
            .latest(&container.name)
            .is_some_and(|c| c.phase == ContainerPhase::Exited && !restarts(pod, container, c))
    };
    let init_failed = pod.containers().any(|(role, container)| {
        role == Role::Init && observed.latest(&container.name).is_some_and(|c| failed_for_good(pod, container, c))
    });
    let started = pod.main_containers().any(|c| observed.latest(&c.name).is_some());
    (init_failed && !started) || pod.main_containers().all(ended_for_good)
}

fn failed_for_good(pod: &DesiredPod, spec: &Container, container: &ObservedContainer) -> bool {
    container.phase == ContainerPhase::Exited && container.exit_code != 0 && !restarts(pod, spec, container)
}

/// Whether a container that ended is to be started again.
fn restarts(pod: &DesiredPod, spec: &Container, ended: &ObservedContainer) -> bool {
    for rule in spec.restart_policy_rules.iter().flatten() {
        let Some(codes) = &rule.exit_codes else { continue };
        let listed = codes.values.iter().flatten().any(|code| *code == ended.exit_code);
        if listed == (codes.operator == "In") {
            return rule.action == "Restart";
        }
    }
    match spec.restart_policy.as_deref().unwrap_or(pod.restart_policy()) {
        "Never" => false,
        "OnFailure" => ended.exit_code != 0,
        _ => true,
    }
}

struct Step<'a> {
    pod: &'a DesiredPod,
    situation: &'a Situation<'a>,
    plan: Plan,
}

impl<'a> Step<'a> {
    fn observed(&self) -> &'a ObservedPod {
        self.situation.observed
    }

    fn is_finished(&self) -> bool {
        pod_is_finished(self.pod, self.observed())
    }

    /// Sidecars are ended, and the sandbox with them.
    fn finish(&mut self) {
        let still_there = self.observed().ready_sandbox().is_some() || self.observed().running().next().is_some();
        self.plan.finished = still_there;
    }

    fn has_usable_sandbox(&self) -> bool {
        self.observed().ready_sandbox().is_some_and(|s| self.pod.is_host_network() || !s.ips.is_empty())
    }

    fn replace_sandbox(&mut self) {
        let old = self.observed().sandbox();
        self.plan.stop_sandbox = old.is_some();
        self.plan.create_sandbox = Some(old.map_or(0, |sandbox| sandbox.attempt + 1));
        // Everything starts from the first init container; those that ran once and may not again stay as they are.
        let first = self.pod.containers().find(|(role, _)| *role != Role::Main);
        match first {
            Some((_, container)) => self.start(container),
            None => self.main_containers(),
        }
    }

    fn containers(&mut self) {
        if self.init_containers() {
            self.main_containers();
        }
        self.ephemeral_containers();
    }

    /// Each starts once, beside whatever else the pod does.
    fn ephemeral_containers(&mut self) {
        let pod = self.pod;
        for container in pod.ephemeral_containers() {
            if self.observed().latest(&container.name).is_none() {
                self.start(container);
            }
        }
    }

    fn target(&self, name: &str) -> Option<String> {
        let target = self.observed().current(self.pod.ephemeral_target(name)?)?;
        target.is_running().then(|| target.id.clone())
    }

    /// Returns true if main containers may run.
    fn init_containers(&mut self) -> bool {
        let pod = self.pod;
        let main_started = pod.main_containers().any(|c| self.observed().current(&c.name).is_some());
        for (role, container) in pod.containers() {
            let goes_on = match role {
                Role::Main | Role::Ephemeral => return true,
                Role::Init if main_started => true,
                Role::Init => self.init(container),
                Role::Sidecar => self.sidecar(container) || main_started,
            };
            if !goes_on {
                return false;
            }
        }
        true
    }

    /// Returns true if the container has done its work.
    fn init(&mut self, container: &Container) -> bool {
        match self.observed().current(&container.name).map(|c| (c.phase, c.exit_code)) {
            Some((ContainerPhase::Exited, 0)) => return true,
            Some((ContainerPhase::Running, _)) => self.check_running(container),
            _ => self.start(container),
        }
        false
    }

    /// Returns true if the next container may start.
    fn sidecar(&mut self, container: &Container) -> bool {
        match self.observed().current(&container.name) {
            Some(current) if current.is_running() => {
                let started = self.situation.probes.is_started(&current.id, container);
                self.check_running(container);
                started
            }
            _ => {
                self.start(container);
                false
            }
        }
    }

    fn main_containers(&mut self) {
        let pod = self.pod;
        for container in pod.main_containers() {
            match self.observed().current(&container.name) {
                Some(current) if current.is_running() => self.check_running(container),
                _ => self.start_if_wanted(container),
            }
        }
    }

    fn start_if_wanted(&mut self, container: &Container) {
        let latest = self.observed().latest(&container.name);
        let wanted = match latest {
            Some(ended) if ended.phase == ContainerPhase::Exited => restarts(self.pod, container, ended),
            _ => true,
        };
        if wanted {
            self.start(container);
        }
    }

    /// Kills a running container whose image changed or that a probe gave up on.
    fn check_running(&mut self, container: &Container) {
        let Some(current) = self.observed().current(&container.name) else { return };
        let kill = |message: String, grace_seconds| Kill {
            container_id: current.id.clone(),
            name: container.name.clone(),
            message,
            grace_seconds,
        };
        if !current.hash.is_empty() && current.hash != container_hash(container) {
            let message = format!("Container {} definition changed", container.name);
            self.plan.kill.push(kill(message, None));
        } else if let Some((probe, grace)) = self.situation.probes.failed(&current.id, container) {
            let message = format!("Container {} failed {probe} probe", container.name);
            self.plan.kill.push(kill(message, grace));
        }
    }

    /// Starts a container, unless its back-off holds it.
    fn start(&mut self, container: &Container) {
        let latest = self.observed().latest(&container.name).cloned();
        let attempt = latest.as_ref().map_or(0, |latest| latest.attempt + 1);
        let finished = latest.filter(|l| l.phase == ContainerPhase::Exited).and_then(|l| l.finished_at);
        if let Some(finished) = finished {
            let wait = self.situation.backoffs.wait(&container.name, finished);
            let until = finished.saturating_add(wait).unwrap_or(Timestamp::MAX);
            if until > self.situation.now {
                self.plan.held.push(Held { name: container.name.clone(), until, wait });
                return;
            }
        }
        let target = self.target(&container.name);
        self.plan.start.push(Start { name: container.name.clone(), attempt, replaces_finished: finished, target });
    }
}

#[cfg(test)]
mod tests;
