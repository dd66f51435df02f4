//! A node on another machine: it has nothing but a bootstrap token and a way to the API.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use gantry_tests::{Cluster, Machine, Options, cluster::gantry, machine::ip};

const LONG: Duration = Duration::from_secs(90);

/// A machine on the cluster's bridge. Its name begins like those of the cluster's own nodes, so that `gantry down` takes its
/// network away.
struct Neighbour {
    machine: Machine,
    address: Ipv4Addr,
    gateway: Ipv4Addr,
}

impl Neighbour {
    fn beside(node: &str, its_address: Ipv4Addr) -> Result<Self> {
        let prefix = node.strip_suffix("-1").context("the first node")?;
        let [a, b, c, _] = its_address.octets();
        let (address, gateway) = (Ipv4Addr::new(a, b, c, 12), Ipv4Addr::new(a, b, c, 1));
        let machine = Machine::new(&format!("{prefix}-2"))?;
        machine.ip(&format!("link add eth0 type veth peer name n2 netns {prefix}-switch"))?;
        ip(&format!("-n {prefix}-switch link set n2 master br0 up"))?;
        machine.ip("link set eth0 up")?;
        machine.ip(&format!("address add {address}/24 dev eth0"))?;
        machine.ip(&format!("route add default via {gateway}"))?;
        Ok(Self { machine, address, gateway })
    }

    /// `gantry node` on this machine.
    fn node(&self, data_dir: &Path, arguments: &[&str]) -> Result<Daemon> {
        let log = std::fs::File::options().create(true).append(true).open(data_dir.with_extension("log"))?;
        let child = self
            .machine
            .command(gantry()?.get_program())
            .args(["node", "--data-dir"])
            .arg(data_dir)
            .args(["--node-ip", &self.address.to_string()])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Daemon { child, data_dir: data_dir.to_path_buf() })
    }
}

/// Ended, with its containers, when dropped.
struct Daemon {
    child: Child,
    data_dir: PathBuf,
}

impl Daemon {
    fn end(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_none() {
            Command::new("kill").arg(self.child.id().to_string()).status()?;
            self.child.wait()?;
        }
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let ended =
            self.end().and_then(|()| Ok(gantry()?.arg("down").arg("--data-dir").arg(&self.data_dir).output()?));
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.data_dir.with_extension("log"));
            eprintln!("{ended:?}\n{}", log.unwrap_or_default());
        }
    }
}

fn printed(arguments: &[&str], data_dir: &Path) -> Result<String> {
    let output = gantry()?.args(arguments).arg("--data-dir").arg(data_dir).output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[test]
fn a_node_joins_with_a_token_and_keeps_its_place_without_it() -> Result<()> {
    let cluster = Cluster::start(Options::nodes(1))?;
    let kubectl = cluster.kubectl();
    let first = kubectl.json("get nodes")?["items"][0].clone();
    let address = first["status"]["addresses"][0]["address"].as_str().context("an address")?.parse()?;
    let neighbour = Neighbour::beside(first["metadata"]["name"].as_str().context("a name")?, address)?;
    let port = cluster.server().rsplit(':').next().context("a port")?.to_owned();
    let (server, images) = (format!("https://{}:{port}", neighbour.gateway), cluster.data_dir().join("images"));
    let (authority, token) =
        (cluster.data_dir().join("pki/ca.crt"), printed(&["admin", "token", "--node"], &cluster.data_dir())?);
    let folder = tempfile::tempdir()?;
    let data_dir = folder.path().join("node");
    let images = ["--images", images.to_str().context("a path")?];
    let authority = authority.to_str().context("a path")?;
    let join = ["--server", &server, "--certificate-authority", authority, "--token", &token];
    let mut daemon = neighbour.node(&data_dir, &[&join[..], &images[..]].concat())?;

    let node = neighbour.machine.name();
    kubectl.until(&format!("get node {node}"), LONG, |out| out.contains(" Ready "))?;
    let requests = kubectl.run("get csr -o custom-columns=S:.spec.signerName,U:.spec.username --no-headers")?;
    assert!(requests.contains("kube-apiserver-client-kubelet   system:bootstrap:"), "{requests}");
    let placed = format!("--overrides='{{\"spec\":{{\"nodeName\":\"{node}\"}}}}'");
    kubectl.run(&format!("run there --image=gantry.local/busybox:1 --restart=Never {placed} -- sleep 3600"))?;
    kubectl.run("wait --for=condition=Ready pod/there --timeout=60s")?;
    // Through the kubelet API, whose certificate the cluster signed.
    kubectl.until("exec there -- hostname", LONG, |out| out.trim() == "there")?;

    kubectl.run("-n kube-system delete secrets --field-selector type=bootstrap.kubernetes.io/token")?;
    daemon.end()?;
    let _again = neighbour.node(&data_dir, &images)?;
    kubectl.until("exec there -- hostname", LONG, |out| out.trim() == "there")?;
    Ok(())
}

#[test]
fn a_token_that_nobody_made_joins_nothing() -> Result<()> {
    let cluster = Cluster::start(Options::control_plane())?;
    let authority = cluster.data_dir().join("pki/ca.crt");
    let folder = tempfile::tempdir()?;
    let output = gantry()?
        .args(["node", "--server", &cluster.server(), "--token", "abcdef.0123456789abcdef"])
        .args([Path::new("--certificate-authority"), &authority, Path::new("--data-dir"), folder.path()])
        .output()?;
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("the node cannot join") && said.contains("Unauthorized"), "{said}");
    let without = gantry()?.args(["node", "--data-dir"]).arg(folder.path()).output()?;
    assert!(String::from_utf8_lossy(&without.stderr).contains("--bootstrap-kubeconfig"));
    Ok(())
}

#[test]
fn a_token_of_a_service_account_acts_as_it() -> Result<()> {
    let cluster = Cluster::start(Options::control_plane())?;
    let kubeconfig = cluster.data_dir().join("robot.kubeconfig");
    // The namespace's account is made by a controller.
    cluster.kubectl().until("get serviceaccount default -o name", LONG, |_| true)?;
    let text = printed(&["admin", "token", "default", "--output", "kubeconfig"], &cluster.data_dir())?;
    std::fs::write(&kubeconfig, text)?;
    let robot = gantry_tests::Kubectl::new(&kubeconfig);
    assert!(robot.run("auth whoami")?.contains("system:serviceaccount:default:default"));
    assert!(robot.fails("get secrets")?.contains("Forbidden"));
    let short = gantry()?
        .args(["admin", "token", "default", "--expiration-seconds", "5", "--data-dir"])
        .arg(cluster.data_dir())
        .output()?;
    assert!(String::from_utf8_lossy(&short.stderr).contains("10 minutes"), "{short:?}");
    Ok(())
}
