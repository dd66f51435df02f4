//! What users do with pods, and what pods do by themselves: kubectl against containers on two nodes.

mod containers;
mod logs;
mod streams;
mod volumes;

use std::{sync::OnceLock, time::Duration};

use anyhow::Result;
use gantry_tests::{Cluster, Kubectl, Options};

const SOON: Duration = Duration::from_secs(60);
const BUSYBOX: &str = "gantry.local/busybox:1";

/// One cluster for all tests of this file; each works in a namespace of its own.
fn kubectl(namespace: &str) -> Result<Kubectl> {
    static CLUSTER: OnceLock<Kubectl> = OnceLock::new();
    CLUSTER.get_or_init(|| start().expect("the cluster of this file starts")).with_namespace(namespace)
}

fn start() -> Result<Kubectl> {
    let cluster = Cluster::start(Options::nodes(2))?;
    let kubectl = cluster.kubectl();
    gantry_tests::cluster::end_at_exit(cluster);
    Ok(kubectl)
}

/// Pod `name` with one container `main` that runs `script`; `more` are further lines of the container.
fn pod(name: &str, script: &str, more: &str) -> String {
    let more: String = more.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: {name}}}}}\nspec:\n  terminationGracePeriodSeconds: 5\n  \
         containers:\n  - name: main\n    image: {BUSYBOX}\n    command: [sh, -c, {script:?}]\n{more}"
    )
}

/// Ends when told to.
const STAYS: &str = "trap 'exit 0' TERM; sleep 3600 & wait";

/// A pod `p` that does nothing and is Ready.
fn idle_pod(kubectl: &Kubectl) -> Result<()> {
    kubectl.with_input("apply -f -", &pod("p", STAYS, ""))?;
    kubectl.run("wait --for=condition=Ready pod/p --timeout=60s")?;
    Ok(())
}
