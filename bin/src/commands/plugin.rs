//! `gantry plugin`: what would be loaded, and what is.

use std::path::Path;

use anyhow::{Context, Result, bail};
use gantry_base::DataDir;
use gantry_client::{ClientConfig, RestClient};
use gantry_meta::GroupVersionResource;
use gantry_plugin_host::{Pin, check};
use gantry_runtime::{ListOptions, ObjectSource};
use serde_json::Value;

use crate::{cli::PluginCommand, say};

pub fn run(command: &PluginCommand) -> Result<()> {
    match command {
        PluginCommand::Check { file } => check_file(file),
        PluginCommand::List { data_dir } => {
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(list(&DataDir::new(data_dir)?))
        }
    }
}

/// Says what the file holds, or the first reason to refuse it. Nothing of it is run.
fn check_file(file: &Path) -> Result<()> {
    let checked = check(file, &Pin::default()).with_context(|| format!("{} is refused", file.display()))?;
    say::line(format_args!("{}: sha256 {}", file.display(), checked.sha256));
    for plugin in &checked.manifest.plugins {
        say::line(format_args!("  {} {}: {}", plugin.id, plugin.version, plugin.interfaces.join(", ")));
    }
    Ok(())
}

/// The Plugin objects of the cluster that runs from the data folder.
async fn list(dir: &DataDir) -> Result<()> {
    let kubeconfig = dir.kubeconfig();
    if !kubeconfig.is_file() {
        bail!("{} is missing: is a cluster running from this data folder?", kubeconfig.display());
    }
    let client = RestClient::new(ClientConfig::from_kubeconfig(&kubeconfig, None)?)?;
    let plugins = GroupVersionResource::new("plugins.gantry.dev", "v1", "plugins");
    let listed = client.list(&plugins, &ListOptions::default()).await?;
    say::line(format_args!("{:<32} {:<10} {:<8} {:<5} {:<12} FAULTS", "ID", "PHASE", "VERSION", "TIER", "HEALTH"));
    for item in listed.items {
        let plugin: Value = serde_json::from_slice(&item.json)?;
        let text = |member: &str| plugin["status"][member].as_str().unwrap_or("-").to_owned();
        say::line(format_args!(
            "{:<32} {:<10} {:<8} {:<5} {:<12} {}",
            item.name,
            text("phase"),
            text("version"),
            text("tier"),
            text("health"),
            plugin["status"]["faults"].as_i64().unwrap_or(0)
        ));
    }
    Ok(())
}
