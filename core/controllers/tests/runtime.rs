//! A real controller plugin against an API in memory.

use std::{path::PathBuf, sync::Arc, sync::LazyLock, time::Duration};

use gantry_controllers::{Config, report_plugins, run};
use gantry_meta::{GroupVersionResource, Value};
use gantry_plugin_host::PluginHost;
use gantry_runtime::{ObjectSink, memory_api::MemoryApi};
use serde_json::json;
use tokio::{sync::watch, time::timeout};
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

fn start(budget: Duration) -> Cluster {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let host = Arc::new(PluginHost::new(dir.path()).expect("a host"));
    host.load_all(&LIBRARY).expect("the test library");
    let (api, stop) = (MemoryApi::default(), CancellationToken::new());
    let sink: Arc<dyn ObjectSink> = Arc::new(api.clone());
    let config = Config { reconcile_budget: budget, ..Config::new(watch::channel(Arc::from([])).1) };
    let sinks = Arc::new(move |_: &str| sink.clone());
    tokio::spawn(run(config, Arc::new(api.clone()), sinks, host.clone(), stop.clone()));
    Cluster { api, host, _dir: dir, _stop: stop.drop_guard() }
}

impl Cluster {
    fn want(&self, name: &str, pods: usize, mode: &str) {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "ns", "name": name},
            "data": {"pods": pods.to_string(), "mode": mode}});
        self.api.put(&resource("configmaps"), object);
    }

    fn pods_of(&self, owner: &str) -> Vec<Value> {
        let is_owned = |pod: &Value| pod["metadata"]["ownerReferences"][0]["name"] == owner;
        self.api.objects(&resource("pods")).into_iter().filter(is_owned).collect()
    }

    async fn has_pods(&self, owner: &str, count: usize) {
        let wait = self.api.until(|_| self.pods_of(owner).len() == count);
        timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{owner} has {} pods", self.pods_of(owner).len()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_become_what_is_desired_and_follow_changes() {
    let cluster = start(Duration::from_secs(5));
    cluster.want("web", 5, "");
    cluster.has_pods("web", 5).await;
    cluster.want("web", 2, "");
    cluster.has_pods("web", 2).await;
    let victim = cluster.pods_of("web")[0]["metadata"]["name"].as_str().expect("a name").to_owned();
    let target = gantry_runtime::WriteTarget::new(&resource("pods"), "ns", &victim);
    cluster.api.delete(&target, &Default::default()).await.expect("deleted");
    cluster.has_pods("web", 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caches_that_are_behind_do_not_make_duplicates() {
    let cluster = start(Duration::from_secs(5));
    cluster.api.delay_watches(Duration::from_millis(50));
    for i in 0..10 {
        cluster.want(&format!("web-{i}"), 3, "");
    }
    // Changes of the owner make it due again while its pods are not yet seen.
    for i in 0..10 {
        cluster.want(&format!("web-{i}"), 4, "");
    }
    for i in 0..10 {
        cluster.has_pods(&format!("web-{i}"), 4).await;
    }
    let creates = cluster.api.writes().iter().filter(|write| write.starts_with("create pods")).count();
    assert_eq!(creates, 40, "each pod was created once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_name_what_was_made() {
    let cluster = start(Duration::from_secs(5));
    cluster.want("web", 1, "");
    let told = |api: &MemoryApi| api.objects(&resource("events")).first().cloned();
    timeout(PATIENCE, cluster.api.until(|api| told(api).is_some())).await.expect("an event");
    let (event, pod) = (told(&cluster.api).expect("just seen"), cluster.pods_of("web").remove(0));
    assert_eq!(event["message"], format!("made {}", pod["metadata"]["name"].as_str().expect("a name")));
    assert_eq!(
        (&event["involvedObject"]["kind"], &event["source"]["component"]),
        (&json!("ConfigMap"), &json!("test/pods"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_object_that_makes_the_plugin_panic_does_not_stop_the_others() {
    let cluster = start(Duration::from_secs(5));
    cluster.want("poison", 1, "panic");
    for i in 0..5 {
        cluster.want(&format!("web-{i}"), 1, "");
    }
    for i in 0..5 {
        cluster.has_pods(&format!("web-{i}"), 1).await;
    }
    assert!(cluster.host.plugin("test/pods").expect("configured").status().faults >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_hangs_is_quarantined_and_its_object_says_so() {
    let cluster = start(Duration::from_millis(50));
    let (stop, plugins) = (CancellationToken::new(), GroupVersionResource::new("plugins.gantry.dev", "v1", "plugins"));
    tokio::spawn(report_plugins(cluster.host.clone(), Arc::new(cluster.api.clone()), stop.clone()));
    cluster.want("web", 1, "");
    cluster.has_pods("web", 1).await;
    cluster.want("stuck", 1, "spin");
    let health =
        |api: &MemoryApi| api.object(&plugins, "", "test-pods").map(|plugin| plugin["status"]["health"].clone());
    let wait = cluster.api.until(|api| health(api) == Some(json!("Quarantined")));
    timeout(PATIENCE, wait).await.expect("the object tells of the quarantine");
    stop.cancel();
}
