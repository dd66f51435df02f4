//! What a pod may take of its node, and for how long.

use std::path::{Path, PathBuf};

use crate::support::node::{IMAGE, TestNode, in_private_namespaces};
use serde_json::{Value, json};

fn sleeper(resources: &Value) -> Value {
    json!({"spec": {"nodeName": "n1", "terminationGracePeriodSeconds": 0, "containers": [{"name": "main",
        "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["sleep", "1000"], "resources": resources}]}})
}

fn amounts(cpu: &str) -> Value {
    json!({"requests": {"cpu": cpu, "memory": "32Mi"}, "limits": {"cpu": cpu, "memory": "32Mi"}})
}

fn shown_cpu(pod: Option<&Value>) -> Option<String> {
    pod?["status"]["containerStatuses"][0]["resources"]["limits"]["cpu"].as_str().map(str::to_owned)
}

fn condition(pod: Option<&Value>, kind: &str) -> Option<String> {
    let conditions = pod?["status"]["conditions"].as_array()?;
    conditions.iter().find(|c| c["type"] == kind)?["reason"].as_str().map(str::to_owned)
}

/// The first file of this name below a folder whose path contains `part`.
fn find(folder: &Path, part: &str, name: &str) -> Option<PathBuf> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).ok()?.filter_map(|e| Some(e.ok()?.path())).collect();
    entries.sort();
    let here = |path: &PathBuf| path.ends_with(name) && path.to_string_lossy().contains(part);
    entries.iter().find(|path| here(path)).cloned().or_else(|| {
        let folders = entries.iter().filter(|path| path.is_dir() && !path.is_symlink());
        folders.filter_map(|folder| find(folder, part, name)).next()
    })
}

/// The cpu quota per 100 ms of a container, in microseconds, as the kernel has it.
fn quota_us(container_id: &str) -> i64 {
    let root = Path::new("/sys/fs/cgroup");
    let file =
        find(&root.join("cpu"), container_id, "cpu.cfs_quota_us").or_else(|| find(root, container_id, "cpu.max"));
    let text = std::fs::read_to_string(file.expect("the container has a cgroup")).expect("it can be read");
    text.split_whitespace().next().and_then(|quota| quota.parse().ok()).expect("a number of microseconds")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resize_reaches_the_container_and_one_that_cannot_be_is_said_to_be_so() {
    if !in_private_namespaces("limits::a_resize_reaches_the_container_and_one_that_cannot_be_is_said_to_be_so") {
        return;
    }
    let node = TestNode::start().await;
    let api = &node.api;
    api.set("pods", "default", "p", sleeper(&amounts("100m")));
    api.until("pods", "p", "its resources", |pod| shown_cpu(pod).filter(|cpu| cpu == "100m")).await;
    let before = api.get("pods", "default", "p").expect("it exists")["status"]["containerStatuses"][0].clone();
    let id = before["containerID"].as_str().and_then(|id| id.strip_prefix("containerd://")).expect("an id");
    assert_eq!(quota_us(id), 10_000);

    let resize = |cpu: &str| {
        let mut pod = api.get("pods", "default", "p").expect("it exists");
        pod["spec"]["containers"][0]["resources"] = amounts(cpu);
        api.set("pods", "default", "p", pod);
    };
    resize("200m");
    api.until("pods", "p", "the new resources", |pod| shown_cpu(pod).filter(|cpu| cpu == "200m")).await;
    let after = api.get("pods", "default", "p").expect("it exists")["status"]["containerStatuses"][0].clone();
    assert_eq!((quota_us(id), &after["containerID"]), (20_000, &before["containerID"]));

    resize("100000");
    let reason = api.until("pods", "p", "a verdict", |pod| condition(pod, "PodResizePending")).await;
    assert_eq!(reason, "Infeasible");
    assert_eq!(shown_cpu(api.get("pods", "default", "p").as_ref()).as_deref(), Some("200m"), "what it has is shown");
    assert_eq!(quota_us(id), 20_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_that_ask_for_too_much_or_run_for_too_long_fail() {
    if !in_private_namespaces("limits::pods_that_ask_for_too_much_or_run_for_too_long_fail") {
        return;
    }
    let node = TestNode::start().await;
    let api = &node.api;
    api.set("pods", "default", "greedy", sleeper(&json!({"requests": {"cpu": "100000"}})));
    let mut unsafe_one = sleeper(&json!({}));
    unsafe_one["spec"]["securityContext"] = json!({"sysctls": [{"name": "kernel.msgmax", "value": "1000"}]});
    api.set("pods", "default", "unsafe", unsafe_one);
    let mut long = sleeper(&json!({}));
    long["spec"]["activeDeadlineSeconds"] = json!(1);
    api.set("pods", "default", "long", long);
    for (name, reason) in [("greedy", "OutOfcpu"), ("unsafe", "SysctlForbidden"), ("long", "DeadlineExceeded")] {
        let failed = |pod: Option<&Value>| {
            let status = &pod?["status"];
            (status["phase"] == "Failed").then(|| status["reason"].clone())
        };
        assert_eq!(api.until("pods", name, "Failed", failed).await, reason);
    }
}
