//! A cluster of our own for one test: started with `gantry up --detach`, ended with `gantry down`.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::Kubectl;

/// What `up` is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// 0: the control plane alone.
    pub nodes: u8,
    /// Names of archives (without `.tar`) among those `cargo xtask images` builds.
    pub images: Vec<&'static str>,
    /// More flags of `gantry up`.
    pub arguments: Vec<String>,
}

impl Options {
    pub fn control_plane() -> Self {
        Self { nodes: 0, images: Vec::new(), arguments: Vec::new() }
    }

    /// Nodes in namespaces of their own, with the example images.
    pub fn nodes(nodes: u8) -> Self {
        Self { nodes, images: vec!["busybox", "web"], arguments: Vec::new() }
    }
}

/// Ended and removed when dropped.
pub struct Cluster {
    folder: TempDir,
    listen: String,
    options: Options,
}

/// The folder with `gantry`, the plugins, and `../images`.
pub fn bin_dir() -> Result<PathBuf> {
    let dir = std::env::var_os("GANTRY_BIN_DIR")
        .context("run these tests with `cargo xtask test`: it builds what they start")?;
    Ok(PathBuf::from(dir))
}

/// The gantry that was built, ready for arguments.
pub fn gantry() -> Result<Command> {
    Ok(Command::new(bin_dir()?.join("gantry")))
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Cluster {
    /// Starts one and waits until its nodes are Ready.
    pub fn start(options: Options) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("gantry-").tempdir()?;
        // PostgreSQL's user has to pass through to its own folder.
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let images = folder.path().join("data/images");
        std::fs::create_dir_all(&images)?;
        let built = bin_dir()?.parent().context("the target folder has no parent")?.join("images");
        for image in &options.images {
            let archive = format!("{image}.tar");
            std::fs::copy(built.join(&archive), images.join(&archive))
                .with_context(|| format!("no image {archive}"))?;
        }
        let cluster = Self { listen: format!("127.0.0.1:{}", free_port()?), folder, options };
        cluster.up()?;
        Ok(cluster)
    }

    /// The administrator's kubeconfig of a control plane that all tests of this process share. It ends with the process.
    ///
    /// # Errors
    /// It did not start; every test that asks is told why.
    pub fn shared_control_plane() -> Result<PathBuf> {
        static KUBECONFIG: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        let start = || {
            let cluster = Self::start(Options::control_plane()).map_err(|error| format!("{error:#}"))?;
            let kubeconfig = cluster.kubeconfig();
            end_at_exit(cluster);
            Ok(kubeconfig)
        };
        KUBECONFIG.get_or_init(start).clone().map_err(anyhow::Error::msg)
    }

    /// `gantry up --detach` on this cluster's folder: also how a test resumes one that it ended.
    pub fn up(&self) -> Result<()> {
        let output = self.up_output()?;
        if !output.status.success() {
            bail!("gantry up: {}\n{}", String::from_utf8_lossy(&output.stderr), self.log_tail());
        }
        Ok(())
    }

    pub fn up_output(&self) -> Result<Output> {
        let mut up = gantry()?;
        up.args(["up", "--detach", "--listen", &self.listen, "--data-dir"]).arg(self.data_dir());
        up.args(&self.options.arguments);
        match self.options.nodes {
            0 => up.arg("--no-node"),
            n => up.args(["--nodes", &n.to_string()]),
        };
        Ok(up.output()?)
    }

    pub fn down(&self, arguments: &[&str]) -> Result<()> {
        let output = gantry()?.args(["down", "--data-dir"]).arg(self.data_dir()).args(arguments).output()?;
        if !output.status.success() {
            bail!("gantry down: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn server(&self) -> String {
        format!("https://{}", self.listen)
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.data_dir().join("kubeconfig")
    }

    /// kubectl as the administrator.
    pub fn kubectl(&self) -> Kubectl {
        Kubectl::new(&self.kubeconfig())
    }

    /// The process that `up` left, for tests that kill it.
    pub fn server_pid(&self) -> Result<i32> {
        let text = std::fs::read_to_string(self.data_dir().join("run/up.lock"))?;
        text.trim().parse().context("up.lock names no pid")
    }

    /// Runs a test's steps; when they fail, prints what an operator would look at first.
    pub fn explain(&self, steps: impl FnOnce(&Kubectl) -> Result<()>) -> Result<()> {
        let kubectl = self.kubectl();
        let outcome = steps(&kubectl);
        if outcome.is_err() {
            for line in ["get pods -A -o wide", "describe nodes", "get events -A", "describe pods -A"] {
                eprintln!("$ kubectl {line}\n{}", kubectl.run(line).unwrap_or_else(|error| format!("{error:#}")));
            }
            eprintln!("{}", self.log_tail());
        }
        outcome
    }

    fn log_tail(&self) -> String {
        let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
        let log = read(&self.data_dir().join("logs/gantry.log"));
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.down(&[]) {
            eprintln!("{error:#}");
        }
        if std::thread::panicking() {
            eprintln!("{}", self.log_tail());
        }
    }
}

/// Ends a cluster that several tests of one process share when the process exits, however it exits normally: a watcher
/// process waits on a pipe that only we hold.
pub fn end_at_exit(cluster: Cluster) {
    let data_dir = cluster.data_dir();
    let folder = cluster.folder.path().to_path_buf();
    let script = "read -r _; \"$0\" down --data-dir \"$1\" >/dev/null 2>&1; rm -rf \"$2\"";
    let watcher = bin_dir().and_then(|dir| {
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(dir.join("gantry")).arg(data_dir).arg(folder);
        Ok(command.stdin(std::process::Stdio::piped()).spawn()?)
    });
    match watcher {
        // Both stay for the rest of the process: its end closes the pipe.
        Ok(child) => {
            std::mem::forget(child);
            std::mem::forget(cluster);
        }
        Err(error) => eprintln!("the cluster ends now, it cannot be watched over: {error:#}"),
    }
}
