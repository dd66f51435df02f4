//! The runtime of controller plugins. It keeps the caches that they read, turns events into keys, calls them in batches, and
//! does what they want done, each as its own account. Everything is driven by events: nothing polls.
//!
//! *Invariant*: a key is reconciled again only when the caches show all that was written for it. So a reconciler that is a
//! pure function of what it reads never does its work twice because a cache is behind.

mod controller;
mod execute;
mod plugin_status;
mod reader;
mod store;
mod stores;

use std::{sync::Arc, time::Duration};

use gantry_meta::GroupVersionResource;
use gantry_plugin_host::{CallSpec, Plugin, PluginHost, Watch, interface};
use gantry_runtime::{
    ElectionConfig, EventRecorder, LeaderElector, ObjectSink, ObjectSource, WorkQueue, WorkQueueMetrics,
};
use hashbrown::{HashMap, HashSet};
use parking_lot::RwLock;
pub use plugin_status::report_plugins;
pub use stores::Served;
use tokio::{runtime::Handle, sync::mpsc, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    controller::{Controller, Parts},
    execute::Executor,
    reader::ControllerReader,
    store::{Change, ResourceStore},
    stores::{Stores, gvr, is_followed_by_everything},
};

/// A watch on everything starts without those that cannot be listed within this time.
const EVERYTHING_LIMIT: Duration = Duration::from_secs(30);

/// How controllers run.
#[derive(Clone)]
pub struct Config {
    /// What the API serves: preferred versions, one row per resource.
    pub served: Served,
    /// `None`: this process is the only one.
    pub election: Option<ElectionConfig>,
    /// What one call of a plugin may take.
    pub reconcile_budget: Duration,
    /// Where the controllers' queues are counted, each under its plugin's id.
    pub queues: Option<WorkQueueMetrics>,
}

impl Config {
    pub fn new(served: Served) -> Self {
        Self { served, election: None, reconcile_budget: Duration::from_secs(10), queues: None }
    }
}

/// The sink that writes as the account of a plugin, by the plugin's id.
pub type SinkFor = Arc<dyn Fn(&str) -> Arc<dyn ObjectSink> + Send + Sync>;

/// Runs every controller plugin of the host until `stop`; with an election, while this process leads.
pub async fn run(
    config: Config,
    source: Arc<dyn ObjectSource>,
    sinks: SinkFor,
    host: Arc<PluginHost>,
    stop: CancellationToken,
) {
    let Some(election) = config.election.clone() else {
        return lead(&config, &source, &sinks, &host, stop).await;
    };
    let elector = LeaderElector::new(source.clone(), sinks("leader-election"), election);
    elector
        .run(stop, |_, lost| {
            let (config, source, sinks, host) = (config.clone(), source.clone(), sinks.clone(), host.clone());
            async move { lead(&config, &source, &sinks, &host, lost).await }
        })
        .await;
}

async fn lead(
    config: &Config,
    source: &Arc<dyn ObjectSource>,
    sinks: &SinkFor,
    host: &PluginHost,
    stop: CancellationToken,
) {
    let mut declared = Vec::new();
    for plugin in host.plugins_with(interface::CONTROLLER) {
        match watches_of(&plugin).await {
            Ok(watches) => declared.push((plugin, watches)),
            Err(error) => error!(plugin = plugin.id(), %error, "a controller does not start"),
        }
    }
    let stores = Arc::new(Stores::new(source.clone(), indexes_of(&declared), stop.clone()));
    let mut running = JoinSet::new();
    for (plugin, watches) in declared {
        let controller = assemble(config, source, sinks, &stores, plugin, watches);
        running.spawn(start(controller, config.served.clone(), stop.clone()));
    }
    while running.join_next().await.is_some() {}
    // Without any controller there is nothing to lead, but the lease is kept.
    stop.cancelled().await;
}

async fn watches_of(plugin: &Arc<Plugin>) -> Result<Vec<Watch>, gantry_plugin_host::CallError> {
    plugin.run(|plugin, hang| plugin.controller_watches(&CallSpec { hang: Some(hang), ..CallSpec::default() })).await
}

fn watch_gvr(watch: &Watch) -> GroupVersionResource {
    GroupVersionResource::new(&watch.group, &watch.version, &watch.resource)
}

fn is_everything(watch: &Watch) -> bool {
    watch.resource == "*"
}

fn indexes_of(declared: &[(Arc<Plugin>, Vec<Watch>)]) -> HashMap<GroupVersionResource, HashSet<Arc<str>>> {
    let mut indexes = HashMap::<_, HashSet<Arc<str>>>::new();
    for watch in declared.iter().flat_map(|(_, watches)| watches) {
        indexes.entry(watch_gvr(watch)).or_default().extend(watch.indexes.iter().map(|path| path.as_str().into()));
    }
    indexes
}

fn assemble(
    config: &Config,
    source: &Arc<dyn ObjectSource>,
    sinks: &SinkFor,
    stores: &Arc<Stores>,
    plugin: Arc<Plugin>,
    watches: Vec<Watch>,
) -> Arc<Controller> {
    let sink = sinks(plugin.id());
    let named = watches.iter().filter(|watch| !is_everything(watch));
    let reader = ControllerReader {
        source: source.clone(),
        served: config.served.clone(),
        watched: named.map(|watch| stores.follow(&watch_gvr(watch), "")).collect(),
        everything: RwLock::default(),
        runtime: Handle::current(),
    };
    let executor = Executor {
        source: source.clone(),
        events: EventRecorder::new(sink.clone(), plugin.id(), ""),
        sink,
        field_manager: plugin.id().to_owned(),
        stores: stores.clone(),
    };
    let queue = match &config.queues {
        Some(metrics) => WorkQueue::measured(plugin.id(), metrics),
        None => WorkQueue::new(),
    };
    let parts = Parts { plugin, watches, reader: Arc::new(reader), stores: stores.clone(), executor };
    Controller::new(parts, queue, config.reconcile_budget)
}

/// Waits for the caches, then lets the controller work until `stop`.
async fn start(controller: Arc<Controller>, served: Served, stop: CancellationToken) {
    let (sender, events) = mpsc::unbounded_channel();
    let synced = async {
        for store in &controller.reader.watched {
            store.synced().await;
        }
    };
    if stop.run_until_cancelled(synced).await.is_none() {
        return;
    }
    for (index, watch) in controller.watches.iter().enumerate().filter(|(_, watch)| !is_everything(watch)) {
        if let Some(store) = controller.stores.get(&watch_gvr(watch)) {
            store.subscribe(sender.clone(), index);
        }
    }
    if let Some(index) = controller.watches.iter().position(is_everything) {
        let first = follow_everything(&controller, &served, &sender, index);
        if stop.run_until_cancelled(first).await.is_none() {
            return;
        }
        tokio::spawn(stop.clone().run_until_cancelled_owned(follow_more(controller.clone(), served, sender, index)));
    }
    info!(plugin = controller.plugin.id(), "controller started");
    controller.run(events, stop).await;
}

type Events = mpsc::UnboundedSender<(usize, Change)>;

/// Begins to follow what is served and not followed yet; the future waits until their first lists have come.
fn follow_everything(
    controller: &Controller,
    served: &Served,
    sender: &Events,
    index: usize,
) -> impl Future<Output = ()> + use<> {
    let now = served.borrow().clone();
    let mut fresh: Vec<Arc<ResourceStore>> = Vec::new();
    for one in now.iter().filter(|one| is_followed_by_everything(one)) {
        let store = controller.stores.follow(&gvr(one), &one.name.kind);
        let mut everything = controller.reader.everything.write();
        if !everything.iter().any(|known| Arc::ptr_eq(known, &store)) {
            everything.push(store.clone());
            store.subscribe(sender.clone(), index);
            fresh.push(store);
        }
    }
    async move {
        let all = async {
            for store in &fresh {
                store.synced().await;
            }
        };
        if timeout(EVERYTHING_LIMIT, all).await.is_err() {
            warn!("some resources cannot be listed; controllers of everything start without them");
        }
    }
}

async fn follow_more(controller: Arc<Controller>, mut served: Served, sender: Events, index: usize) {
    while served.changed().await.is_ok() {
        follow_everything(&controller, &served, &sender, index).await;
    }
}
