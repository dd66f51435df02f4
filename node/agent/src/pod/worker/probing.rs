//! The probe tasks of a pod's running containers.

use std::collections::HashSet;

use super::{super::probe_state::ProbeKind, PodWorker};
use crate::{events::Subject, probes::ProbeTask};

impl PodWorker {
    /// Every running container has the tasks that its state asks for, and no other has any.
    pub(super) fn tend_probes(&mut self) {
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

    pub(super) fn stop_probes_of(&mut self, container_id: &str) {
        for ((_, task), _) in self.probe_tasks.extract_if(|(id, _), _| id == container_id).map(|entry| (entry, ())) {
            task.abort();
        }
    }

    pub(super) fn stop_probes(&mut self) {
        self.probe_tasks.drain().for_each(|(_, task)| task.abort());
    }
}
