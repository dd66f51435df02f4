//! The README's tour on two nodes: from `kubectl apply` to containers that answer.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context, Result};
use gantry_tests::{Cluster, Kubectl, Options, until};

const LONG: Duration = Duration::from_secs(90);

fn example() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/guestbook").to_string_lossy().into_owned()
}

/// Runs a program inside a node's network namespace.
fn on_node(node: &str, line: &[&str]) -> Result<String> {
    let output = Command::new("ip").args(["netns", "exec", node]).args(line).output()?;
    anyhow::ensure!(output.status.success(), "{line:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn first_node(kubectl: &Kubectl) -> Result<(String, String)> {
    let node = kubectl.json("get nodes")?["items"][0].clone();
    let addresses = node["status"]["addresses"].as_array().context("no addresses")?;
    let internal = addresses.iter().find(|a| a["type"] == "InternalIP").context("no InternalIP")?;
    Ok((
        node["metadata"]["name"].as_str().unwrap_or_default().into(),
        internal["address"].as_str().unwrap_or_default().into(),
    ))
}

#[test]
fn the_guestbook_runs_and_is_reachable_in_every_way() -> Result<()> {
    Cluster::start(Options::nodes(2))?.explain(tour)
}

fn tour(kubectl: &Kubectl) -> Result<()> {
    kubectl.run(&format!("apply -f {}", example()))?;
    kubectl.run("-n guestbook rollout status deployment/store --timeout=90s")?;
    kubectl.run("-n guestbook rollout status deployment/frontend --timeout=90s")?;

    let pods = kubectl.run("-n guestbook get pods -o wide")?;
    assert_eq!(pods.matches("Running").count(), 3, "{pods}");
    let (node, address) = first_node(kubectl)?;
    let cluster_ip = kubectl.run("-n guestbook get service frontend -o jsonpath={.spec.clusterIP}")?;
    for url in [format!("http://{cluster_ip}/"), format!("http://{address}:30080/")] {
        let page = until(&url, LONG, || on_node(&node, &["timeout", "5", "curl", "-sf", &url]).map(Some))?;
        assert!(page.contains("Welcome to the guestbook") && page.contains("signed by the host"), "{page}");
    }

    kubectl.run("-n guestbook run client --image=gantry.local/busybox:1 --restart=Never -- sleep 3600")?;
    kubectl.run("-n guestbook wait --for=condition=Ready pod/client --timeout=60s")?;
    let by_name =
        "-n guestbook exec client -- timeout 5 wget -q -O - http://frontend.guestbook.svc.cluster.local/hostname";
    let answer = kubectl.run(by_name)?;
    assert!(answer.starts_with("frontend-"), "{answer}");
    assert!(kubectl.run("-n guestbook logs deployment/store -c store")?.contains("web store listens on"));

    let victim = kubectl.run("-n guestbook get pods -l app=frontend -o jsonpath={.items[0].metadata.name}")?;
    kubectl.run(&format!("-n guestbook delete pod {victim} --timeout=60s"))?;
    kubectl.run("-n guestbook rollout status deployment/frontend --timeout=90s")?;
    assert!(!kubectl.run("-n guestbook get pods -o name")?.contains(&victim));

    kubectl.run("-n guestbook scale deployment frontend --replicas=3")?;
    kubectl.run("-n guestbook rollout status deployment/frontend --timeout=90s")?;
    kubectl.run("-n guestbook set env deployment/frontend EXTRA=1")?;
    kubectl.run("-n guestbook rollout status deployment/frontend --timeout=90s")?;
    assert!(kubectl.run("-n guestbook get events")?.contains("Started"));
    let described = kubectl.run("-n guestbook describe pod client")?;
    assert!(described.contains("Pulled") && described.contains("Started"), "{described}");

    // Its sleep ignores SIGTERM: without this the namespace waits for the whole grace period.
    kubectl.run("-n guestbook delete pod client --grace-period=1 --timeout=60s")?;
    kubectl.run("delete namespace guestbook --timeout=90s")?;
    Ok(())
}
