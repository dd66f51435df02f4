//! What the probes of a pod's containers last said.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::Container;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ProbeKind {
    Startup,
    Readiness,
    Liveness,
}

impl ProbeKind {
    /// As events name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Readiness => "readiness",
            Self::Liveness => "liveness",
        }
    }

    pub fn of(self, container: &Container) -> Option<&k8s_openapi::api::core::v1::Probe> {
        match self {
            Self::Startup => container.startup_probe.as_ref(),
            Self::Readiness => container.readiness_probe.as_ref(),
            Self::Liveness => container.liveness_probe.as_ref(),
        }
    }

    pub const ALL: [Self; 3] = [Self::Startup, Self::Readiness, Self::Liveness];
}

/// Verdicts (after thresholds) by container id. A probe that has not spoken yet counts as its kind's initial state:
/// not started, not ready, alive.
#[derive(Clone, Debug, Default)]
pub struct ProbeStates {
    verdicts: HashMap<(String, ProbeKind), bool>,
}

impl ProbeStates {
    /// Returns whether the verdict is new.
    pub fn set(&mut self, container_id: &str, kind: ProbeKind, passes: bool) -> bool {
        self.verdicts.insert((container_id.to_owned(), kind), passes) != Some(passes)
    }

    pub fn verdict(&self, container_id: &str, kind: ProbeKind) -> Option<bool> {
        self.verdicts.get(&(container_id.to_owned(), kind)).copied()
    }

    pub fn retain_containers(&mut self, exists: impl Fn(&str) -> bool) {
        self.verdicts.retain(|(id, _), _| exists(id));
    }

    /// For a running container: without a startup probe it has started.
    pub fn is_started(&self, container_id: &str, container: &Container) -> bool {
        container.startup_probe.is_none() || self.verdict(container_id, ProbeKind::Startup) == Some(true)
    }

    /// For a running container: started, and its readiness probe (if any) passes.
    pub fn is_ready(&self, container_id: &str, container: &Container) -> bool {
        let ready =
            container.readiness_probe.is_none() || self.verdict(container_id, ProbeKind::Readiness) == Some(true);
        ready && self.is_started(container_id, container)
    }

    /// The probe that wants the container ended, with its own grace in seconds.
    pub fn failed(&self, container_id: &str, container: &Container) -> Option<(&'static str, Option<i64>)> {
        [ProbeKind::Startup, ProbeKind::Liveness].into_iter().find_map(|kind| {
            let probe = kind.of(container)?;
            let failed = self.verdict(container_id, kind) == Some(false);
            failed.then_some((kind.name(), probe.termination_grace_period_seconds))
        })
    }
}
