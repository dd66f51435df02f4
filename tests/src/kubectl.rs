//! kubectl as users run it.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::{Machine, until};

#[derive(Clone, Debug)]
pub struct Kubectl {
    kubeconfig: PathBuf,
    /// Empty: what the kubeconfig, the line or the manifest says.
    namespace: String,
    /// The words before `kubectl` that take it to another machine.
    entry: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<std::process::Output> for Output {
    fn from(output: std::process::Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Kubectl {
    pub fn new(kubeconfig: &Path) -> Self {
        Self { kubeconfig: kubeconfig.to_path_buf(), namespace: String::new(), entry: Vec::new() }
    }

    /// The same user on another machine.
    pub fn on(self, machine: &Machine) -> Self {
        Self { entry: machine.entry(), ..self }
    }

    /// The same user in a new namespace, which has its default account: pods are admitted from now on.
    pub fn with_namespace(&self, namespace: &str) -> Result<Self> {
        self.run(&format!("create namespace {namespace}"))?;
        let within = Self { namespace: namespace.into(), ..self.clone() };
        let has_account = |out: &str| out.contains("serviceaccount/default");
        within.until("get serviceaccounts -o name", Duration::from_secs(20), has_account)?;
        Ok(within)
    }

    pub fn command(&self, line: &str) -> Command {
        let mut words = self.entry.iter().map(String::as_str).chain(["kubectl"]);
        let mut command = Command::new(words.next().unwrap_or("kubectl"));
        command.args(words).arg("--kubeconfig").arg(&self.kubeconfig);
        if !self.namespace.is_empty() {
            command.arg("--namespace").arg(&self.namespace);
        }
        command.args(split(line)).stdin(Stdio::null());
        command
    }

    /// Runs a shell script on a terminal of this size, in which `kubectl` is this user in this namespace. Returns what
    /// the terminal showed, with plain line ends.
    pub fn on_terminal(&self, rows: u16, columns: u16, script: &str) -> Result<String> {
        let kubectl = format!("kubectl --kubeconfig '{}' --namespace '{}'", self.kubeconfig.display(), self.namespace);
        let script = format!("stty rows {rows} cols {columns}; kubectl() {{ command {kubectl} \"$@\"; }}; {script}");
        let mut terminal = Command::new("script");
        terminal.args(["--quiet", "--return", "--command", &script, "/dev/null"]).env("SHELL", "/bin/sh");
        terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = terminal.spawn().context("cannot run script(1)")?;
        // script(1) would type an end of input into the terminal, at a time of its own.
        let nobody_types = child.stdin.take();
        let output = child.wait_with_output()?;
        drop(nobody_types);
        let shown = String::from_utf8_lossy(&output.stdout).replace('\r', "");
        anyhow::ensure!(output.status.success(), "{script}: {}: {shown}", output.status);
        Ok(shown)
    }

    /// Runs a command line; quotes group words. Any exit code is an answer.
    pub fn output(&self, line: &str) -> Result<Output> {
        Ok(self.command(line).output().context("cannot run kubectl")?.into())
    }

    /// Runs a command line that must succeed; returns what it printed.
    pub fn run(&self, line: &str) -> Result<String> {
        let output = self.output(line)?;
        if output.code != 0 {
            bail!("kubectl {line}: exit {}: {}{}", output.code, output.stdout, output.stderr);
        }
        Ok(output.stdout)
    }

    /// Runs a command line that must fail; returns what it said on standard error.
    pub fn fails(&self, line: &str) -> Result<String> {
        let output = self.output(line)?;
        if output.code == 0 {
            bail!("kubectl {line} succeeded: {}", output.stdout);
        }
        Ok(output.stderr)
    }

    /// Gives `input` on standard input, for `-f -`, to a command that must succeed.
    pub fn with_input(&self, line: &str, input: &str) -> Result<String> {
        let output = self.output_with_input(line, input)?;
        if output.code != 0 {
            bail!("kubectl {line}: {}", output.stderr);
        }
        Ok(output.stdout)
    }

    /// As [`Self::with_input`]; any exit code is an answer.
    pub fn output_with_input(&self, line: &str, input: &str) -> Result<Output> {
        let mut command = self.command(line);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        child.stdin.take().context("no standard input")?.write_all(input.as_bytes())?;
        Ok(child.wait_with_output()?.into())
    }

    /// Repeats a command until its output satisfies `holds`.
    pub fn until(&self, line: &str, limit: Duration, holds: impl Fn(&str) -> bool) -> Result<String> {
        let mut last = String::new();
        let seen = until(&format!("kubectl {line}"), limit, || {
            last = self.run(line)?;
            Ok(holds(&last).then(|| last.clone()))
        });
        seen.with_context(|| format!("last output: {last}"))
    }

    /// The object as JSON.
    pub fn json(&self, line: &str) -> Result<serde_json::Value> {
        Ok(serde_json::from_str(&self.run(&format!("{line} -o json"))?)?)
    }
}

/// Words of a command line; single or double quotes group.
fn split(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut open) = (Vec::new(), String::new(), None, false);
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '\'' | '"') => (quote, open) = (Some(c), true),
            (None, ' ' | '\n') => {
                if open || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                open = false;
            }
            (_, c) => word.push(c),
        }
    }
    if open || !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn quotes_group_words() {
        assert_eq!(split("get pods -l 'a in (b, c)' --x=\"\""), ["get", "pods", "-l", "a in (b, c)", "--x="]);
        assert_eq!(split("exec p -- sh -c ''"), ["exec", "p", "--", "sh", "-c", ""]);
    }
}
