//! `gantry up` as it is without `--nodes`: the machine itself is the node. The machine is one of namespaces, so that this
//! host's network stays as it is.

use std::{path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use gantry_tests::{
    Kubectl, Machine,
    cluster::{bin_dir, gantry},
    until,
};
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(90);
/// TEST-NET-1 (RFC 5737), so that nothing of the host's is met.
const ADDRESS: &str = "192.0.2.1";
const OUTSIDE: &str = "192.0.2.2";

/// A machine with gantry's binary and images, and one on the same network that knows nothing of it.
struct Site {
    machine: Machine,
    outside: Machine,
    folder: TempDir,
}

impl Site {
    fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("gantry-").tempdir()?;
        // PostgreSQL's user has to pass through to its own folder.
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let images = folder.path().join("data/images");
        std::fs::create_dir_all(&images)?;
        let built = bin_dir()?.parent().context("the target folder has no parent")?.join("images");
        for archive in ["busybox.tar", "web.tar"] {
            std::fs::copy(built.join(archive), images.join(archive)).with_context(|| format!("no image {archive}"))?;
        }
        let unique = std::process::id();
        let machine = Machine::new(&format!("gantry-host-{unique}"))?;
        let outside = Machine::new(&format!("gantry-outside-{unique}"))?;
        machine.ip(&format!("link add eth0 type veth peer name eth0 netns {}", outside.name()))?;
        for (machine, address, other) in [(&machine, ADDRESS, OUTSIDE), (&outside, OUTSIDE, ADDRESS)] {
            machine.ip(&format!("address add {address}/24 dev eth0"))?;
            machine.ip("link set eth0 up")?;
            machine.ip(&format!("route add default via {other}"))?;
        }
        Ok(Self { machine, outside, folder })
    }

    fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn gantry(&self, arguments: &[&str]) -> Result<()> {
        let mut command = self.machine.command(gantry()?.get_program());
        let output = command.args(arguments).arg("--data-dir").arg(self.data_dir()).stdin(Stdio::null()).output()?;
        let log = || std::fs::read_to_string(self.data_dir().join("logs/gantry.log")).unwrap_or_default();
        ensure!(output.status.success(), "{arguments:?}: {}{}", String::from_utf8_lossy(&output.stderr), log());
        Ok(())
    }

    fn kubectl(&self) -> Kubectl {
        Kubectl::new(&self.data_dir().join("kubeconfig")).on(&self.machine)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Err(error) = self.gantry(&["down"]) {
            eprintln!("{error:#}");
        }
    }
}

fn page(from: &Machine, url: &str) -> Result<String> {
    until(url, LONG, || from.run(&["timeout", "5", "curl", "-sf", url]).map(Some))
}

#[test]
fn without_nodes_asked_for_the_machine_itself_runs_pods_and_services() -> Result<()> {
    let site = Site::new()?;
    site.gantry(&["up", "--detach"])?;
    let kubectl = site.kubectl();
    let node = kubectl.run("get nodes -o jsonpath={.items[*].metadata.name}")?;
    assert_eq!(node, site.machine.name());

    kubectl.until("get serviceaccounts -o name", LONG, |out| out.contains("serviceaccount/default"))?;
    kubectl.run("run web --image=gantry.local/web:1 --port=8080")?;
    kubectl.run("run client --image=gantry.local/busybox:1 --restart=Never -- sleep 3600")?;
    kubectl.run("expose pod web --type=NodePort --port=80 --target-port=8080")?;
    kubectl.run("wait --for=condition=Ready pod/web pod/client --timeout=60s")?;
    let cluster_ip = kubectl.run("get service web -o jsonpath={.spec.clusterIP}")?;
    let node_port = kubectl.run("get service web -o jsonpath={.spec.ports[0].nodePort}")?;
    assert!(page(&site.machine, &format!("http://{cluster_ip}/hostname"))?.starts_with("web"));
    assert!(page(&site.outside, &format!("http://{ADDRESS}:{node_port}/hostname"))?.starts_with("web"));
    let by_name = "exec client -- timeout 5 wget -q -O - http://web.default.svc.cluster.local/hostname";
    kubectl.until(by_name, LONG, |out| out.starts_with("web"))?;
    // Its own API, by the address that every pod is given.
    let api = "exec client -- sh -c 'echo | timeout 5 nc $KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT >/dev/null && echo reached'";
    kubectl.until(api, LONG, |out| out.trim() == "reached")?;

    site.gantry(&["down", "--keep-pods"])?;
    assert!(page(&site.outside, &format!("http://{ADDRESS}:{node_port}/hostname"))?.starts_with("web"));
    site.gantry(&["up", "--detach"])?;
    let restarts = kubectl.run("get pod web -o jsonpath={.status.containerStatuses[0].restartCount}")?;
    assert_eq!(restarts, "0");
    assert!(kubectl.run("logs web")?.contains("listens on"));
    Ok(())
}
