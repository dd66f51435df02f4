//! A scheduler plugin that panics, loops or answers nonsense costs the pods it is asked about, and nothing else.

use std::{path::PathBuf, sync::Arc, sync::LazyLock, time::Duration};

use gantry_meta::{GroupVersionResource, Value};
use gantry_plugin_host::{FailurePolicy, PluginConfig, PluginHost};
use gantry_runtime::{ObjectSink, memory_api::MemoryApi};
use gantry_scheduler::{Config, run};
use serde_json::json;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| gantry_testkit::plugin_library("gantry-testdata"));
const PATIENCE: Duration = Duration::from_secs(20);

struct Cluster {
    api: MemoryApi,
    host: Arc<PluginHost>,
    _dir: tempfile::TempDir,
    _stop: DropGuard,
}

fn resource(name: &str) -> GroupVersionResource {
    GroupVersionResource::new("", "v1", name)
}

fn start(failure_policy: FailurePolicy) -> Cluster {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let host = Arc::new(PluginHost::new(dir.path()).expect("a host"));
    host.load(&LIBRARY, &Default::default()).expect("the test library");
    host.configure("test/moody", PluginConfig { failure_policy, ..PluginConfig::default() }).expect("no configuration");
    let (api, stop) = (MemoryApi::default(), CancellationToken::new());
    for name in ["a", "b"] {
        let status = json!({"allocatable": {"cpu": "1", "pods": "10"}});
        api.put(&resource("nodes"), json!({"metadata": {"name": name}, "status": status}));
    }
    let sink: Arc<dyn ObjectSink> = Arc::new(api.clone());
    let config = Config { hook_budget: Duration::from_millis(100), ..Config::default() };
    tokio::spawn(run(config, Arc::new(api.clone()), sink, host.clone(), stop.clone()));
    Cluster { api, host, _dir: dir, _stop: stop.drop_guard() }
}

impl Cluster {
    fn pod(&self, name: &str) {
        let spec = json!({"schedulerName": "default-scheduler", "containers": []});
        self.api.put(&resource("pods"), json!({"metadata": {"namespace": "ns", "name": name}, "spec": spec}));
    }

    async fn text(&self, pod: &str, pointer: &str) -> String {
        let text = |api: &MemoryApi| {
            let pod = api.object(&resource("pods"), "ns", pod)?;
            pod.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        timeout(PATIENCE, self.api.until(|api| text(api).is_some()))
            .await
            .unwrap_or_else(|_| panic!("{pod}: no {pointer}"));
        text(&self.api).expect("just seen")
    }

    async fn placed(&self, pod: &str) -> String {
        self.text(pod, "/spec/nodeName").await
    }

    async fn refused(&self, pod: &str) -> String {
        self.text(pod, "/status/conditions/0/message").await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_is_told_with_the_pod_and_the_next_pod_is_placed() {
    let cluster = start(FailurePolicy::FailClosed);
    cluster.pod("panic");
    let message = cluster.refused("panic").await;
    assert!(message.starts_with("plugin test/moody panicked at"), "{message}");
    cluster.pod("fine");
    cluster.placed("fine").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_that_does_not_return_is_given_up_and_its_pods_stay_pending() {
    let cluster = start(FailurePolicy::FailClosed);
    cluster.pod("fine");
    cluster.placed("fine").await;
    cluster.pod("spin");
    assert_eq!(cluster.refused("spin").await, "a plugin does not return and is quarantined");
    assert_eq!(cluster.host.plugin("test/moody").expect("configured").status().health, "Quarantined");
    cluster.pod("after");
    let message = cluster.refused("after").await;
    assert!(message.starts_with("plugin test/moody is quarantined for another"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_fails_open_is_left_out_when_it_is_quarantined() {
    let cluster = start(FailurePolicy::FailOpen);
    cluster.pod("spin");
    cluster.placed("spin").await;
    cluster.pod("after");
    cluster.placed("after").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_score_out_of_range_is_a_fault_and_not_a_placement() {
    let cluster = start(FailurePolicy::FailClosed);
    cluster.pod("wild");
    assert_eq!(cluster.refused("wild").await, "plugin test/moody returned the score 101, not within 0 to 100");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verdict_counts_per_node_and_pre_bind_writes_with_the_binding() {
    let cluster = start(FailurePolicy::FailClosed);
    cluster.pod("none");
    assert_eq!(cluster.refused("none").await, "0/2 nodes are available: 2 not today.");
    cluster.pod("noted");
    let node = cluster.placed("noted").await;
    let pod = cluster.api.object(&resource("pods"), "ns", "noted").expect("there");
    assert_eq!(pod["metadata"]["annotations"]["test/node"], node);
}
