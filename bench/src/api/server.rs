//! The servers that requests go to: a `gantry up --no-node` of our own, and a peer that somebody else runs.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use gantry_client::{ClientConfig, RawRequest, RestClient};
use nix::{sys::signal, unistd::Pid};
use tempfile::TempDir;

use crate::cpu;

const START_PATIENCE: Duration = Duration::from_secs(60);

/// Who is asked, and whose processor time counts.
#[derive(Clone)]
pub struct Target {
    pub name: &'static str,
    config: ClientConfig,
    pids: Vec<u32>,
}

impl Target {
    /// A server by its kubeconfig. `pids`: its processes and its store's.
    pub fn peer(name: &'static str, kubeconfig: &Path, pids: Vec<u32>) -> anyhow::Result<Self> {
        let config = ClientConfig::from_kubeconfig(kubeconfig, None).context("the kubeconfig cannot be used")?;
        Ok(Self { name, config: config.user_agent("gantry-bench/1"), pids })
    }

    /// A client with a connection of its own.
    pub fn client(&self) -> anyhow::Result<RestClient> {
        Ok(RestClient::new(self.config.clone())?)
    }

    /// Clients with a connection each, made and warm.
    pub async fn clients(&self, count: usize) -> anyhow::Result<Vec<RestClient>> {
        let clients: Vec<RestClient> = (0..count).map(|_| self.client()).collect::<Result<_, _>>()?;
        for client in &clients {
            client.call(RawRequest::get("/version")).await?;
        }
        Ok(clients)
    }

    /// Returns once its processes have been at rest for longer than PostgreSQL pauses between two looks at its tables
    /// (`autovacuum_naptime`), or are not within minutes: it cleans up behind many writes, which is none of what the next requests
    /// cost.
    pub async fn rest(&self) {
        const LOOKS: usize = 300;
        const QUIET_LOOKS: usize = 23;
        const AT_REST: Duration = Duration::from_millis(30);
        let mut quiet = 0;
        for _ in 0..LOOKS {
            let before = self.cpu();
            tokio::time::sleep(Duration::from_secs(1)).await;
            quiet = if self.cpu() - before <= AT_REST { quiet + 1 } else { 0 };
            if quiet == QUIET_LOOKS {
                return;
            }
        }
        println!("  {} does not come to rest", self.name);
    }

    /// Bytes resident of the server itself, without its store; not a number where its process is not known.
    pub fn resident(&self) -> f64 {
        let Some(pid) = self.pids.first() else { return f64::NAN };
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        kib.and_then(|kib| kib.trim().parse::<f64>().ok()).unwrap_or(f64::NAN) * 1024.0
    }

    /// Whether its processes are known, and so its processor time.
    pub fn has_cpu(&self) -> bool {
        !self.pids.is_empty()
    }

    /// Processor time of all its processes so far; zero where none is known.
    pub fn cpu(&self) -> Duration {
        self.pids.iter().map(|pid| cpu::of_tree(*pid)).sum()
    }
}

/// A control plane with a PostgreSQL of its own, in a folder that goes with it.
pub struct Gantry {
    child: Child,
    pub target: Target,
    _folder: TempDir,
}

impl Gantry {
    /// Starts and waits until the API is ready.
    pub async fn start() -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new(binary()?);
        command.arg("up").arg("--data-dir").arg(folder.path()).args(["--listen", &address.to_string(), "--no-node"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("gantry cannot be run")?;
        let kubeconfig = folder.path().join("kubeconfig");
        let until = Instant::now() + START_PATIENCE;
        let mut starting = Starting(Some(child));
        loop {
            let child = starting.0.as_mut().expect("taken only on return");
            if let Ok(target) = Target::peer("gantry", &kubeconfig, vec![child.id()])
                && target.client()?.call(RawRequest::get("/readyz")).await.is_ok()
            {
                let child = starting.0.take().expect("taken only here");
                return Ok(Self { child, target, _folder: folder });
            }
            if Instant::now() > until || child.try_wait()?.is_some() {
                bail!("gantry up did not become ready; see its log in {}", folder.keep().display());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Gantry {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A child that ends with its start, should that fail.
struct Starting(Option<Child>);

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            end(child);
        }
    }
}

/// As a user's Ctrl-C: its PostgreSQL ends with it.
fn end(child: &mut Child) {
    // A process that has ended already is what was wanted.
    signal::kill(Pid::from_raw(child.id().cast_signed()), signal::Signal::SIGTERM).ok();
    child.wait().ok();
}

/// `gantry` in the folder that `cargo xtask bench` names, or beside this program.
fn binary() -> anyhow::Result<PathBuf> {
    let folder = match std::env::var_os("GANTRY_BIN_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => std::env::current_exe()?.parent().context("this program is in no folder")?.to_owned(),
    };
    let binary = folder.join("gantry");
    if !binary.exists() {
        bail!("{} is not there: run this by `cargo xtask bench`", binary.display());
    }
    Ok(binary)
}
