//! The loop: it takes in what happens, and decides about one pod after the other.

use std::{collections::HashSet, sync::Arc, time::Duration};

use gantry_plugin_host::{CallSpec, HangSignal, Interest, PluginHost, PodArg, Services};
use gantry_runtime::{Observed, ReflectorTarget};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};
use tracing::{debug, warn};

use crate::{
    bind::{BindError, Binding},
    cluster::Cluster,
    cycle::{self, CycleInput, Decision},
    facts::{NodeFacts, PodFacts},
    metrics::{AttemptResult, SchedulerMetrics},
    profile::Profile,
    queue::Queue,
    report::Reporter,
};

/// What the loop takes in.
pub(crate) enum Input {
    Nodes(Vec<NodeFacts>),
    NodeApplied(Box<NodeFacts>),
    NodeDeleted(String),
    Pods(Vec<Arc<PodFacts>>),
    PodApplied(Arc<PodFacts>),
    /// Its uid.
    PodDeleted(String),
    Bound {
        attempt: Attempt,
        node: String,
        result: Result<(), BindError>,
    },
}

/// One try to place a pod.
pub(crate) struct Attempt {
    pub(crate) pod: Arc<PodFacts>,
    pub(crate) began: Instant,
}

/// Fed by the reflector of nodes.
pub(crate) struct NodeFeed(pub(crate) mpsc::UnboundedSender<Input>);
/// Fed by the reflector of pods.
pub(crate) struct PodFeed(pub(crate) mpsc::UnboundedSender<Input>);

fn read<T>(observed: &Observed, read: impl FnOnce(&Observed) -> Result<T, serde_json::Error>) -> Option<T> {
    read(observed)
        .inspect_err(|error| warn!(name = observed.name, %error, "an object cannot be read and is left out"))
        .ok()
}

// Sending fails only when the loop has ended.
impl ReflectorTarget for NodeFeed {
    fn replaced(&self, items: Vec<Observed>) {
        let _ = self.0.send(Input::Nodes(items.iter().filter_map(|item| read(item, NodeFacts::read)).collect()));
    }

    fn applied(&self, object: Observed) {
        let _ = read(&object, NodeFacts::read).map(|node| self.0.send(Input::NodeApplied(Box::new(node))));
    }

    fn deleted(&self, object: Observed) {
        let _ = self.0.send(Input::NodeDeleted(object.name));
    }
}

impl ReflectorTarget for PodFeed {
    fn replaced(&self, items: Vec<Observed>) {
        let _ = self
            .0
            .send(Input::Pods(items.iter().filter_map(|item| read(item, PodFacts::read).map(Arc::new)).collect()));
    }

    fn applied(&self, object: Observed) {
        let _ = read(&object, PodFacts::read).map(|pod| self.0.send(Input::PodApplied(Arc::new(pod))));
    }

    fn deleted(&self, object: Observed) {
        let _ = self.0.send(Input::PodDeleted(object.uid));
    }
}

/// An event that may help refused pods.
struct Helps<'e> {
    resource: &'static str,
    actions: u32,
    old: &'e [u8],
    new: &'e [u8],
}

pub(crate) struct Engine {
    pub(crate) profiles: Vec<Arc<Profile>>,
    pub(crate) host: Arc<PluginHost>,
    pub(crate) reporter: Reporter,
    pub(crate) budget: Duration,
    pub(crate) metrics: Option<SchedulerMetrics>,
    pub(crate) sender: mpsc::UnboundedSender<Input>,
    pub(crate) inputs: mpsc::UnboundedReceiver<Input>,
    pub(crate) cluster: Cluster,
    pub(crate) queue: Queue,
    /// Nothing is decided before both first lists have come.
    pub(crate) seen: (bool, bool),
}

impl Engine {
    /// Runs until it is dropped.
    pub(crate) async fn run(mut self) {
        loop {
            while let Ok(input) = self.inputs.try_recv() {
                self.take(input).await;
            }
            if self.seen == (true, true)
                && let Some(pod) = self.queue.pop(Instant::now())
            {
                self.schedule(pod).await;
                continue;
            }
            if let Some(metrics) = &self.metrics {
                metrics.pending(self.queue.census());
            }
            let due = self.queue.next_due();
            tokio::select! {
                input = self.inputs.recv() => match input {
                    Some(input) => self.take(input).await,
                    None => return,
                },
                () = async { sleep_until(due.unwrap_or_else(Instant::now)).await }, if due.is_some() => {}
            }
        }
    }

    async fn take(&mut self, input: Input) {
        match input {
            Input::Nodes(all) => {
                let present: HashSet<&str> = all.iter().map(|node| node.name.as_str()).collect();
                let gone: Vec<String> =
                    self.cluster.node_names().into_iter().filter(|name| !present.contains(name.as_str())).collect();
                for name in gone {
                    self.node_deleted(&name).await;
                }
                for node in all {
                    self.node_applied(node).await;
                }
                self.seen.0 = true;
            }
            Input::NodeApplied(node) => self.node_applied(*node).await,
            Input::NodeDeleted(name) => self.node_deleted(&name).await,
            Input::Pods(all) => {
                let present: HashSet<String> = all.iter().map(|pod| pod.uid.clone()).collect();
                let known = self.cluster.placed_uids().chain(self.queue.uids());
                let gone: Vec<String> = known.filter(|uid| !present.contains(*uid)).cloned().collect();
                for uid in gone {
                    self.pod_deleted(&uid).await;
                }
                for pod in all {
                    self.pod_applied(pod).await;
                }
                self.seen.1 = true;
            }
            Input::PodApplied(pod) => self.pod_applied(pod).await,
            Input::PodDeleted(uid) => self.pod_deleted(&uid).await,
            Input::Bound { attempt, node, result } => self.bound(&attempt, &node, result).await,
        }
    }

    async fn node_applied(&mut self, node: NodeFacts) {
        let (name, new) = (node.name.clone(), node.json.clone());
        let old = self.cluster.put_node(node);
        let actions = match (&old, self.cluster.node(&name)) {
            (Some(old), Some(now)) => now.changes_from(old),
            _ => gantry_abi::ACTION_ADD,
        };
        let old = old.map(|old| old.json).unwrap_or_default();
        self.wake(&Helps { resource: "nodes", actions, old: &old, new: &new }).await;
    }

    async fn node_deleted(&mut self, name: &str) {
        if let Some(old) = self.cluster.remove_node(name) {
            self.wake(&Helps { resource: "nodes", actions: gantry_abi::ACTION_DELETE, old: &old.json, new: &[] }).await;
        }
    }

    async fn pod_applied(&mut self, pod: Arc<PodFacts>) {
        if pod.finished {
            return self.pod_deleted(&pod.uid).await;
        }
        if !pod.node.is_empty() {
            return self.pod_placed(pod).await;
        }
        if self.cluster.is_assumed(&pod.uid) && self.queue.get(&pod.uid).is_none() {
            // Bound already; this state is older than the binding.
            return;
        }
        let ours = self.profiles.iter().any(|profile| profile.scheduler_name == pod.scheduler);
        if pod.is_waiting() && ours {
            self.queue.put(pod, Instant::now());
        } else {
            self.queue.remove(&pod.uid);
        }
    }

    async fn pod_placed(&mut self, pod: Arc<PodFacts>) {
        self.queue.remove(&pod.uid);
        let old = self.cluster.placed(&pod.uid).cloned();
        self.cluster.place(pod.clone());
        let actions = match &old {
            None => gantry_abi::ACTION_ADD,
            Some(old) if old.labels != pod.labels => gantry_abi::ACTION_LABELS,
            Some(old) if old.requested != pod.requested => gantry_abi::ACTION_ALLOCATABLE,
            Some(_) => return,
        };
        let old = old.map(|old| old.json.clone()).unwrap_or_default();
        self.wake(&Helps { resource: "pods", actions, old: &old, new: &pod.json }).await;
    }

    async fn pod_deleted(&mut self, uid: &str) {
        self.queue.remove(uid);
        let old = self.cluster.placed(uid).map(|pod| pod.json.clone());
        if self.cluster.take_away(uid) {
            let old = old.unwrap_or_default();
            self.wake(&Helps { resource: "pods", actions: gantry_abi::ACTION_DELETE, old: &old, new: &[] }).await;
        }
    }

    /// Pods that wait for such an event get another turn.
    async fn wake(&mut self, event: &Helps<'_>) {
        if event.actions == 0 {
            return;
        }
        let refused: Vec<(Arc<PodFacts>, HashSet<String>)> =
            self.queue.refused().map(|(pod, by)| (pod.clone(), by.clone())).collect();
        if refused.is_empty() {
            return;
        }
        let mut woken: HashSet<String> = HashSet::new();
        for profile in self.profiles.clone() {
            let own = refused.iter().filter(|(pod, _)| pod.scheduler == profile.scheduler_name);
            // Refused by nobody: there was no node at all.
            woken.extend(own.clone().filter(|(_, by)| by.is_empty()).map(|(pod, _)| pod.uid.clone()));
            for one in profile.plugins.iter().filter(|one| one.cares_about(event.resource, event.actions)) {
                let id = one.plugin.id();
                let concerned = own.clone().filter(|(pod, by)| by.contains(id) && !woken.contains(&pod.uid));
                let pods: Vec<Arc<PodFacts>> = concerned.map(|(pod, _)| pod.clone()).collect();
                if !pods.is_empty() {
                    woken.extend(self.hints(one, event, pods).await);
                }
            }
        }
        let now = Instant::now();
        woken.iter().for_each(|uid| self.queue.wake(uid, now));
    }

    /// Those of the pods that the plugin thinks worth another try. All, if it cannot say.
    async fn hints(
        &mut self,
        one: &crate::profile::ProfilePlugin,
        event: &Helps<'_>,
        pods: Vec<Arc<PodFacts>>,
    ) -> Vec<String> {
        let uids: Vec<String> = pods.iter().map(|pod| pod.uid.clone()).collect();
        if !one.gives_hints() {
            return uids;
        }
        let args: Vec<PodArg> = pods.iter().map(|pod| self.pod_arg(pod)).collect();
        let (table, budget) = (self.cluster.table.clone(), self.budget);
        let interest = Interest { group: String::new(), resource: event.resource.into(), actions: event.actions };
        let (old, new) = (event.old.to_vec(), event.new.to_vec());
        let asked = one.plugin.run(move |plugin, hang| {
            let services = Services { texts: Some(&table.texts), reader: None };
            let spec = CallSpec { budget: Some(budget), services, hang: Some(hang), ..CallSpec::default() };
            plugin.scheduler_hint(&spec, &interest, &old, &new, &args.iter().collect::<Vec<_>>())
        });
        match asked.await {
            Ok(queue) => uids.into_iter().zip(queue).filter(|(_, worth)| *worth).map(|(uid, _)| uid).collect(),
            Err(error) => {
                debug!(plugin = one.plugin.id(), %error, "no hint, all pods are tried");
                uids
            }
        }
    }

    fn pod_arg(&mut self, pod: &PodFacts) -> PodArg {
        let texts = &mut Arc::make_mut(&mut self.cluster.table).texts;
        let qty = |(resource, value): (&String, &i64)| gantry_abi::Qty {
            resource: texts.intern(resource),
            reserved: 0,
            value: *value,
        };
        PodArg {
            requests: pod.requested.amounts.iter().map(qty).collect(),
            uid: pod.uid.clone(),
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            scheduler_name: pod.scheduler.clone(),
            priority: pod.priority,
            generation: pod.generation,
            nonzero_cpu: pod.requested.nonzero_cpu,
            nonzero_memory: pod.requested.nonzero_memory,
            json: pod.json.clone(),
        }
    }

    async fn schedule(&mut self, pod: Arc<PodFacts>) {
        let Some(profile) = self.profiles.iter().find(|p| p.scheduler_name == pod.scheduler).cloned() else {
            return self.queue.remove(&pod.uid);
        };
        let began = Instant::now();
        let arg = self.pod_arg(&pod);
        let hang = HangSignal::default();
        let input = CycleInput {
            pod: arg.clone(),
            table: self.cluster.table.clone(),
            profile,
            budget: self.budget,
            hang: hang.clone(),
        };
        let (answer, answered) = oneshot::channel();
        let started = self.host.run_on_lane(move || {
            let decision = cycle::run(&input);
            // The table first: whoever hears the decision changes it in place.
            drop(input);
            let _ = answer.send(decision);
        });
        let decision = match started {
            Err(error) => Decision::Failed(format!("no thread for the cycle: {error}")),
            Ok(()) => tokio::select! {
                decision = answered => decision.unwrap_or_else(|_| Decision::Failed("the cycle panicked".into())),
                () = hang.raised() => Decision::Failed("a plugin does not return and is quarantined".into()),
            },
        };
        self.act(Attempt { pod, began }, arg, decision);
    }

    fn act(&mut self, attempt: Attempt, arg: PodArg, decision: Decision) {
        let (pod, now) = (attempt.pod.clone(), Instant::now());
        match decision {
            Decision::Node { name, cycles, wait } => {
                self.cluster.assume(pod.clone(), &name);
                let binding = Binding { pod, arg, node: name.clone(), cycles, wait, budget: self.budget };
                let (sender, sink, host) = (self.sender.clone(), self.reporter.sink.clone(), self.host.clone());
                tokio::spawn(async move {
                    let result = binding.run(sink, host).await;
                    let _ = sender.send(Input::Bound { attempt, node: name, result });
                });
            }
            Decision::Unfit(unfit) => {
                self.attempted(&attempt, AttemptResult::Unschedulable);
                self.queue.refuse(&pod.uid, unfit.by, now);
                self.reporter.failed(&pod, "Unschedulable", unfit.message);
            }
            Decision::Failed(message) => {
                self.attempted(&attempt, AttemptResult::Error);
                self.queue.retry_later(&pod.uid, now);
                self.reporter.failed(&pod, "SchedulerError", message);
            }
        }
    }

    fn attempted(&self, attempt: &Attempt, result: AttemptResult) {
        let Some(metrics) = &self.metrics else { return };
        metrics.attempted(&attempt.pod.scheduler, result, attempt.began.elapsed());
        if result == AttemptResult::Scheduled
            && let Some((attempts, since)) = self.queue.effort(&attempt.pod.uid)
        {
            metrics.placed(attempts, since.elapsed());
        }
    }

    async fn bound(&mut self, attempt: &Attempt, node: &str, result: Result<(), BindError>) {
        let pod = &attempt.pod;
        let result_label = if result.is_ok() { AttemptResult::Scheduled } else { AttemptResult::Error };
        self.attempted(attempt, result_label);
        let error = match result {
            Ok(()) => {
                self.queue.remove(&pod.uid);
                return self.reporter.scheduled(pod, node);
            }
            Err(error) => error,
        };
        // Somebody else may have bound it meanwhile, and the API has told: then it is placed, not assumed.
        if self.cluster.is_assumed(&pod.uid) {
            self.cluster.take_away(&pod.uid);
            self.wake(&Helps { resource: "pods", actions: gantry_abi::ACTION_DELETE, old: &pod.json, new: &[] }).await;
        }
        if self.queue.get(&pod.uid).is_none() {
            return;
        }
        let message = match error {
            BindError::NotPermitted => "the time to wait for a plugin's consent is over".to_owned(),
            BindError::Failed(message) => format!("binding to {node} failed: {message}"),
        };
        self.queue.retry_later(&pod.uid, Instant::now());
        self.reporter.failed(pod, "SchedulerError", message);
    }
}
