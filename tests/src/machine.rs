//! Another machine, as far as a network, mounts and a host name make one.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, ensure};

/// Namespaces that a process keeps which does nothing. They end when dropped.
pub struct Machine {
    name: String,
    keeper: Child,
}

/// `ip` with these arguments, which must succeed.
pub fn ip(line: &str) -> Result<()> {
    let output = Command::new("ip").args(line.split(' ')).output()?;
    ensure!(output.status.success(), "ip {line}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

impl Machine {
    /// With a loopback and no other link; `name` is its host name and that of its network namespace.
    pub fn new(name: &str) -> Result<Self> {
        ip(&format!("netns add {name}"))?;
        ip(&format!("-n {name} link set lo up"))?;
        let mut keeper = Command::new("nsenter")
            .arg(format!("--net=/run/netns/{name}"))
            .args(["unshare", "--mount", "--uts", "--propagation", "private", "sh", "-c"])
            .args(["mount --make-rshared / && hostname \"$0\" && echo ready && exec sleep infinity", name])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut said = String::new();
        BufReader::new(keeper.stdout.take().context("no output")?).read_line(&mut said)?;
        ensure!(said == "ready\n", "the machine's namespaces cannot be made: {said}");
        Ok(Self { name: name.into(), keeper })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// `ip` on this machine.
    pub fn ip(&self, line: &str) -> Result<()> {
        ip(&format!("-n {} {line}", self.name))
    }

    /// The words before a command line that make it run here.
    pub fn entry(&self) -> Vec<String> {
        let keeper = self.keeper.id().to_string();
        ["nsenter", "--target", &keeper, "--mount", "--uts", "--net", "--"].map(str::to_owned).into()
    }

    /// A program on this machine.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let entry = self.entry();
        let mut command = Command::new(&entry[0]);
        command.args(&entry[1..]).arg(program);
        command
    }

    /// What a command printed, which must succeed.
    pub fn run(&self, line: &[&str]) -> Result<String> {
        let output = self.command(line[0]).args(&line[1..]).output()?;
        ensure!(output.status.success(), "{line:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Both may have ended by themselves: `gantry down` takes the networks of a cluster's nodes away.
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).stderr(Stdio::null()).status();
    }
}
