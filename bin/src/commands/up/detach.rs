//! `--detach`: a child runs the instance, we show its steps and leave when it is ready.

use std::{
    fs::OpenOptions,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, bail};
use gantry_base::DataDir;

use crate::progress::{Progress, Report};

/// Returns when the child reported that the node is Ready.
///
/// # Errors
/// Names the step that failed and the log file.
pub fn run(dir: &DataDir) -> Result<()> {
    let log = dir.logs().join("gantry.log");
    let mut child = spawn(&log)?;
    let stdout = child.stdout.take().context("the child has no standard output")?;
    let mut progress = Progress::to_user();
    for line in BufReader::new(stdout).lines() {
        let Ok(report) = serde_json::from_str::<Report>(&line?) else { continue };
        progress.relay(&report);
        match report {
            Report::Ready => return Ok(()),
            Report::Failed { step, error } if step.is_empty() => bail!("{error}"),
            Report::Failed { step, error } => bail!("{step}: {error}\nthe log is {}", log.display()),
            Report::Step(_) | Report::Done { .. } => {}
        }
    }
    let status = child.wait()?;
    bail!("{}: ended with {status}\nthe log is {}", progress.current_step(), log.display())
}

fn spawn(log: &std::path::Path) -> Result<Child> {
    let stderr = OpenOptions::new().create(true).append(true).open(log);
    let arguments = std::env::args_os().skip(1).filter(|a| a != "--detach");
    Command::new(std::env::current_exe()?)
        .args(arguments)
        .arg("--report-json")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr.with_context(|| format!("cannot write {}", log.display()))?)
        // Its own group: a Ctrl-C at our terminal is not meant for it.
        .process_group(0)
        .spawn()
        .context("cannot start in the background")
}
