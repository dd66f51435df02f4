//! A containerd of our own: the configuration we write, the process, and bringing it back when it dies.
//!
//! Containers belong to their shims, not to containerd: stopping or losing containerd leaves them running. An instance
//! left over from a killed daemon is replaced, so that the process is always our child and its end is seen at once.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use crate::{CriError, RuntimeClient, pause::PAUSE_IMAGE, runtime::connect};

/// How long a start may take before it counts as failed. A containerd with many containers reads them all back first.
const START_DEADLINE: Duration = Duration::from_secs(60);
const READINESS_INTERVAL: Duration = Duration::from_millis(10);
const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// Where a containerd of ours lives and how it is set up. All folders are made when it starts.
#[derive(Clone, Debug)]
pub struct ContainerdConfig {
    /// The executable, a path or a name to look up in PATH.
    pub binary: PathBuf,
    /// Images, snapshots and metadata; kept over reboots.
    pub root: PathBuf,
    /// Sockets and run-time state; must be short (unix socket paths end at 107 bytes).
    pub state: PathBuf,
    pub log_file: PathBuf,
    pub cni_conf_dir: PathBuf,
    pub cni_bin_dir: PathBuf,
    /// cgroups through systemd rather than by the file system.
    pub systemd_cgroup: bool,
}

impl ContainerdConfig {
    /// Everything below one folder, CNI plugins from Debian's place, cgroupfs.
    pub fn below(folder: &Path) -> Self {
        Self {
            binary: "containerd".into(),
            root: folder.join("root"),
            state: folder.join("state"),
            log_file: folder.join("containerd.log"),
            cni_conf_dir: folder.join("cni"),
            cni_bin_dir: "/usr/lib/cni".into(),
            systemd_cgroup: false,
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.state.join("containerd.sock")
    }

    fn config_file(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    fn pid_file(&self) -> PathBuf {
        self.state.join("containerd.pid")
    }

    /// The configuration in containerd's version 2, which 1.6, 1.7 and 2.x all read.
    ///
    /// `restrict_oom_score_adj`: without CAP_SYS_RESOURCE runc dies on a score below our own. Network namespaces lie in
    /// the state folder so that several instances do not meet in /run/netns. The streaming server stays on loopback;
    /// only the kubelet API reaches it.
    pub fn to_toml(&self) -> String {
        let quoted = |path: &Path| toml_string(&path.to_string_lossy());
        format!(
            r#"version = 2
root = {root}
state = {state}
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]

[grpc]
address = {socket}

[plugins."io.containerd.internal.v1.opt"]
path = {opt}

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
stream_server_address = "127.0.0.1"
stream_server_port = "0"
max_concurrent_downloads = 6

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = {cni_bin}
conf_dir = {cni_conf}

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = {systemd}
"#,
            root = quoted(&self.root),
            state = quoted(&self.state),
            socket = quoted(&self.socket()),
            opt = quoted(&self.root.join("opt")),
            cni_bin = quoted(&self.cni_bin_dir),
            cni_conf = quoted(&self.cni_conf_dir),
            systemd = self.systemd_cgroup,
        )
    }

    fn write(&self) -> Result<(), CriError> {
        for folder in [&self.root, &self.state, &self.cni_conf_dir] {
            fs::create_dir_all(folder).map_err(CriError::io(format!("creating {}", folder.display())))?;
        }
        let file = self.config_file();
        fs::write(&file, self.to_toml()).map_err(CriError::io(format!("writing {}", file.display())))
    }
}

fn toml_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A running containerd that is our child.
#[derive(Debug)]
pub struct Containerd {
    config: ContainerdConfig,
    child: Child,
}

impl Containerd {
    /// Starts containerd and returns once CRI answers. Replaces an instance on the same folders that an earlier daemon
    /// left behind. On failure the error ends with the last lines of the log.
    pub async fn start(config: ContainerdConfig) -> Result<Self, CriError> {
        config.write()?;
        end_leftover(&config).await;
        let child = spawn(&config)?;
        let mut containerd = Self { config, child };
        containerd.until_ready().await?;
        Ok(containerd)
    }

    pub fn config(&self) -> &ContainerdConfig {
        &self.config
    }

    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Returns when the process has ended by itself.
    pub async fn ended(&mut self) -> io::Result<std::process::ExitStatus> {
        self.child.wait().await
    }

    /// Starts the process again after it ended; retries with growing pauses until it answers.
    pub async fn revive(&mut self) {
        let mut pause = Duration::from_millis(100);
        loop {
            let attempt = spawn(&self.config).map(|child| self.child = child);
            match attempt {
                Ok(()) => match self.until_ready().await {
                    Ok(()) => return,
                    Err(error) => tracing::warn!(%error, "containerd does not come back yet"),
                },
                Err(error) => tracing::warn!(%error, "containerd cannot be started"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(10));
        }
    }

    /// Ends containerd; containers keep running.
    pub async fn stop(mut self) -> Result<(), CriError> {
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            // It may have ended by itself meanwhile; waiting tells.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        if tokio::time::timeout(STOP_DEADLINE, self.child.wait()).await.is_err() {
            self.child.kill().await.map_err(CriError::io("killing containerd"))?;
        }
        // A file that stays names a process that is none of ours: who reads it looks.
        let _ = fs::remove_file(self.config.pid_file());
        Ok(())
    }

    async fn until_ready(&mut self) -> Result<(), CriError> {
        let client = RuntimeClient::new(connect(&self.config.socket())?);
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().map_err(CriError::io("waiting for containerd"))? {
                return Err(self.failed(&format!("ended at once ({status})")));
            }
            if client.status().await.is_ok_and(|conditions| runtime_is_ready(&conditions)) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(self.failed("does not answer"));
            }
            sleep(READINESS_INTERVAL).await;
        }
    }

    fn failed(&self, what: &str) -> CriError {
        let log = fs::read_to_string(&self.config.log_file).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(5)..].join("\n");
        CriError::Process(format!("containerd {what}; {} ends with:\n{tail}", self.config.log_file.display()))
    }
}

fn runtime_is_ready(conditions: &[crate::api::RuntimeCondition]) -> bool {
    conditions.iter().any(|c| c.r#type == "RuntimeReady" && c.status)
}

fn spawn(config: &ContainerdConfig) -> Result<Child, CriError> {
    let context = |file: &Path| CriError::io(format!("opening {}", file.display()));
    let log = OpenOptions::new().create(true).append(true).open(&config.log_file).map_err(context(&config.log_file))?;
    let errors = log.try_clone().map_err(context(&config.log_file))?;
    let child = Command::new(&config.binary)
        .arg("--config")
        .arg(config.config_file())
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .process_group(0) // Ctrl-C in our terminal is not for containerd.
        .spawn()
        .map_err(CriError::io(format!("starting {}", config.binary.display())))?;
    let pid = child.id().map(|pid| pid.to_string()).unwrap_or_default();
    fs::write(config.pid_file(), pid).map_err(context(&config.pid_file()))?;
    Ok(child)
}

/// The process that the pid file names, if it is still a containerd with this configuration.
fn running(config: &ContainerdConfig) -> Option<Pid> {
    let pid = fs::read_to_string(config.pid_file()).ok()?.trim().parse::<i32>().ok()?;
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let is_ours = String::from_utf8_lossy(&line).contains(&*config.config_file().to_string_lossy());
    is_ours.then(|| Pid::from_raw(pid))
}

/// Waits until a containerd of these folders that runs answers. False: none runs, or it does not answer for a minute.
pub async fn answers(config: &ContainerdConfig, client: &RuntimeClient) -> bool {
    let started = Instant::now();
    while running(config).is_some() && started.elapsed() < START_DEADLINE {
        if client.version().await.is_ok() {
            return true;
        }
        sleep(READINESS_INTERVAL).await;
    }
    false
}

/// Ends the containerd of these folders, whoever started it; returns once it is gone. Containers keep running.
pub async fn end_leftover(config: &ContainerdConfig) {
    let started = Instant::now();
    while let Some(pid) = running(config) {
        let signal = if started.elapsed() < STOP_DEADLINE { Signal::SIGTERM } else { Signal::SIGKILL };
        // It may have ended since; the next look tells.
        let _ = kill(pid, signal);
        sleep(READINESS_INTERVAL).await;
    }
}

/// Kills the shims of a containerd of these folders that is gone: nobody can ask them for anything any more. Their containers
/// are to be ended before. Returns once they are gone.
pub async fn end_shims(config: &ContainerdConfig) {
    loop {
        let shims = shims(&config.socket());
        if shims.is_empty() {
            return;
        }
        for shim in shims {
            // It may have ended since; the next look tells.
            let _ = kill(shim, Signal::SIGKILL);
        }
        sleep(READINESS_INTERVAL).await;
    }
}

/// Shims whose command line names the socket: `containerd-shim-runc-v2 ... -address SOCKET`.
fn shims(socket: &Path) -> Vec<Pid> {
    let wanted = socket.as_os_str().as_bytes();
    let is_ours = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        let program = words.next().unwrap_or_default();
        String::from_utf8_lossy(program).contains("containerd-shim")
            && words.skip_while(|word| *word != b"-address").nth(1) == Some(wanted)
    };
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(is_ours).map(Pid::from_raw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_quotes_stay_one_toml_string() {
        assert_eq!(toml_string(r#"/a "b"\c"#), r#""/a \"b\"\\c""#);
    }

    #[tokio::test]
    async fn a_missing_executable_is_named_in_the_error() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config =
            ContainerdConfig { binary: "/nowhere/containerd".into(), ..ContainerdConfig::below(folder.path()) };
        let error = Containerd::start(config).await.expect_err("cannot start");
        assert!(error.to_string().contains("/nowhere/containerd"), "{error}");
    }
}
