//! Cells of pods, as kubectl shows them.

use super::{
    duration, look,
    row::{CellFn, Row},
};
use gantry_meta::{Object, ObjectView, Value};

pub(super) fn cell(plural: &str, column: &str) -> Option<CellFn> {
    match (plural, column) {
        ("pods", "Ready") => Some(|row| Pod::read(row.object).ready().into()),
        ("pods", "Status") => Some(|row| Pod::read(row.object).reason.into()),
        ("pods", "Restarts") => Some(restarts),
        ("pods", "Nominated Node") => {
            Some(|row| look::or(look::text(row.object, "status.nominatedNodeName"), "<none>"))
        }
        ("pods", "Readiness Gates") => Some(readiness_gates),
        _ => None,
    }
}

/// What the container statuses come to.
struct Pod {
    total: usize,
    ready: usize,
    restarts: i64,
    /// RFC 3339, of the restarts counted; empty: none.
    last_restart: String,
    reason: String,
}

impl Pod {
    fn read(object: &Object) -> Self {
        let mut pod = Pod {
            total: look::list(object, "spec.containers").len(),
            ready: 0,
            restarts: 0,
            last_restart: String::new(),
            reason: phase_reason(object),
        };
        let sidecars = sidecars(object);
        pod.total += sidecars.len();
        let starting = pod.read_init_containers(object, &sidecars);
        if !starting || look::condition_is_true(object, "Initialized") {
            pod.read_containers(object, &sidecars);
        }
        pod.settle_deletion(object);
        pod
    }

    fn ready(&self) -> String {
        format!("{}/{}", self.ready, self.total)
    }

    fn count_restarts(&mut self, status: &Object) {
        self.restarts += look::int(status, "restartCount");
        let finished = look::text(status, "lastState.terminated.finishedAt");
        if finished > self.last_restart.as_str() {
            self.last_restart = finished.to_owned();
        }
    }

    /// True while some init container has not done its part.
    fn read_init_containers(&mut self, object: &Object, sidecars: &[&str]) -> bool {
        let total = look::list(object, "spec.initContainers").len();
        for (at, status) in look::objects(object, "status.initContainerStatuses").enumerate() {
            self.count_restarts(status);
            let is_sidecar = sidecars.contains(&look::text(status, "name"));
            let exit = look::object(status, "state.terminated");
            if exit.is_some_and(|e| look::int(e, "exitCode") == 0) {
                continue;
            }
            if is_sidecar && look::flag(status, "started") {
                self.ready += usize::from(look::flag(status, "ready"));
                continue;
            }
            self.reason = match exit {
                Some(exit) => format!("Init:{}", exit_reason(exit)),
                None => match look::text(status, "state.waiting.reason") {
                    "" | "PodInitializing" => format!("Init:{at}/{total}"),
                    waiting => format!("Init:{waiting}"),
                },
            };
            return true;
        }
        false
    }

    /// The last container with something to say decides, so they are read from the last to the first.
    fn read_containers(&mut self, object: &Object, sidecars: &[&str]) {
        self.restarts = 0;
        self.last_restart.clear();
        for status in look::objects(object, "status.initContainerStatuses") {
            if sidecars.contains(&look::text(status, "name")) {
                self.count_restarts(status);
            }
        }
        let statuses: Vec<&Object> = look::objects(object, "status.containerStatuses").collect();
        let (mut running, mut failed) = (false, String::new());
        for status in statuses.into_iter().rev() {
            self.count_restarts(status);
            let waiting = look::text(status, "state.waiting.reason");
            if !waiting.is_empty() {
                self.reason = waiting.to_owned();
            } else if let Some(exit) = look::object(status, "state.terminated") {
                self.reason = exit_reason(exit);
                if look::int(exit, "exitCode") != 0 {
                    failed.clone_from(&self.reason);
                }
            } else if look::flag(status, "ready") && look::object(status, "state.running").is_some() {
                running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" {
            self.settle_partly_completed(object, running, failed);
        }
    }

    /// One container is done, others may not be.
    fn settle_partly_completed(&mut self, object: &Object, running: bool, failed: String) {
        if running && look::condition_is_true(object, "Ready") {
            self.reason = "Running".to_owned();
        } else if !failed.is_empty() {
            self.reason = failed;
        } else if running {
            self.reason = "NotReady".to_owned();
        }
    }

    fn settle_deletion(&mut self, object: &Object) {
        if !object.is_terminating() {
            return;
        }
        if look::text(object, "status.reason") == "NodeLost" {
            self.reason = "Unknown".to_owned();
        } else if !matches!(look::text(object, "status.phase"), "Succeeded" | "Failed") {
            self.reason = "Terminating".to_owned();
        }
    }
}

/// Init containers that stay: `restartPolicy: Always`.
fn sidecars(object: &Object) -> Vec<&str> {
    look::objects(object, "spec.initContainers")
        .filter(|c| look::text(c, "restartPolicy") == "Always")
        .map(|c| look::text(c, "name"))
        .collect()
}

fn phase_reason(object: &Object) -> String {
    let gated = look::condition(object, "PodScheduled").is_some_and(|c| look::text(c, "reason") == "SchedulingGated");
    let reason = look::text(object, "status.reason");
    match (gated, reason) {
        (true, _) => "SchedulingGated",
        (false, "") => look::text(object, "status.phase"),
        (false, reason) => reason,
    }
    .to_owned()
}

fn exit_reason(exit: &Object) -> String {
    let reason = look::text(exit, "reason");
    match (reason, look::int(exit, "signal")) {
        ("", 0) => format!("ExitCode:{}", look::int(exit, "exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        _ => reason.to_owned(),
    }
}

fn restarts(row: Row<'_>) -> Value {
    let pod = Pod::read(row.object);
    match duration::age(&pod.last_restart, row.now) {
        Some(age) if pod.restarts > 0 => format!("{} ({age} ago)", pod.restarts).into(),
        _ => pod.restarts.to_string().into(),
    }
}

fn readiness_gates(row: Row<'_>) -> Value {
    let gates: Vec<&str> =
        look::objects(row.object, "spec.readinessGates").map(|g| look::text(g, "conditionType")).collect();
    if gates.is_empty() {
        return "<none>".into();
    }
    let passed = gates.iter().filter(|gate| look::condition_is_true(row.object, gate)).count();
    format!("{passed}/{}", gates.len()).into()
}
