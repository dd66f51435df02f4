//! Resizes the pod in place: asks the node for room, then gives it to the containers.

use k8s_openapi::api::core::v1::{Container, PodStatus, ResourceRequirements};
use tokio::time::Instant;

use super::{
    super::{
        plan::Kill,
        resize::{Resize, Room, differ, needs_restart},
        status::container_statuses,
    },
    MAX_RETRY, PodWorker,
};

impl PodWorker {
    /// One step towards the resources that the API asks for.
    pub(super) async fn resize(&mut self) {
        if self.has_ended() {
            return;
        }
        self.allocate();
        self.actuate().await;
    }

    fn allocate(&mut self) {
        if !self.wanted.resources_differ(&self.pod) {
            self.resize = self.resize.take().filter(|state| matches!(state, Resize::InProgress(_)));
            return;
        }
        self.resize = Some(match self.node.allocations.grant(&self.wanted) {
            Room::Enough => {
                self.pod = self.wanted.clone();
                self.volumes_are_stale = true;
                self.resize_not_before = None;
                Resize::InProgress(None)
            }
            Room::Taken { message, .. } => Resize::Deferred(message),
            Room::TooMuch { message, .. } => Resize::Infeasible(message),
        });
    }

    async fn actuate(&mut self) {
        if self.resize_not_before.is_some() {
            return;
        }
        let by_restart = |container: &Container, has: &Option<ResourceRequirements>| {
            has.as_ref().is_some_and(|has| needs_restart(container, has))
        };
        let all = self.containers_to_resize();
        let (restart, in_place): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, c, has)| by_restart(c, has));
        let mut failure = None;
        if !in_place.is_empty() {
            let applier = self.applier();
            let containers = in_place.iter().map(|(id, container, _)| (id.clone(), container.clone())).collect();
            let Some(results) = self.or_ending(async move { applier.resize(containers).await }).await else { return };
            for ((id, container, _), result) in in_place.into_iter().zip(results) {
                match result {
                    Ok(()) => _ = self.actuated.insert(id, container.resources.unwrap_or_default()),
                    Err(error) => failure = Some(format!("resizing container {}: {error}", container.name)),
                }
            }
        }
        for (container_id, container, _) in restart {
            self.restart_resized(container_id, container.name).await;
        }
        self.note_progress(failure);
    }

    fn note_progress(&mut self, failure: Option<String>) {
        if failure.is_some() {
            self.resize_not_before = Some(Instant::now() + MAX_RETRY / 6);
        }
        if matches!(self.resize, None | Some(Resize::InProgress(_))) {
            let all_have_it = self.containers_to_resize().is_empty() && self.all_run();
            self.resize = if all_have_it { None } else { self.resize.take().map(|_| Resize::InProgress(failure)) };
        }
    }

    fn all_run(&self) -> bool {
        self.pod.main_containers().all(|c| self.observed.current(&c.name).is_some_and(|c| c.is_running()))
    }

    /// Running containers that have other resources than the pod was granted, with what they have if that is known.
    fn containers_to_resize(&self) -> Vec<(String, Container, Option<ResourceRequirements>)> {
        let running = self.observed.running();
        let resized = running.filter_map(|running| {
            let (_, container) = self.pod.container(&running.name)?;
            let has = self.actuated.get(&running.id);
            let differs = differ(container.resources.as_ref(), has);
            differs.then(|| (running.id.clone(), container.clone(), has.cloned()))
        });
        resized.collect()
    }

    async fn restart_resized(&mut self, container_id: String, name: String) {
        let message = format!("Container {name} resize requires restart");
        let kill = Kill { container_id: container_id.clone(), name, message, grace_seconds: None };
        self.stop_probes_of(&container_id);
        let applier = self.applier();
        self.or_ending(async move { applier.kill(&kill).await }).await;
        self.stale.insert(container_id, true);
        self.again = true;
    }
}

/// What the containers have by the status in the API: ids and resources.
pub(super) fn remembered_resources(status: &PodStatus) -> impl Iterator<Item = (String, ResourceRequirements)> {
    container_statuses(status).filter_map(|status| {
        let id = status.container_id.as_deref()?.strip_prefix("containerd://")?;
        Some((id.to_owned(), status.resources.clone()?))
    })
}

/// What the pod was granted by the status in the API: names and resources.
pub(super) fn remembered_allocation(status: &PodStatus) -> impl Iterator<Item = (String, ResourceRequirements)> {
    container_statuses(status).filter_map(|status| {
        let limits = status.resources.as_ref()?.limits.clone();
        let granted =
            ResourceRequirements { requests: status.allocated_resources.clone(), limits, ..Default::default() };
        Some((status.name.clone(), granted))
    })
}
