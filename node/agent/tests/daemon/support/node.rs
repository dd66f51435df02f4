//! A node daemon with its own containerd, in private network, mount and process namespaces.

use std::{
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use async_trait::async_trait;
use gantry_agent::{KubeletServing, NodeConfig, NodeParts, PodNetwork, cgroups::Cgroups, run};
use gantry_base::Shutdown;
use gantry_cri::{
    Containerd, ContainerdConfig, RuntimeClient,
    oci_archive::{ImageBuilder, Layer},
    runtime::connect,
};

use super::api::FakeApi;

pub const IMAGE: &str = "test.local/busybox:1";
const INSIDE: &str = "GANTRY_TEST_INSIDE_NAMESPACES";

/// Runs the named test again in private namespaces; returns true inside of them. Outside, panics if the inner run fails.
pub fn in_private_namespaces(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let me = std::env::current_exe().expect("a test has an executable");
    let script = "mount --make-rslave / && ip link set lo up && exec \"$@\"";
    let mut unshare = Command::new("unshare");
    unshare.args([
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "--",
        "sh",
        "-c",
        script,
        "sh",
    ]);
    // What is mounted inside keeps its folders from being removed there; out here nothing is mounted any more.
    let folder = tempfile::tempdir().expect("a temporary folder");
    unshare.arg(me).args(["--exact", test, "--nocapture"]).env(INSIDE, "1").env("TMPDIR", folder.path());
    let status = unshare.process_group(0).status().expect("unshare is part of util-linux");
    assert!(status.success(), "{test} failed inside of its namespaces: {status}");
    false
}

struct BridgeNetwork {
    cni_conf_dir: PathBuf,
    state: PathBuf,
}

#[async_trait]
impl PodNetwork for BridgeNetwork {
    async fn prepare(&self, pod_cidrs: &[String]) -> Result<(), String> {
        let conf = format!(
            r#"{{"cniVersion":"0.4.0","name":"test","plugins":[{{"type":"bridge","bridge":"cni0","isGateway":true,
            "ipam":{{"type":"host-local","dataDir":"{}","ranges":[[{{"subnet":"{}"}}]]}}}}]}}"#,
            self.state.display(),
            pod_cidrs[0],
        );
        std::fs::write(self.cni_conf_dir.join("10-test.conflist"), conf).map_err(|e| e.to_string())
    }
}

/// A running daemon.
pub struct TestNode {
    pub api: FakeApi,
    pub runtime: RuntimeClient,
    pub containerd: Containerd,
    pub folder: tempfile::TempDir,
    kubelet: Option<KubeletServing>,
    daemon: Option<(Shutdown, tokio::task::JoinHandle<()>)>,
}

fn write_busybox_image(path: &Path) {
    let mut layer = Layer::new();
    let busybox = std::fs::read("/bin/busybox").expect("busybox-static is installed");
    layer.file("bin/busybox", 0o755, &busybox).expect("added");
    for name in ["sh", "sleep", "cat", "echo", "nc", "httpd", "id", "true", "false", "touch", "ls"] {
        layer.symlink(&format!("bin/{name}"), "busybox").expect("added");
    }
    layer.directory("tmp", 0o1777).expect("added");
    ImageBuilder::new(IMAGE).layer(layer).env("PATH", "/bin").cmd(["sh"]).write_to(path).expect("written");
}

impl TestNode {
    /// Starts containerd and the daemon; returns when the node is Ready.
    pub async fn start() -> Self {
        Self::start_serving(None).await
    }

    /// As [`Self::start`], with the kubelet API.
    pub async fn start_serving(kubelet: Option<KubeletServing>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let containerd =
            Containerd::start(ContainerdConfig::below(&folder.path().join("c"))).await.expect("containerd starts");
        std::fs::create_dir_all(folder.path().join("images")).expect("made");
        write_busybox_image(&folder.path().join("images/busybox.tar"));
        let runtime = RuntimeClient::new(connect(&containerd.config().socket()).expect("a path"));
        let mut node = Self { api: FakeApi::new(), runtime, containerd, folder, kubelet, daemon: None };
        node.start_daemon();
        node.until_ready().await;
        node
    }

    pub fn start_daemon(&mut self) {
        let (state, cgroup_root) = (self.folder.path(), self.cgroup_root());
        let socket = self.containerd.config().socket();
        let mut config = NodeConfig::new("n1", [127, 0, 0, 1].into(), &state.join("d"), &socket);
        config.image_folder = Some(state.join("images"));
        config.cgroup_root = cgroup_root;
        let cni_conf_dir = self.containerd.config().cni_conf_dir.clone();
        let parts = NodeParts {
            source: Arc::new(self.api.clone()),
            sink: Arc::new(self.api.clone()),
            network: Arc::new(BridgeNetwork { cni_conf_dir, state: state.join("ipam") }),
            kubelet: self.kubelet.clone(),
        };
        let shutdown = Shutdown::new();
        let running = shutdown.clone();
        let task = tokio::spawn(async move { run(config, parts, running).await.expect("the daemon runs") });
        self.daemon = Some((shutdown, task));
    }

    fn cgroup_root(&self) -> String {
        format!("/gantry-test-{}", self.folder.path().file_name().expect("a name").to_string_lossy())
    }

    /// Ends the daemon, not its containers.
    pub async fn stop_daemon(&mut self) {
        let (shutdown, task) = self.daemon.take().expect("it runs");
        shutdown.request();
        task.await.expect("it ends");
        shutdown.finished().await;
    }

    async fn until_ready(&self) {
        self.api
            .until("nodes", "n1", "Ready", |node| {
                let conditions = node?["status"]["conditions"].as_array()?;
                conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True").then_some(())
            })
            .await;
    }

    pub fn volume_folder(&self, uid: &str) -> PathBuf {
        self.folder.path().join("d/pods").join(uid).join("volumes")
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        if let Err(error) = Cgroups::new(&self.cgroup_root()).destroy() {
            eprintln!("the pods' cgroups stay: {error}");
        }
    }
}
