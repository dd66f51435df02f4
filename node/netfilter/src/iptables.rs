//! The driver that speaks to `iptables-restore` and `iptables-save`, IPv4.

use std::process::Stdio;

use async_trait::async_trait;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tracing::{debug, warn};

use crate::chain::{Ownership, Table};
use crate::diff::{Payload, diff};
use crate::driver::{Applied, FirewallDriver, FirewallError, Update};
use crate::shadow::Shadow;

/// Seconds to wait for the lock that iptables-legacy takes.
const LOCK_WAIT_SECONDS: &str = "5";

/// The programs to call. `iptables` on the PATH means whichever kind (legacy, nf_tables) the machine's owner chose, so that
/// we and the CNI plugins write to the same one.
#[derive(Clone, Debug)]
pub struct Programs {
    pub restore: String,
    pub save: String,
    pub list: String,
}

impl Default for Programs {
    fn default() -> Self {
        Self { restore: "iptables-restore".into(), save: "iptables-save".into(), list: "iptables".into() }
    }
}

/// Keeps the shadow; every update is one `iptables-restore --noflush`.
pub struct IptablesDriver {
    programs: Programs,
    ownership: Ownership,
    shadow: Shadow,
    /// The shadow is what the kernel holds. Not so at start and after a failure.
    known: bool,
}

impl IptablesDriver {
    pub fn new(programs: Programs, ownership: Ownership) -> Self {
        Self { programs, ownership, shadow: Shadow::default(), known: false }
    }

    async fn save(&self, table: Table) -> Result<String, FirewallError> {
        let output = run(&self.programs.save, &["-t", table.as_str()], "").await?;
        Ok(output)
    }

    async fn restore(&self, payload: &Payload) -> Result<(), FirewallError> {
        let args = ["--noflush", "--wait", LOCK_WAIT_SECONDS];
        run(&self.programs.restore, &args, &payload.text).await.map(drop)
    }

    async fn hook_stands(&self, table: Table, built_in: &str, rule: &str) -> Result<bool, FirewallError> {
        let args = ["-w", LOCK_WAIT_SECONDS, "-t", table.as_str(), "-S", built_in];
        let listed = run(&self.programs.list, &args, "").await?;
        Ok(listed.lines().any(|line| line.strip_prefix("-A ").and_then(|l| l.strip_prefix(built_in)) == Some(rule)))
    }
}

#[async_trait]
impl FirewallDriver for IptablesDriver {
    async fn apply(&mut self, update: Update<'_>) -> Result<Applied, FirewallError> {
        if !self.known {
            self.adopt().await?;
        }
        let payload = diff(&self.shadow, update);
        let applied = Applied { lines: payload.lines, bytes: payload.text.len() };
        if payload.is_empty() {
            return Ok(applied);
        }
        // Should this future be dropped half-way, the kernel may or may not have taken it.
        self.known = false;
        self.restore(&payload).await?;
        self.shadow.commit(payload);
        self.known = true;
        debug!(lines = applied.lines, bytes = applied.bytes, "packet filter changed");
        Ok(applied)
    }

    async fn stands(&mut self) -> Result<bool, FirewallError> {
        if !self.known {
            return Ok(false);
        }
        for (chain, rule) in &self.shadow.hooks {
            if !self.hook_stands(chain.table, chain.name.as_str(), rule).await? {
                warn!(chain = %chain.name, "a rule of ours is gone from the packet filter");
                self.known = false;
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn adopt(&mut self) -> Result<(), FirewallError> {
        let mut shadow = Shadow::default();
        for table in Table::ALL {
            shadow.read_table(table, &self.save(table).await?, &self.ownership);
        }
        self.shadow = shadow;
        self.known = true;
        Ok(())
    }
}

/// Runs the program with `input`; its output, or what it complained about.
async fn run(program: &str, args: &[&str], input: &str) -> Result<String, FirewallError> {
    let start = |source| FirewallError::Start { program: program.to_owned(), source };
    let pipe = |source| FirewallError::Pipe { program: program.to_owned(), source };
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(start)?;
    let mut stdin = child.stdin.take().expect("stdin is piped two lines above");
    // A program that stops reading says why on stderr: that is worth more than the broken pipe.
    let written = async {
        let written = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        written
    };
    let (written, output) = tokio::join!(written, child.wait_with_output());
    let output = output.map_err(pipe)?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(FirewallError::Refused { program: program.to_owned(), message });
    }
    written.map_err(pipe)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
