//! Every controller plugin of the host, brought to work while this process leads.

use std::{sync::Arc, time::Duration};

use gantry_meta::GroupVersionResource;
use gantry_plugin_host::{CallError, CallSpec, Plugin, PluginHost, Watch, interface};
use gantry_runtime::{
    ElectionConfig, EventRecorder, LeaderElector, ObjectSink, ObjectSource, WorkQueue, WorkQueueMetrics,
};
use hashbrown::{HashMap, HashSet};
use parking_lot::RwLock;
use tokio::{runtime::Handle, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::{
    controller::{Controller, Parts},
    execute::Executor,
    follow::{follow, is_everything, watch_gvr},
    reader::ControllerReader,
    stores::{Served, Stores},
};

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
        running.spawn(follow(controller, config.served.clone(), stop.clone()));
    }
    while running.join_next().await.is_some() {}
    // Without any controller there is nothing to lead, but the lease is kept.
    stop.cancelled().await;
}

async fn watches_of(plugin: &Arc<Plugin>) -> Result<Vec<Watch>, CallError> {
    plugin.run(|plugin, hang| plugin.controller_watches(&CallSpec { hang: Some(hang), ..CallSpec::default() })).await
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
