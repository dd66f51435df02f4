//! A node daemon as a child process: started again when it ends by itself, asked to end when we end.

use std::{fs::OpenOptions, path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context, Result};
use gantry_base::Shutdown;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::process::{Child, Command};

const RESTART_AFTER: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_secs(10);

/// How to start one node daemon.
#[derive(Clone, Debug)]
pub struct NodeProcess {
    pub name: String,
    /// Program and arguments, wrapped in whatever enters the node's namespaces.
    pub command: Vec<String>,
    pub log: PathBuf,
}

impl NodeProcess {
    fn spawn(&self) -> Result<Child> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("cannot write {}", self.log.display()))?;
        let (program, arguments) = self.command.split_first().context("a node needs a command")?;
        Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A Ctrl-C at the terminal is ours to pass on, in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start node {}", self.name))
    }

    /// Starts the daemon and keeps it running until shutdown.
    ///
    /// # Errors
    /// If the first start fails.
    pub fn keep_running(self, shutdown: &Shutdown) -> Result<()> {
        let mut child = self.spawn()?;
        let ending = shutdown.clone();
        shutdown.spawn(async move {
            loop {
                tokio::select! {
                    status = child.wait() => tracing::warn!(node = self.name, ?status, "the node daemon ended; it is started again"),
                    () = ending.requested() => return stop(&self.name, &mut child).await,
                }
                tokio::select! {
                    () = tokio::time::sleep(RESTART_AFTER) => {}
                    () = ending.requested() => return,
                }
                match self.spawn() {
                    Ok(started) => child = started,
                    Err(error) => tracing::error!(node = self.name, "{error:#}"),
                }
            }
        });
        Ok(())
    }
}

/// SIGTERM, and SIGKILL to what ignores it. Containers are not children of the daemon and stay.
async fn stop(name: &str, child: &mut Child) {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // It may have ended between the two lines.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        tracing::warn!(node = name, "the node daemon did not end in {GRACE:?}; it is killed");
        let _ = child.kill().await;
    }
}
