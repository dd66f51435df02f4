//! The default plugins against an API in memory.

use std::{path::PathBuf, sync::Arc, sync::LazyLock, time::Duration};

use gantry_meta::{GroupVersionResource, Value};
use gantry_plugin_host::PluginHost;
use gantry_runtime::{ObjectSink, WriteTarget, memory_api::MemoryApi};
use gantry_scheduler::{Config, ProfileConfig, run};
use serde_json::json;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| gantry_testkit::plugin_library("gantry-scheduler-default"));
const PATIENCE: Duration = Duration::from_secs(20);

struct Cluster {
    api: MemoryApi,
    _dir: tempfile::TempDir,
    _stop: DropGuard,
}

fn resource(name: &str) -> GroupVersionResource {
    GroupVersionResource::new("", "v1", name)
}

/// A scheduler on an empty cluster.
fn start() -> Cluster {
    start_with(Config::default())
}

fn start_with(config: Config) -> Cluster {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let host = Arc::new(PluginHost::new(dir.path()).expect("a host"));
    host.load_all(&LIBRARY).expect("the default plugins");
    let (api, stop) = (MemoryApi::default(), CancellationToken::new());
    let sink: Arc<dyn ObjectSink> = Arc::new(api.clone());
    tokio::spawn(run(config, Arc::new(api.clone()), sink, host, stop.clone()));
    Cluster { api, _dir: dir, _stop: stop.drop_guard() }
}

impl Cluster {
    fn node(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {"name": name}},
            "status": {"allocatable": {"cpu": "1", "memory": "1Gi", "pods": "10", "ephemeral-storage": "1Gi"}},
        });
        change(&mut node);
        self.api.put(&resource("nodes"), node);
    }

    fn pod(&self, name: &str, spec: Value) {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": "ns", "name": name, "generation": 1},
            "spec": {"schedulerName": "default-scheduler", "containers": [{"name": "c", "image": "i"}]},
        });
        for (member, value) in spec.as_object().expect("an object") {
            pod["spec"][member] = value.clone();
        }
        self.api.put(&resource("pods"), pod);
    }

    fn asking(&self, name: &str, requests: Value) {
        self.pod(name, json!({"containers": [{"name": "c", "image": "i", "resources": {"requests": requests}}]}));
    }

    fn text(&self, pod: &str, pointer: &str) -> String {
        let pod = self.api.object(&resource("pods"), "ns", pod).expect("the pod");
        pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    async fn until_text(&self, pod: &str, pointer: &str, holds: impl Fn(&str) -> bool) -> String {
        let wait = self.api.until(|_| holds(&self.text(pod, pointer)));
        timeout(PATIENCE, wait)
            .await
            .unwrap_or_else(|_| panic!("{pod} {pointer}: {:?}", self.api.object(&resource("pods"), "ns", pod)));
        self.text(pod, pointer)
    }

    /// The node that the pod gets.
    async fn placed(&self, pod: &str) -> String {
        self.until_text(pod, "/spec/nodeName", |node| !node.is_empty()).await
    }

    /// Why the pod stays pending, once all nodes were looked at: pods and nodes come by watches of their own.
    async fn refused(&self, pod: &str) -> String {
        let nodes = self.api.objects(&resource("nodes")).len();
        let is_early = |message: &str| match message.strip_prefix("0/") {
            Some(rest) => !rest.starts_with(&format!("{nodes} ")),
            None => message.is_empty() || (nodes > 0 && message == "no nodes available to schedule pods"),
        };
        self.until_text(pod, "/status/conditions/0/message", |message| !is_early(message)).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_is_bound_and_users_are_told() {
    let cluster = start();
    cluster.node("a", |_| {});
    cluster.pod("p", json!({}));
    assert_eq!(cluster.placed("p").await, "a");
    let told = |api: &MemoryApi| api.objects(&resource("events")).first().cloned();
    timeout(PATIENCE, cluster.api.until(|api| told(api).is_some())).await.expect("an event");
    let event = told(&cluster.api).expect("just seen");
    assert_eq!((&event["reason"], &event["message"]), (&json!("Scheduled"), &json!("Successfully assigned ns/p to a")));
    assert_eq!(event["source"]["component"], "default-scheduler");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_nodes_a_pod_waits_for_one() {
    let cluster = start();
    cluster.pod("p", json!({}));
    assert_eq!(cluster.refused("p").await, "no nodes available to schedule pods");
    assert_eq!(cluster.text("p", "/status/conditions/0/reason"), "Unschedulable");
    cluster.node("a", |_| {});
    assert_eq!(cluster.placed("p").await, "a");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_waits_until_it_does() {
    let cluster = start();
    cluster.node("a", |_| {});
    cluster.asking("first", json!({"cpu": "600m", "memory": "600Mi"}));
    cluster.placed("first").await;
    cluster.asking("second", json!({"cpu": "600m", "memory": "600Mi"}));
    let message = cluster.refused("second").await;
    assert_eq!(message, "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory.");
    let first = WriteTarget::new(&resource("pods"), "ns", "first");
    cluster.api.delete(&first, &Default::default()).await.expect("deleted");
    assert_eq!(cluster.placed("second").await, "a");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_grows_or_is_freed_of_a_taint_takes_waiting_pods() {
    let cluster = start();
    cluster.node("a", |node| node["spec"]["taints"] = json!([{"key": "k", "value": "v", "effect": "NoSchedule"}]));
    cluster.asking("p", json!({"example.com/gpu": "1"}));
    assert_eq!(cluster.refused("p").await, "0/1 nodes are available: 1 node(s) had untolerated taint {k: v}.");
    cluster.node("a", |_| {});
    let lacking = |message: &str| message.contains("Insufficient example.com/gpu");
    cluster.until_text("p", "/status/conditions/0/message", lacking).await;
    cluster.node("a", |node| node["status"]["allocatable"]["example.com/gpu"] = "1".into());
    assert_eq!(cluster.placed("p").await, "a");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_reason_is_counted_over_the_nodes() {
    let cluster = start();
    cluster.node("a", |node| node["spec"]["unschedulable"] = true.into());
    cluster.node("b", |node| node["spec"]["taints"] = json!([{"key": "k", "effect": "NoExecute"}]));
    cluster.node("c", |node| node["metadata"]["labels"]["zone"] = "z".into());
    cluster.node("d", |node| node["status"]["allocatable"]["pods"] = "0".into());
    let message = |spec: Value| {
        cluster.pod("p", spec);
        cluster.refused("p")
    };
    assert_eq!(
        message(json!({"nodeSelector": {"name": "d"}})).await,
        "0/4 nodes are available: 1 Too many pods, 1 node(s) didn't match Pod's node affinity/selector, \
         1 node(s) had untolerated taint {k: }, 1 node(s) were unschedulable."
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn affinity_terms_and_operators_choose_nodes() {
    let cluster = start();
    for (name, size) in [("a", "1"), ("b", "5"), ("c", "9")] {
        cluster.node(name, |node| node["metadata"]["labels"]["size"] = size.into());
    }
    let required = |terms: Value| json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}});
    let expression = |operator: &str, values: Value| json!({"key": "size", "operator": operator, "values": values});
    let cases = [
        ("gt", json!([{"matchExpressions": [expression("Gt", json!(["5"]))]}]), "c"),
        ("lt", json!([{"matchExpressions": [expression("Lt", json!(["5"]))]}]), "a"),
        ("in", json!([{"matchExpressions": [expression("In", json!(["5", "7"]))]}]), "b"),
        ("notin", json!([{"matchExpressions": [expression("NotIn", json!(["1", "5"]))]}]), "c"),
        ("field", json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["b"]}]}]), "b"),
        (
            "any",
            json!([{"matchExpressions": [expression("DoesNotExist", json!([]))]}, {"matchExpressions": [expression("In", json!(["9"]))]}]),
            "c",
        ),
    ];
    for (name, terms, node) in cases {
        cluster.pod(name, required(terms));
        assert_eq!(cluster.placed(name).await, node, "{name}");
    }
    cluster.pod("empty", required(json!([{}])));
    assert!(cluster.refused("empty").await.contains("3 node(s) didn't match"), "an empty term matches nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wishes_decide_among_nodes_that_fit() {
    let cluster = start();
    cluster.node("a", |node| node["spec"]["taints"] = json!([{"key": "k", "effect": "PreferNoSchedule"}]));
    cluster.node("b", |_| {});
    cluster.pod("avoids", json!({}));
    assert_eq!(cluster.placed("avoids").await, "b");
    let wish = json!({"weight": 100, "preference": {"matchExpressions": [{"key": "name", "operator": "In", "values": ["a"]}]}});
    let tolerates = json!([{"key": "k", "operator": "Exists"}]);
    let affinity = json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [wish]}});
    cluster.pod("prefers", json!({"affinity": affinity, "tolerations": tolerates}));
    assert_eq!(cluster.placed("prefers").await, "a");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_spread_to_the_emptier_node_and_decisions_count_at_once() {
    let cluster = start();
    cluster.api.delay_watches(Duration::from_millis(30));
    for name in ["a", "b"] {
        cluster.node(name, |_| {});
    }
    for i in 0..10 {
        cluster.asking(&format!("p{i}"), json!({"cpu": "200m", "memory": "200Mi"}));
    }
    let mut on_a = 0;
    for i in 0..10 {
        on_a += usize::from(cluster.placed(&format!("p{i}")).await == "a");
    }
    assert_eq!(on_a, 5, "each node holds exactly five");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_port_is_given_once_per_node() {
    let cluster = start();
    cluster.node("a", |_| {});
    let with_port = |ip: &str| json!({"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80, "hostPort": 80, "hostIP": ip}]}]});
    cluster.pod("one", with_port("127.0.0.1"));
    cluster.placed("one").await;
    cluster.pod("two", with_port("127.0.0.2"));
    cluster.placed("two").await;
    cluster.pod("all", with_port(""));
    let message = cluster.refused("all").await;
    assert_eq!(message, "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_pod_is_bound_twice_even_if_its_status_changes_meanwhile() {
    let cluster = start();
    cluster.api.delay_watches(Duration::from_millis(20));
    cluster.node("a", |node| node["status"]["allocatable"] = json!({"cpu": "100", "memory": "100Gi", "pods": "1000"}));
    for i in 0..50 {
        cluster.pod(&format!("p{i}"), json!({}));
    }
    for i in 0..50 {
        let target = WriteTarget::new(&resource("pods"), "ns", &format!("p{i}")).subresource("status");
        let patch = json!({"status": {"qosClass": "BestEffort"}}).to_string();
        cluster.api.patch(&target, gantry_runtime::Patch::Merge(patch.into())).await.expect("patched");
    }
    for i in 0..50 {
        cluster.placed(&format!("p{i}")).await;
    }
    let mut bound: Vec<String> = cluster.api.writes().into_iter().filter(|write| write.starts_with("bind")).collect();
    bound.sort();
    let tries = bound.len();
    bound.dedup();
    assert_eq!((tries, bound.len()), (50, 50));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gated_and_foreign_pods_are_left_alone() {
    let cluster = start();
    cluster.node("a", |_| {});
    cluster.pod("gated", json!({"schedulingGates": [{"name": "g"}]}));
    cluster.pod("foreign", json!({"schedulerName": "other"}));
    cluster.pod("ours", json!({}));
    cluster.placed("ours").await;
    assert_eq!(
        (cluster.text("gated", "/spec/nodeName"), cluster.text("foreign", "/spec/nodeName")),
        (String::new(), String::new())
    );
    cluster.pod("gated", json!({"schedulingGates": []}));
    assert_eq!(cluster.placed("gated").await, "a");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_supported_is_said_and_not_ignored() {
    let cluster = start();
    cluster.node("a", |_| {});
    cluster.pod("p", json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}));
    let message = cluster.refused("p").await;
    assert_eq!(message, "0/1 nodes are available: persistent volume claims are not supported yet.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_with_a_plugin_that_is_not_loaded_says_so() {
    let profile = ProfileConfig { plugins: Some(vec![("example.com/gone".into(), 1)]), ..ProfileConfig::default() };
    let cluster = start_with(Config { profiles: vec![profile], ..Config::default() });
    cluster.node("a", |_| {});
    cluster.pod("p", json!({}));
    assert_eq!(cluster.refused("p").await, "plugins are not loaded: example.com/gone");
    assert_eq!(cluster.text("p", "/status/conditions/0/reason"), "SchedulerError");
}
