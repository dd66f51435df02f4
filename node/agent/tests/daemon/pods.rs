//! The daemon from the API's objects to real containers and back.

use crate::support::node::{IMAGE, TestNode, in_private_namespaces};
use serde_json::{Value, json};
use tonic_health::ServingStatus;

fn pod(script: &str) -> Value {
    json!({"spec": {"nodeName": "n1", "terminationGracePeriodSeconds": 5, "containers": [main(script)]}})
}

fn main(script: &str) -> Value {
    json!({"name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script]})
}

fn phase(pod: Option<&Value>) -> Option<String> {
    pod?["status"]["phase"].as_str().map(str::to_owned)
}

fn is_ready(pod: Option<&Value>) -> Option<()> {
    let conditions = pod?["status"]["conditions"].as_array()?;
    conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True").then_some(())
}

fn log_of(node: &TestNode, pod: &Value, container: &str, attempt: u32) -> String {
    let meta = &pod["metadata"];
    let folder =
        format!("default_{}_{}", meta["name"].as_str().unwrap_or_default(), meta["uid"].as_str().unwrap_or_default());
    let path = node.folder.path().join("d/log").join(folder).join(container).join(format!("{attempt}.log"));
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Looks until something is there.
async fn eventually<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let started = std::time::Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed().as_secs() < 30, "{what} did not come");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_runs_with_environment_and_volumes_that_follow_their_sources_and_is_deleted() {
    if !in_private_namespaces("pods::a_pod_runs_with_environment_and_volumes_that_follow_their_sources_and_is_deleted")
    {
        return;
    }
    let node = TestNode::start().await;
    let api = &node.api;
    api.set("configmaps", "default", "settings", json!({"data": {"color": "blue"}}));
    let mut pod = pod(
        "echo color=$COLOR ip=$IP; cat /config/color /token/token; echo; echo bye > /dev/termination-log; trap 'exit 0' TERM; while :; do sleep 0.1; done",
    );
    let main = &mut pod["spec"]["containers"][0];
    main["env"] = json!([
        {"name": "COLOR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "color"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    ]);
    main["volumeMounts"] =
        json!([{"name": "config", "mountPath": "/config"}, {"name": "token", "mountPath": "/token"}]);
    pod["spec"]["volumes"] = json!([
        {"name": "config", "configMap": {"name": "settings"}},
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
    ]);
    api.set("pods", "default", "p", pod);
    api.until("pods", "p", "Ready", is_ready).await;
    let running = api.get("pods", "default", "p").expect("it exists");
    let ip = running["status"]["podIP"].as_str().expect("an address").to_owned();
    assert!(ip.starts_with("10.252.7."), "{ip}");
    let complete = || Some(log_of(&node, &running, "main", 0)).filter(|log| log.contains("the-token"));
    let log = eventually("the log", complete).await;
    assert!(log.contains(&format!("color=blue ip={ip}")) && log.contains("F blue"), "{log}");

    api.set("configmaps", "default", "settings", json!({"data": {"color": "green"}}));
    let uid = running["metadata"]["uid"].as_str().expect("a uid").to_owned();
    let file = node.volume_folder(&uid).join("kubernetes.io~configmap/config/color");
    let is_green = || (std::fs::read_to_string(&file).expect("the file is always there") == "green").then_some(());
    eventually("the change of the ConfigMap in the volume", is_green).await;
    api.delete_pod("p", 5);
    api.until("pods", "p", "gone", |pod| pod.is_none().then_some(())).await;
    eventually("the removal of the pod's folder", || (!node.volume_folder(&uid).exists()).then_some(())).await;
    assert!(node.runtime.list_pod_sandbox(None).await.expect("listed").is_empty());
    let reasons: Vec<String> = api.reasons().into_iter().map(|(reason, _)| reason).collect();
    for expected in ["Pulled", "Created", "Started", "Killing"] {
        assert!(reasons.iter().any(|r| r == expected), "{expected} in {reasons:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_of_containers_lead_to_restarts_back_off_and_final_phases() {
    if !in_private_namespaces("pods::ends_of_containers_lead_to_restarts_back_off_and_final_phases") {
        return;
    }
    let node = TestNode::start().await;
    let api = &node.api;
    let mut job = pod("echo working; echo done > /dev/termination-log");
    job["spec"]["restartPolicy"] = json!("Never");
    api.set("pods", "default", "job", job);
    api.set("pods", "default", "crash", pod("exit 3"));
    let mut missing = pod("true");
    missing["spec"]["containers"][0]["image"] = json!("test.local/none:1");
    missing["spec"]["containers"][0]["imagePullPolicy"] = json!("Never");
    api.set("pods", "default", "missing", missing);
    let mut init = pod("sleep 1000");
    init["spec"]["initContainers"] = json!([
        {"name": "first", "image": IMAGE, "command": ["true"]},
        {"name": "side", "image": IMAGE, "restartPolicy": "Always", "command": ["sleep", "1000"]},
    ]);
    api.set("pods", "default", "init", init);

    let finished = |pod: Option<&Value>| phase(pod).filter(|p| p == "Succeeded");
    api.until("pods", "job", "Succeeded", finished).await;
    let job = api.get("pods", "default", "job").expect("it exists");
    let ended = &job["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!((ended["reason"].as_str(), ended["message"].as_str()), (Some("Completed"), Some("done\n")), "{ended}");

    let waiting = |reason: &'static str| {
        move |pod: Option<&Value>| {
            let status = &pod?["status"]["containerStatuses"][0];
            (status["state"]["waiting"]["reason"] == reason).then(|| status.clone())
        }
    };
    let crash = api.until("pods", "crash", "CrashLoopBackOff", waiting("CrashLoopBackOff")).await;
    assert_eq!(
        (crash["restartCount"].as_i64(), crash["lastState"]["terminated"]["exitCode"].as_i64()),
        (Some(1), Some(3))
    );
    api.until("pods", "missing", "ErrImageNeverPull", waiting("ErrImageNeverPull")).await;
    api.until("pods", "init", "Ready", is_ready).await;
    let init = api.get("pods", "default", "init").expect("it exists");
    assert_eq!(init["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"], 0);
    assert!(init["status"]["initContainerStatuses"][1]["state"]["running"].is_object());
    api.until_event("BackOff").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_decide_over_readiness_and_life() {
    if !in_private_namespaces("pods::probes_decide_over_readiness_and_life") {
        return;
    }
    let node = TestNode::start().await;
    let api = &node.api;
    let mut web = pod("echo ok > /tmp/index.html; exec httpd -f -p 8080 -h /tmp");
    let probe = |handler: Value| {
        let mut probe = json!({"periodSeconds": 1, "failureThreshold": 1});
        probe.as_object_mut().expect("an object").extend(handler.as_object().expect("an object").clone());
        probe
    };
    web["spec"]["containers"][0]["readinessProbe"] = probe(json!({"httpGet": {"path": "/index.html", "port": 8080}}));
    web["spec"]["containers"][0]["startupProbe"] =
        json!({"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 30});
    api.set("pods", "default", "web", web);
    let mut dying = pod("sleep 1000");
    dying["spec"]["terminationGracePeriodSeconds"] = json!(0);
    dying["spec"]["containers"][0]["livenessProbe"] = probe(json!({"exec": {"command": ["false"]}}));
    api.set("pods", "default", "dying", dying);
    api.until("pods", "web", "Ready", is_ready).await;
    api.until("pods", "dying", "a restart", |pod| {
        (pod?["status"]["containerStatuses"][0]["restartCount"].as_i64()? > 0).then_some(())
    })
    .await;
    api.until_event("Unhealthy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grpc_probe_asks_the_service_it_names() {
    if !in_private_namespaces("pods::a_grpc_probe_asks_the_service_it_names") {
        return;
    }
    let node = TestNode::start().await;
    let api = &node.api;
    let (reporter, health) = tonic_health::server::health_reporter();
    // The namespace is ours alone, its ports too.
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 5001));
    tokio::spawn(tonic::transport::Server::builder().add_service(health).serve(address));
    reporter.set_service_status("db", ServingStatus::NotServing).await;
    let mut pod = pod("sleep 1000");
    pod["spec"]["hostNetwork"] = json!(true);
    pod["spec"]["containers"][0]["readinessProbe"] =
        json!({"grpc": {"port": 5001, "service": "db"}, "periodSeconds": 1, "failureThreshold": 1});
    api.set("pods", "default", "rpc", pod);
    api.until_event("Unhealthy").await;
    assert!(is_ready(api.get("pods", "default", "rpc").as_ref()).is_none());
    reporter.set_service_status("db", ServingStatus::Serving).await;
    api.until("pods", "rpc", "Ready", is_ready).await;
    reporter.set_service_status("db", ServingStatus::NotServing).await;
    api.until("pods", "rpc", "not Ready", |pod| is_ready(pod).is_none().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_starts_again_leaves_containers_and_readiness_alone() {
    if !in_private_namespaces("pods::a_daemon_that_starts_again_leaves_containers_and_readiness_alone") {
        return;
    }
    let mut node = TestNode::start().await;
    let mut stays = pod("sleep 1000");
    stays["spec"]["containers"][0]["readinessProbe"] = json!({"exec": {"command": ["true"]}, "periodSeconds": 1});
    node.api.set("pods", "default", "stays", stays);
    node.api.set("pods", "default", "goes", pod("sleep 1000"));
    node.api.until("pods", "stays", "Ready", is_ready).await;
    node.api.until("pods", "goes", "Ready", is_ready).await;
    let before = node.api.get("pods", "default", "stays").expect("it exists")["status"].clone();
    node.stop_daemon().await;
    node.api.delete_pod("goes", 0);
    node.start_daemon();
    node.api.until("pods", "goes", "gone", |pod| pod.is_none().then_some(())).await;
    let after = node.api.get("pods", "default", "stays").expect("it exists")["status"].clone();
    assert_eq!(before["containerStatuses"], after["containerStatuses"]);
    assert_eq!(before["conditions"], after["conditions"]);
}
