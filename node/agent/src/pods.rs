//! All pods of the node: one worker each, fed from the API's watch and the runtime's events.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures::StreamExt;
use gantry_cri::{CriError, RuntimeClient, api, events};
use gantry_runtime::{Cache, CacheEvent, Cached};
use k8s_openapi::api::core::v1::Pod;
use parking_lot::Mutex;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use crate::{
    context::NodeContext,
    pod::{
        desired::DesiredPod,
        labels,
        observed::ObservedPod,
        worker::{Message, PodWorker},
    },
    references::Reference,
};

/// How often everything is compared although no event was missed.
const RELIST: Duration = Duration::from_secs(120);
/// Everything is compared this soon after a subscription, then in ever longer pauses. The runtime does not say from when
/// on it tells of events, and its books follow what happens a moment later: the first look alone may come too early.
const FIRST_RELIST: Duration = Duration::from_secs(1);
/// How long to wait before subscribing again to a runtime that went away.
const RESUBSCRIBE: Duration = Duration::from_millis(100);

/// How long a question about a pod waits for a daemon that has just begun to learn of its pods.
const FIRST_LIST: Duration = Duration::from_secs(10);

/// The workers of this node.
pub struct Pods {
    node: Arc<NodeContext>,
    workers: Mutex<HashMap<String, mpsc::UnboundedSender<Message>>>,
    desired: Arc<Cache<Pod>>,
}

impl Pods {
    pub fn new(node: Arc<NodeContext>, desired: Arc<Cache<Pod>>) -> Arc<Self> {
        Arc::new(Self { node, workers: Mutex::default(), desired })
    }

    /// The pods that the API has for this node.
    pub fn desired(&self) -> &Cache<Pod> {
        &self.desired
    }

    /// One of [`Self::desired`]. A daemon that has just begun serves its API before it knows any pod, so that this waits for them.
    pub async fn find(&self, namespace: &str, name: &str) -> Option<Arc<Cached<Pod>>> {
        // Too late is as not at all: the pod is not there.
        let _ = tokio::time::timeout(FIRST_LIST, self.desired.wait_synced()).await;
        self.desired.get(namespace, name)
    }

    /// Follows the API: adopts what runs already, then starts, feeds and ends workers until `stop`.
    pub async fn follow_api(self: Arc<Self>, stop: CancellationToken) {
        let follow = async {
            self.desired.wait_synced().await;
            let mut changes = self.desired.subscribe();
            let known: HashSet<String> = self.desired.list().iter().map(|pod| pod.uid.clone()).collect();
            self.adopt(&known).await;
            while let Some(change) = changes.recv().await {
                match change {
                    CacheEvent::Applied { old, new } => {
                        if let Some(old) = old.filter(|old| old.uid != new.uid) {
                            self.tell(&old.uid, Message::Gone);
                        }
                        self.apply(&new);
                    }
                    CacheEvent::Deleted(old) => self.tell(&old.uid, Message::Gone),
                }
            }
        };
        stop.run_until_cancelled(follow).await;
    }

    fn tell(&self, uid: &str, message: Message) {
        if let Some(worker) = self.workers.lock().get(uid) {
            // A worker that just ended needs to know nothing any more.
            let _ = worker.send(message);
        }
    }

    fn apply(self: &Arc<Self>, cached: &Cached<Pod>) {
        let Some(pod) = DesiredPod::new(cached).map(Arc::new) else { return };
        let sent = self.workers.lock().get(pod.uid()).map(|worker| worker.send(Message::Desired(pod.clone())));
        if !matches!(sent, Some(Ok(()))) {
            self.start_worker(pod, ObservedPod::default());
        }
    }

    fn start_worker(self: &Arc<Self>, pod: Arc<DesiredPod>, observed: ObservedPod) {
        let (sender, mailbox) = mpsc::unbounded_channel();
        let uid = pod.uid().to_owned();
        for id in observed.sandboxes.iter().map(|s| &s.id).chain(observed.containers.iter().map(|c| &c.id)) {
            self.node.owners.add(id, &uid);
        }
        self.workers.lock().insert(uid.clone(), sender.clone());
        let worker = PodWorker::new(self.node.clone(), pod, observed, mailbox);
        let pods = self.clone();
        tokio::spawn(async move {
            worker.run().await;
            // Only our own entry: the same pod may have come back.
            pods.workers.lock().extract_if(|id, known| *id == uid && known.same_channel(&sender)).for_each(drop);
        });
    }

    /// After a start of the daemon: what runs goes on under a worker, what the API no longer has is ended.
    async fn adopt(self: &Arc<Self>, known: &HashSet<String>) {
        let ours = loop {
            match our_sandboxes(&self.node.runtime, &self.node.config.name).await {
                Ok(ours) => break ours,
                Err(error) => tracing::warn!(%error, "the container runtime cannot be read yet"),
            }
            tokio::time::sleep(RESUBSCRIBE).await;
        };
        let uids: HashSet<String> = ours.iter().filter_map(|s| s.labels.get(labels::POD_UID).cloned()).collect();
        for pod in self.desired.list() {
            if !uids.contains(&pod.uid) {
                continue;
            }
            let Some(pod) = DesiredPod::new(&pod).map(Arc::new) else { continue };
            let observed = ObservedPod::read(&self.node.runtime, pod.uid()).await;
            self.start_worker(pod, observed.unwrap_or_default());
        }
        for sandbox in ours {
            let uid = sandbox.labels.get(labels::POD_UID).cloned().unwrap_or_default();
            if !known.contains(&uid) {
                self.end_orphan(&sandbox, &uid).await;
            }
        }
        self.remove_remains(known, &uids);
    }

    async fn end_orphan(&self, sandbox: &api::PodSandbox, uid: &str) {
        tracing::info!(sandbox = sandbox.id, uid, "ending a pod that the API no longer has");
        let stopped = self.node.runtime.stop_pod_sandbox(&sandbox.id).await;
        let removed = self.node.runtime.remove_pod_sandbox(&sandbox.id).await;
        if let Err(error) = stopped.and(removed) {
            tracing::warn!(%error, sandbox = sandbox.id, "an orphaned sandbox could not be removed");
        }
    }

    /// Folders and cgroups of pods that the API no longer has: a daemon may have ended before it removed them.
    fn remove_remains(&self, known: &HashSet<String>, running: &HashSet<String>) {
        let with_folder = self.node.folders.pod_uids().unwrap_or_else(|error| {
            tracing::warn!(%error, "the pods' folders cannot be listed: those of pods that are gone stay");
            Vec::new()
        });
        let uids: HashSet<String> = with_folder.into_iter().chain(self.node.cgroups.pod_uids()).collect();
        for uid in uids.into_iter().filter(|uid| !known.contains(uid)) {
            if let Err(error) = self.node.folders.pod(&uid).remove() {
                tracing::warn!(%error, uid, was_running = running.contains(&uid), "an orphaned folder stays");
            }
            self.node.cgroups.remove(&uid);
        }
    }

    /// Follows the runtime's events until `stop`. What may have been missed is read again.
    pub async fn follow_runtime(self: Arc<Self>, channel: Channel, stop: CancellationToken) {
        let follow = async {
            loop {
                let mut events = events::subscribe(channel.clone());
                self.reread_all();
                let (mut pause, mut relist) = (FIRST_RELIST, Instant::now() + FIRST_RELIST);
                loop {
                    tokio::select! {
                        event = events.next() => match event {
                            Some(Ok(event)) => self.route(event),
                            Some(Err(error)) => {
                                tracing::warn!(%error, "the runtime's events ended");
                                break;
                            }
                            None => break,
                        },
                        () = tokio::time::sleep_until(relist) => {
                            self.reread_all();
                            pause = (pause * 2).min(RELIST);
                            relist = Instant::now() + pause;
                        }
                    }
                }
                tokio::time::sleep(RESUBSCRIBE).await;
            }
        };
        stop.run_until_cancelled(follow).await;
    }

    fn route(&self, event: gantry_cri::RuntimeEvent) {
        if matches!(event, gantry_cri::RuntimeEvent::Started { .. }) {
            return; // We started it and know.
        }
        if matches!(event, gantry_cri::RuntimeEvent::Exited { .. }) {
            // Nobody has to listen.
            let _ = self.node.exits.send(event.id().to_owned());
        }
        if let Some(uid) = self.node.owners.owner(event.id()) {
            self.tell(&uid, Message::Runtime(event));
        }
    }

    fn reread_all(&self) {
        let workers: Vec<_> = self.workers.lock().values().cloned().collect();
        for worker in workers {
            let _ = worker.send(Message::Reread);
        }
    }

    /// Passes on changes of ConfigMaps and Secrets until `stop`.
    pub async fn follow_references(
        self: Arc<Self>,
        mut changes: mpsc::UnboundedReceiver<Reference>,
        stop: CancellationToken,
    ) {
        let follow = async {
            while let Some(reference) = changes.recv().await {
                for uid in self.node.references.users(&reference) {
                    self.tell(&uid, Message::ReferencesChanged);
                }
            }
        };
        stop.run_until_cancelled(follow).await;
    }
}

/// Sandboxes that carry this node's name: ours to keep or to end.
async fn our_sandboxes(runtime: &RuntimeClient, node: &str) -> Result<Vec<api::PodSandbox>, CriError> {
    let label_selector = HashMap::from([(labels::OWNER.to_owned(), node.to_owned())]);
    runtime.list_pod_sandbox(Some(api::PodSandboxFilter { label_selector, ..Default::default() })).await
}
