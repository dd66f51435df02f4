//! Resizing a pod in place: whether the node has room for what is asked, and what a container needs to get there.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::{Container, ResourceRequirements};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    desired::DesiredPod,
    resources::{Amounts, pod_amounts},
};

/// Where a resize stands that is not done. None of it is in a pod whose containers have what the spec asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Resize {
    /// Other pods have what is missing; tried again when they give something back.
    Deferred(String),
    /// More than the node has.
    Infeasible(String),
    /// Allocated, but not every container has it yet; with what went wrong.
    InProgress(Option<String>),
}

/// Whether the node has room for a pod's requests; if not, for which resource, and a message with the amounts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Room {
    Enough,
    /// Other pods have it.
    Taken {
        resource: &'static str,
        message: String,
    },
    /// The node does not have it.
    TooMuch {
        resource: &'static str,
        message: String,
    },
}

/// The requests of the pods on this node, as they were granted: what a resize may still get.
#[derive(Debug)]
pub struct Allocations {
    capacity: Amounts,
    by_pod: Mutex<HashMap<String, Amounts>>,
    given_back: watch::Sender<()>,
}

impl Allocations {
    /// `capacity`: what the node has for pods.
    pub fn new(capacity: Amounts) -> Self {
        Self { capacity, by_pod: Mutex::default(), given_back: watch::Sender::new(()) }
    }

    pub fn capacity(&self) -> Amounts {
        self.capacity
    }

    /// Notes what a pod has, whether there is room or not: it runs already.
    pub fn note(&self, pod: &DesiredPod) {
        self.by_pod.lock().insert(pod.uid().into(), pod_amounts(pod).0);
    }

    /// Grants a pod its requests if they fit beside those of all others.
    pub fn grant(&self, pod: &DesiredPod) -> Room {
        let wanted = pod_amounts(pod).0;
        let mut by_pod = self.by_pod.lock();
        let others = by_pod.iter().filter(|(uid, _)| *uid != pod.uid()).map(|(_, amounts)| *amounts);
        let room = room(self.capacity, others.fold(Amounts::default(), plus), wanted);
        if room == Room::Enough {
            by_pod.insert(pod.uid().into(), wanted);
            drop(by_pod);
            self.given_back.send_replace(());
        }
        room
    }

    pub fn remove(&self, uid: &str) {
        if self.by_pod.lock().remove(uid).is_some() {
            self.given_back.send_replace(());
        }
    }

    /// Changes whenever a deferred resize may have become possible.
    pub fn given_back(&self) -> watch::Receiver<()> {
        self.given_back.subscribe()
    }
}

fn plus(a: Amounts, b: Amounts) -> Amounts {
    let sum = |a: Option<i64>, b: Option<i64>| Some(a.unwrap_or_default().saturating_add(b.unwrap_or_default()));
    Amounts { cpu_milli: sum(a.cpu_milli, b.cpu_milli), memory_bytes: sum(a.memory_bytes, b.memory_bytes) }
}

fn room(capacity: Amounts, others: Amounts, wanted: Amounts) -> Room {
    let cpu = ("cpu", capacity.cpu_milli, others.cpu_milli, wanted.cpu_milli);
    let memory = ("memory", capacity.memory_bytes, others.memory_bytes, wanted.memory_bytes);
    let lists = [cpu, memory].map(|(resource, capacity, used, wanted)| {
        (resource, capacity.unwrap_or_default(), used.unwrap_or_default(), wanted.unwrap_or_default())
    });
    if let Some((resource, capacity, _, wanted)) = lists.into_iter().find(|(_, capacity, _, wanted)| wanted > capacity)
    {
        let message =
            format!("Node didn't have enough capacity: {resource}, requested: {wanted}, capacity: {capacity}");
        return Room::TooMuch { resource, message };
    }
    // Who asks for nothing fits everywhere, also where too much was given away.
    let is_short =
        |(_, capacity, used, wanted): &(&str, i64, i64, i64)| *wanted > 0 && used.saturating_add(*wanted) > *capacity;
    match lists.into_iter().find(is_short) {
        Some((resource, capacity, used, wanted)) => {
            let amounts = format!("requested: {wanted}, used: {used}, capacity: {capacity}");
            Room::Taken { resource, message: format!("Node didn't have enough resource: {resource}, {amounts}") }
        }
        None => Room::Enough,
    }
}

/// Whether requests or limits differ.
pub fn differ(a: Option<&ResourceRequirements>, b: Option<&ResourceRequirements>) -> bool {
    let lists = |r: Option<&ResourceRequirements>| {
        let r = r.cloned().unwrap_or_default();
        (r.requests.unwrap_or_default(), r.limits.unwrap_or_default())
    };
    lists(a) != lists(b)
}

/// Whether the container's `resizePolicy` asks for a restart for what changes between `has` and its spec.
pub fn needs_restart(container: &Container, has: &ResourceRequirements) -> bool {
    let amount = |of: &ResourceRequirements, name: &str| {
        let read =
            |list: &Option<std::collections::BTreeMap<String, _>>| list.as_ref().and_then(|l| l.get(name)).cloned();
        (read(&of.requests), read(&of.limits))
    };
    let wanted = container.resources.clone().unwrap_or_default();
    let policies = container.resize_policy.iter().flatten();
    policies
        .filter(|p| p.restart_policy == "RestartContainer")
        .any(|p| amount(&wanted, &p.resource_name) != amount(has, &p.resource_name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::testing::pod_of;

    fn amounts(cpu_milli: i64, memory_bytes: i64) -> Amounts {
        Amounts { cpu_milli: Some(cpu_milli), memory_bytes: Some(memory_bytes) }
    }

    #[test]
    fn what_others_have_defers_and_what_the_node_lacks_never_fits() {
        let capacity = amounts(2000, 1000);
        assert_eq!(room(capacity, amounts(1000, 0), amounts(1000, 1000)), Room::Enough);
        assert!(matches!(room(capacity, amounts(1001, 0), amounts(1000, 0)), Room::Taken { resource: "cpu", .. }));
        assert!(matches!(
            room(capacity, Amounts::default(), amounts(0, 1001)),
            Room::TooMuch { resource: "memory", .. }
        ));
    }

    #[test]
    fn a_restart_is_needed_only_for_the_resource_whose_policy_says_so() {
        let pod = pod_of(
            r#"{"containers":[{"name":"a","resources":{"requests":{"cpu":"2","memory":"2Mi"}},
                "resizePolicy":[{"resourceName":"memory","restartPolicy":"RestartContainer"},
                                {"resourceName":"cpu","restartPolicy":"NotRequired"}]}]}"#,
        );
        let container = pod.main_containers().next().expect("one container");
        let has = |cpu: &str, memory: &str| ResourceRequirements {
            requests: Some(
                [("cpu", cpu), ("memory", memory)]
                    .map(|(k, v)| (k.to_owned(), k8s_openapi::apimachinery::pkg::api::resource::Quantity(v.into())))
                    .into(),
            ),
            ..Default::default()
        };
        assert!(!needs_restart(container, &has("1", "2Mi")));
        assert!(needs_restart(container, &has("2", "1Mi")));
    }
}
