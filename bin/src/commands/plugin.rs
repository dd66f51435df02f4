//! `gantry plugin`: what would be loaded, and what is.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, bail};
use gantry_base::DataDir;
use gantry_plugin_host::{Pin, check};

use crate::cli::PluginCommand;

pub fn run(command: &PluginCommand) -> Result<()> {
    match command {
        PluginCommand::Check { file } => check_file(file),
        PluginCommand::List { data_dir } => list(&DataDir::new(data_dir)?),
    }
}

/// Says what the file holds, or the first reason to refuse it. Nothing of it is run.
fn check_file(file: &Path) -> Result<()> {
    let checked = check(file, &Pin::default()).with_context(|| format!("{} is refused", file.display()))?;
    println!("{}: sha256 {}", file.display(), checked.sha256);
    for plugin in &checked.manifest.plugins {
        println!("  {} {}: {}", plugin.id, plugin.version, plugin.interfaces.join(", "));
    }
    Ok(())
}

/// Shows the Plugin objects as kubectl does.
fn list(dir: &DataDir) -> Result<()> {
    let kubeconfig = dir.kubeconfig();
    if !kubeconfig.is_file() {
        bail!("{} is missing: is a cluster running from this data folder?", kubeconfig.display());
    }
    let status = Command::new("kubectl").arg("--kubeconfig").arg(kubeconfig).args(["get", "plugins"]).status();
    let status = status.context("cannot run kubectl")?;
    if !status.success() {
        bail!("kubectl get plugins ended with {status}");
    }
    Ok(())
}
