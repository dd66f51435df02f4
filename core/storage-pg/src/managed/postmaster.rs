//! The server process: starting, finding, waiting for, stopping it.

use std::{
    fs::{self, OpenOptions},
    path::Path,
    process::Stdio,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{process::Child, time::Instant};

use super::{LOOK_EVERY, Layout, ManagedError, ManagedOptions, account::Account, binaries::Binaries, files, settings};

/// A postmaster that runs on a data folder.
#[derive(Debug)]
pub(super) struct Postmaster {
    pub pid: u32,
    pid_file: std::path::PathBuf,
}

impl Postmaster {
    /// The server that runs on `data` now. A `postmaster.pid` that a crash left behind, whose number may belong to any
    /// process by now, is told from a living one by what that process runs.
    pub fn of(data: &Path) -> Option<Self> {
        let pid_file = data.join("postmaster.pid");
        let text = fs::read_to_string(&pid_file).ok()?;
        let pid = text.lines().next()?.trim().parse().ok()?;
        runs_on(pid, data).then_some(Self { pid, pid_file })
    }

    /// Waits until it takes connections.
    pub async fn ready(&self, deadline: Instant) -> Result<(), ()> {
        while !self.says_ready() {
            if Instant::now() > deadline || !alive(self.pid) {
                return Err(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// The eighth line of `postmaster.pid` is the state; see PostgreSQL's `src/include/utils/pidfile.h`.
    fn says_ready(&self) -> bool {
        let text = fs::read_to_string(&self.pid_file).unwrap_or_default();
        text.lines().nth(7).is_some_and(|state| state.trim() == "ready")
    }

    /// SIGINT is a fast shutdown: sessions end, nothing is lost.
    pub async fn stop(&self, deadline: Instant) -> Result<(), ()> {
        // Gone already is as good as stopped.
        kill(pid_of(self.pid), Signal::SIGINT).ok();
        while alive(self.pid) {
            if Instant::now() > deadline {
                return Err(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}

fn pid_of(pid: u32) -> Pid {
    Pid::from_raw(pid.cast_signed())
}

/// A zombie is not alive: it is ours, and its parent's task reaps it.
fn alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // "PID (NAME) STATE ...", where the name may hold anything.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn runs_on(pid: u32, data: &Path) -> bool {
    let command_line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let data = data.to_string_lossy();
    let mut arguments = command_line.split(|b| *b == 0).map(String::from_utf8_lossy);
    alive(pid) && arguments.next().is_some_and(|p| p.ends_with("postgres")) && arguments.any(|a| a == data)
}

/// Starts the server, again and again while what a killed one left behind still ends (its sessions hold shared memory).
pub(super) async fn start(
    layout: &Layout,
    binaries: &Binaries,
    account: &Account,
    options: &ManagedOptions,
    deadline: Instant,
) -> Result<Postmaster, ManagedError> {
    loop {
        remove_stale(layout)?;
        let mut child = spawn(layout, binaries, account, options)?;
        let pid = child.id().expect("a child that was not waited for has a pid");
        let postmaster = Postmaster { pid, pid_file: layout.data.join("postmaster.pid") };
        tokio::select! {
            ready = postmaster.ready(deadline) => {
                if ready.is_ok() {
                    // Reaped whenever it ends, as long as we live.
                    tokio::spawn(async move { child.wait().await });
                    return Ok(postmaster);
                }
            }
            _ = child.wait() => {}
        }
        if Instant::now() > deadline || !ended_by_remains(layout) {
            return Err(layout.not_ready(options));
        }
        tokio::time::sleep(LOOK_EVERY * 5).await;
    }
}

/// Called only when no server of ours runs: then the file, and the socket's lock, are left from a crash.
fn remove_stale(layout: &Layout) -> Result<(), ManagedError> {
    for stale in [layout.data.join("postmaster.pid"), layout.socket.join(".s.PGSQL.5432.lock")] {
        match fs::remove_file(&stale) {
            Ok(()) => tracing::info!(file = %stale.display(), "removed what a killed PostgreSQL left behind"),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(files("cannot remove", &stale)(error)),
        }
    }
    Ok(())
}

fn spawn(
    layout: &Layout,
    binaries: &Binaries,
    account: &Account,
    options: &ManagedOptions,
) -> Result<Child, ManagedError> {
    let log = OpenOptions::new().create(true).write(true).truncate(true).open(&layout.log);
    let log = log.map_err(files("cannot write", &layout.log))?;
    let errors = log.try_clone().map_err(files("cannot write", &layout.log))?;
    let mut command = account.command(&binaries.postgres(), &layout.data)?;
    command.arg("-D").arg(&layout.data).stdin(Stdio::null()).stdout(log).stderr(errors);
    for setting in settings::settings(options, &layout.socket) {
        command.args(["-c", &setting]);
    }
    command.spawn().map_err(files("cannot run", &binaries.postgres()))
}

/// Whether the log ends with what is said while a killed server's sessions are still about.
fn ended_by_remains(layout: &Layout) -> bool {
    let log = fs::read_to_string(&layout.log).unwrap_or_default();
    log.contains("pre-existing shared memory block") || log.contains("is already in use") || log.contains("lock file")
}
