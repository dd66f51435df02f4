//! Nodes, the pods on them, and pods that are as good as on them.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use crate::{
    facts::{NodeFacts, PodFacts},
    table::{NodeTable, Usage},
};

struct Placed {
    node: String,
    pod: Arc<PodFacts>,
    /// Our own decision; the API does not say so yet.
    assumed: bool,
}

/// The scheduler's picture of the cluster.
#[derive(Default)]
pub(crate) struct Cluster {
    /// Shared with a running cycle. While one holds it (only one that hangs does, between cycles) a change makes a copy.
    pub(crate) table: Arc<NodeTable>,
    nodes: HashMap<String, NodeFacts>,
    /// By uid.
    placed: HashMap<String, Placed>,
    on_node: HashMap<String, HashSet<String>>,
}

impl Cluster {
    pub(crate) fn node(&self, name: &str) -> Option<&NodeFacts> {
        self.nodes.get(name)
    }

    pub(crate) fn node_names(&self) -> Vec<String> {
        self.nodes.keys().cloned().collect()
    }

    pub(crate) fn put_node(&mut self, node: NodeFacts) -> Option<NodeFacts> {
        let usage = self.usage(&node.name);
        Arc::make_mut(&mut self.table).put(&node, &usage);
        self.nodes.insert(node.name.clone(), node)
    }

    pub(crate) fn remove_node(&mut self, name: &str) -> Option<NodeFacts> {
        Arc::make_mut(&mut self.table).remove(name);
        self.nodes.remove(name)
    }

    /// The pod as it stands on its node.
    pub(crate) fn placed(&self, uid: &str) -> Option<&Arc<PodFacts>> {
        self.placed.get(uid).map(|placed| &placed.pod)
    }

    /// Of pods that the API says are on a node; assumed ones are still to be told.
    pub(crate) fn placed_uids(&self) -> impl Iterator<Item = &String> {
        self.placed.iter().filter(|(_, placed)| !placed.assumed).map(|(uid, _)| uid)
    }

    pub(crate) fn is_assumed(&self, uid: &str) -> bool {
        self.placed.get(uid).is_some_and(|placed| placed.assumed)
    }

    /// The API says that the pod is on its node.
    pub(crate) fn place(&mut self, pod: Arc<PodFacts>) {
        let node = pod.node.clone();
        self.set(pod, node, false);
    }

    /// We have decided that the pod goes to this node.
    pub(crate) fn assume(&mut self, pod: Arc<PodFacts>, node: &str) {
        self.set(pod, node.to_owned(), true);
    }

    fn set(&mut self, pod: Arc<PodFacts>, node: String, assumed: bool) {
        let uid = pod.uid.clone();
        let before = self.placed.insert(uid.clone(), Placed { node: node.clone(), pod, assumed });
        if let Some(before) = before.filter(|before| before.node != node) {
            self.leave(&before.node, &uid);
        }
        self.on_node.entry(node.clone()).or_default().insert(uid);
        self.refresh(&node);
    }

    /// The pod is gone, over, or was not bound after all.
    pub(crate) fn take_away(&mut self, uid: &str) -> bool {
        let Some(placed) = self.placed.remove(uid) else { return false };
        self.leave(&placed.node, uid);
        true
    }

    fn leave(&mut self, node: &str, uid: &str) {
        if let Some(pods) = self.on_node.get_mut(node) {
            pods.remove(uid);
            if pods.is_empty() {
                self.on_node.remove(node);
            }
        }
        self.refresh(node);
    }

    fn refresh(&mut self, node: &str) {
        let usage = self.usage(node);
        if let Some(facts) = self.nodes.get(node) {
            Arc::make_mut(&mut self.table).set_usage(facts, &usage);
        }
    }

    /// A node has at most a few hundred pods: adding up anew is quick, and cannot drift.
    fn usage(&self, node: &str) -> Usage {
        let mut usage = Usage::default();
        let pods = self.on_node.get(node).into_iter().flatten().filter_map(|uid| self.placed.get(uid));
        for Placed { pod, .. } in pods {
            for (resource, amount) in &pod.requested.amounts {
                let sum = usage.amounts.entry(resource.clone()).or_default();
                *sum = sum.saturating_add(*amount);
            }
            usage.pods += 1;
            usage.nonzero_cpu += pod.requested.nonzero_cpu;
            usage.nonzero_memory += pod.requested.nonzero_memory;
            usage.ports.extend(pod.ports.iter().cloned());
        }
        usage
    }
}
