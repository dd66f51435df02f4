//! What other tools rely on: help, completions, and two instances side by side.

use anyhow::{Result, ensure};
use gantry_tests::{Cluster, Options, cluster::gantry};

fn printed(arguments: &[&str]) -> Result<String> {
    let output = gantry()?.args(arguments).output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn every_level_has_help_and_every_shell_completions() -> Result<()> {
    for (arguments, shown) in [
        (&["--help"][..], "completions"),
        (&["up", "--help"], "--nodes"),
        (&["down", "--help"], "--keep-pods"),
        (&["server", "--help"], "--database-url"),
        (&["node", "--help"], "--bootstrap-kubeconfig"),
        (&["plugin", "--help"], "check"),
        (&["plugin", "list", "--help"], "--data-dir"),
        (&["admin", "--help"], "kubeconfig"),
        (&["admin", "token", "--help"], "--node"),
        (&["up", "--version"], "gantry"),
    ] {
        assert!(printed(arguments)?.contains(shown), "{arguments:?}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&["completions", shell])?;
        assert!(script.contains("database-url") && script.contains("admin"), "{shell}");
    }
    let unknown = gantry()?.arg("frobnicate").output()?;
    assert_eq!(unknown.status.code(), Some(2));
    Ok(())
}

#[test]
fn two_instances_with_nodes_run_side_by_side() -> Result<()> {
    let (one, other) = (Cluster::start(Options::nodes(1))?, Cluster::start(Options::nodes(1))?);
    for cluster in [&one, &other] {
        let kubectl = cluster.kubectl();
        kubectl.run("run web --image=gantry.local/web:1 --port=8080")?;
        kubectl.run("wait --for=condition=Ready pod/web --timeout=60s")?;
    }
    let node = |cluster: &Cluster| cluster.kubectl().run("get nodes -o name");
    assert_ne!(node(&one)?, node(&other)?);
    one.down(&[])?;
    // What is taken away with the one leaves the other's pod alone: its kubelet still reaches it.
    assert!(other.kubectl().run("logs web")?.contains("listens on"));
    Ok(())
}

#[test]
fn the_administrators_file_stays_the_same_and_private_when_the_instance_comes_back() -> Result<()> {
    let cluster = Cluster::start(Options::control_plane())?;
    let first = std::fs::read(cluster.kubeconfig())?;
    cluster.down(&[])?;
    cluster.up()?;
    assert!(first == std::fs::read(cluster.kubeconfig())?, "copies of it would have to be made anew");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(cluster.kubeconfig())?.permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert!(cluster.kubectl().run("get namespaces")?.contains("kube-system"));
    Ok(())
}
