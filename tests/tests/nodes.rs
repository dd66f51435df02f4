//! Nodes that are emptied, and daemons, runtimes and instances that die and return under running pods.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};
use gantry_tests::{Cluster, Kubectl, Options, until};

const SOON: Duration = Duration::from_secs(60);

/// Pids of processes whose command line has both words.
fn pids(program: &str, word: &str) -> Vec<u32> {
    let has = |pid: &u32| {
        fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| {
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            line.contains(program) && line.contains(word)
        })
    };
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(has).collect()
}

fn kill(pid: u32) -> Result<()> {
    let killed = Command::new("kill").args(["-9", &pid.to_string()]).status()?;
    anyhow::ensure!(killed.success(), "cannot kill {pid}");
    until(&format!("the end of {pid}"), SOON, || {
        Ok((!Path::new(&format!("/proc/{pid}/cmdline")).exists()).then_some(()))
    })
}

fn names(kubectl: &Kubectl) -> Result<Vec<String>> {
    Ok(kubectl.run("get nodes -o jsonpath={.items[*].metadata.name}")?.split_whitespace().map(str::to_owned).collect())
}

/// The roots of these nodes' cgroups, in whatever hierarchy.
fn cgroups(nodes: &[String]) -> Vec<PathBuf> {
    let base = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(base).into_iter().flatten().flatten().map(|entry| entry.path());
    let all = hierarchies.chain([base.to_owned()]);
    let roots = all.flat_map(|hierarchy| nodes.iter().map(move |node| hierarchy.join(format!("gantry-{node}"))));
    roots.filter(|root| root.exists()).collect()
}

fn assert_nothing_is_left(folder: &str, nodes: &[String]) {
    let left = pids("", folder);
    assert!(left.is_empty(), "processes are left: {left:?}");
    assert_eq!(cgroups(nodes), Vec::<PathBuf>::new(), "cgroups are left");
    let networks = nodes.iter().filter(|node| Path::new("/run/netns").join(node).exists()).collect::<Vec<_>>();
    assert!(networks.is_empty(), "network namespaces are left: {networks:?}");
}

/// What must not change: containers, restarts, readiness, addresses.
fn state(kubectl: &Kubectl) -> Result<String> {
    let paths = "{range .items[*]}{.metadata.name} {.status.podIP} {.status.containerStatuses[0].containerID} \
        {.status.containerStatuses[0].restartCount} {.status.conditions[?(@.type=='Ready')]}{'\\n'}{end}";
    kubectl.run(&format!("get pods -l app=stays -o \"jsonpath={paths}\""))
}

fn start_pods(kubectl: &Kubectl) -> Result<()> {
    kubectl.run("create deployment stays --image=gantry.local/web:1 --replicas=4")?;
    kubectl.run("rollout status deployment/stays --timeout=60s")?;
    Ok(())
}

/// The instance serves, and its nodes start pods and end them.
fn works(kubectl: &Kubectl, name: &str) -> Result<()> {
    let run = format!("run {name} --image=gantry.local/busybox:1 --restart=Never -- echo it works");
    until(&run, SOON, || kubectl.run(&run).map(Some))?;
    kubectl.run(&format!("wait --for=jsonpath={{.status.phase}}=Succeeded pod/{name} --timeout=60s"))?;
    anyhow::ensure!(kubectl.run(&format!("logs {name}"))? == "it works\n");
    kubectl.run(&format!("delete pod {name} --timeout=60s")).map(drop)
}

#[test]
fn running_pods_are_left_alone_by_the_end_and_return_of_everything_around_them() -> Result<()> {
    let cluster = Cluster::start(Options::nodes(2))?;
    let kubectl = cluster.kubectl();
    let folder = cluster.data_dir().to_string_lossy().into_owned();
    start_pods(&kubectl)?;
    let before = state(&kubectl)?;

    let containerds = pids("containerd --config", &folder);
    assert_eq!(containerds.len(), 2, "{containerds:?}");
    containerds.iter().try_for_each(|pid| kill(*pid))?;
    works(&kubectl, "after-containerd")?;
    assert_eq!(before, state(&kubectl)?, "after the end of containerd");

    let daemons = pids("gantry node", &folder);
    assert_eq!(daemons.len(), 2, "{daemons:?}");
    daemons.iter().try_for_each(|pid| kill(*pid))?;
    works(&kubectl, "after-daemon")?;
    assert_eq!(before, state(&kubectl)?, "after the end of the node daemons");

    kill(u32::try_from(cluster.server_pid()?).context("a pid")?)?;
    cluster.up()?;
    works(&kubectl, "after-instance")?;
    assert_eq!(before, state(&kubectl)?, "after the end of the instance");
    let daemons = pids("gantry node", &folder);
    assert_eq!(daemons.len(), 2, "daemons of the instance before live on: {daemons:?}");

    cluster.down(&["--keep-pods"])?;
    assert_eq!(pids("gantry node", &folder), Vec::<u32>::new());
    cluster.up()?;
    works(&kubectl, "after-down")?;
    assert_eq!(before, state(&kubectl)?, "after down --keep-pods");

    let nodes = names(&kubectl)?;
    cluster.down(&[])?;
    assert_nothing_is_left(&folder, &nodes);
    Ok(())
}

#[test]
fn down_also_ends_pods_whose_daemon_and_containerd_are_dead() -> Result<()> {
    let cluster = Cluster::start(Options::nodes(1))?;
    let kubectl = cluster.kubectl();
    let folder = cluster.data_dir().to_string_lossy().into_owned();
    start_pods(&kubectl)?;
    let nodes = names(&kubectl)?;

    // In this order: each would start the next one again.
    kill(u32::try_from(cluster.server_pid()?).context("a pid")?)?;
    for program in ["gantry node", "containerd --config"] {
        pids(program, &folder).into_iter().try_for_each(kill)?;
    }
    assert!(!pids("containerd-shim", &folder).is_empty(), "pods outlive all three");
    assert!(!cgroups(&nodes).is_empty());
    cluster.down(&[])?;
    assert_nothing_is_left(&folder, &nodes);
    Ok(())
}

#[test]
fn nodes_are_cordoned_drained_and_tainted() -> Result<()> {
    let cluster = Cluster::start(Options::nodes(2))?;
    let kubectl = cluster.kubectl();
    start_pods(&kubectl)?;
    let node = kubectl.run("get nodes -o jsonpath={.items[0].metadata.name}")?;
    let elsewhere = |out: &str| !out.contains(&node);
    kubectl.run(&format!("drain {node} --ignore-daemonsets --timeout=60s"))?;
    let nodes_of = "get pods -l app=stays --field-selector status.phase=Running -o jsonpath={.items[*].spec.nodeName}";
    kubectl.until(nodes_of, SOON, elsewhere)?;
    assert!(kubectl.run(&format!("get node {node}"))?.contains("Ready,SchedulingDisabled"));
    kubectl.run("rollout status deployment/stays --timeout=60s")?;
    kubectl.run(&format!("uncordon {node}"))?;

    kubectl.run(&format!("taint node {node} for=others:NoSchedule"))?;
    kubectl.run("scale deployment stays --replicas=8")?;
    kubectl.run("rollout status deployment/stays --timeout=60s")?;
    kubectl.until(nodes_of, SOON, elsewhere)?;
    kubectl.run(&format!("taint node {node} for=others:NoExecute for:NoSchedule-"))?;
    kubectl.run(&format!("taint node {node} for:NoExecute-"))?;
    assert!(kubectl.run(&format!("describe node {node}"))?.contains("Taints:             <none>"));

    let shown = kubectl.run("get nodes,pods,services,endpointslices -o wide")?;
    for part in ["containerd://", "172.", "NOMINATED NODE", "CLUSTER-IP", "ADDRESSTYPE"] {
        assert!(shown.contains(part), "{part} is missing in:\n{shown}");
    }
    assert!(kubectl.fails("top nodes")?.contains("Metrics API not available"));
    Ok(())
}
