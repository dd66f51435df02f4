//! The scheduler's parts, put together while this process leads.

use std::{sync::Arc, time::Duration};

use gantry_meta::GroupVersionResource;
use gantry_plugin_host::PluginHost;
use gantry_runtime::{ElectionConfig, EventRecorder, LeaderElector, ListOptions, ObjectSink, ObjectSource, Reflector};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    cluster::Cluster,
    engine::{Engine, NodeFeed, PodFeed},
    metrics::SchedulerMetrics,
    profile::{ProfileConfig, profiles},
    queue::Queue,
    report::{Reporter, pods},
};

/// How the scheduler runs.
#[derive(Clone, Debug)]
pub struct Config {
    pub profiles: Vec<ProfileConfig>,
    /// `None`: this process is the only one.
    pub election: Option<ElectionConfig>,
    /// What one hook may take.
    pub hook_budget: Duration,
    /// Where attempts and waiting pods are counted.
    pub metrics: Option<SchedulerMetrics>,
}

impl Default for Config {
    fn default() -> Self {
        let profiles = vec![ProfileConfig::default()];
        Self { profiles, election: None, hook_budget: Duration::from_secs(1), metrics: None }
    }
}

/// Schedules until `stop`; with an election, while this process leads.
pub async fn run(
    config: Config,
    source: Arc<dyn ObjectSource>,
    sink: Arc<dyn ObjectSink>,
    host: Arc<PluginHost>,
    stop: CancellationToken,
) {
    let Some(election) = config.election.clone() else {
        return lead(&config, source, sink, host, stop).await;
    };
    let elector = LeaderElector::new(source.clone(), sink.clone(), election);
    elector
        .run(stop, |_, lost| {
            let (config, source, sink, host) = (config.clone(), source.clone(), sink.clone(), host.clone());
            async move { lead(&config, source, sink, host, lost).await }
        })
        .await;
}

async fn lead(
    config: &Config,
    source: Arc<dyn ObjectSource>,
    sink: Arc<dyn ObjectSink>,
    host: Arc<PluginHost>,
    stop: CancellationToken,
) {
    let (sender, inputs) = mpsc::unbounded_channel();
    let nodes = GroupVersionResource::new("", "v1", "nodes");
    let node_feed = Reflector::new(source.clone(), nodes, ListOptions::default(), Arc::new(NodeFeed(sender.clone())));
    // Pods that are over concern nobody here; the selector makes them leave as deleted.
    let unfinished =
        ListOptions { field_selector: "status.phase!=Succeeded,status.phase!=Failed".into(), ..ListOptions::default() };
    let pod_feed = Reflector::new(source, pods(), unfinished, Arc::new(PodFeed(sender.clone())));
    let engine = Engine {
        profiles: profiles(&config.profiles, &host, config.hook_budget).await,
        reporter: Reporter { events: EventRecorder::new(sink.clone(), "default-scheduler", ""), sink },
        host,
        budget: config.hook_budget,
        metrics: config.metrics.clone(),
        sender,
        inputs,
        cluster: Cluster::default(),
        queue: Queue::default(),
        seen: (false, false),
    };
    info!("scheduler started");
    tokio::spawn(node_feed.run(stop.clone()));
    tokio::spawn(pod_feed.run(stop.clone()));
    stop.run_until_cancelled(engine.run()).await;
}
