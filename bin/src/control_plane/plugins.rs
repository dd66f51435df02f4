//! Loading the plugins that the control plane runs.

use std::path::Path;

use anyhow::{Context, Result};
use gantry_plugin_host::{Pin, PluginConfig, PluginHost};
use serde_json::{Value, json};

use crate::plugin_folder::{Family, libraries};

/// What first-party plugins are told of this cluster.
pub struct ClusterFacts<'a> {
    pub ca_certificate: &'a str,
    pub cluster_cidr: &'a str,
}

impl ClusterFacts<'_> {
    fn config_of(&self, plugin: &str) -> Value {
        match plugin {
            "root-ca-cert-publisher" => json!({"caCertificate": self.ca_certificate}),
            "node-controller" => json!({"clusterCidr": self.cluster_cidr}),
            _ => json!({}),
        }
    }
}

/// Loads every library of a family and configures its plugins.
///
/// # Errors
/// If a library is refused, or a plugin its configuration: a first-party plugin that does not load is a broken installation.
pub fn load(host: &PluginHost, dir: &Path, family: Family, facts: &ClusterFacts<'_>) -> Result<()> {
    for library in libraries(dir, family)? {
        let module = host.load(&library, &Pin::default()).with_context(|| format!("plugin {}", library.display()))?;
        for plugin in &module.checked().manifest.plugins {
            let config = PluginConfig { config: facts.config_of(&plugin.id), ..Default::default() };
            host.configure(&plugin.id, config).with_context(|| format!("plugin {}", library.display()))?;
        }
    }
    Ok(())
}
