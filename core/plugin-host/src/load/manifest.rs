//! What a module says it holds.

use gantry_abi as abi;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{refusal::Refusal, schema::Schema};

/// The JSON of section `.gantry.manifest`.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
pub struct Manifest {
    /// Major and minor.
    pub abi: (u64, u64),
    pub plugins: Vec<PluginManifest>,
}

/// One plugin of a module.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginManifest {
    pub id: String,
    pub version: String,
    pub interfaces: Vec<String>,
    #[serde(default)]
    pub columns: Vec<String>,
    pub config_schema: Value,
}

impl PluginManifest {
    pub fn has(&self, interface: &str) -> bool {
        self.interfaces.iter().any(|i| i == interface)
    }
}

const INTERFACES: &[&str] = &[
    abi::SCHED_CYCLE,
    abi::SCHED_ENQUEUE,
    abi::SCHED_FILTER,
    abi::SCHED_SCORE,
    abi::SCHED_BIND,
    abi::SCHED_EVENTS,
    abi::CTL_RECONCILE,
    abi::SVC_TYPE,
];

/// Every column of the node table, with its type (`GANTRY_COL_...`; 0: no column but a wish about the pod).
pub const COLUMNS: &[(&str, u32)] = &[
    ("node.name", abi::COL_SID),
    ("node.unschedulable", abi::COL_I64),
    ("node.labels", abi::COL_LIST_SID),
    ("node.taints", abi::COL_LIST_SID),
    ("node.images", abi::COL_LIST_SID),
    ("node.images.size", abi::COL_LIST_I64),
    ("node.ports", abi::COL_LIST_I64),
    ("allocatable.cpu", abi::COL_I64),
    ("allocatable.memory", abi::COL_I64),
    ("allocatable.ephemeral-storage", abi::COL_I64),
    ("allocatable.pods", abi::COL_I64),
    ("requested.cpu", abi::COL_I64),
    ("requested.memory", abi::COL_I64),
    ("requested.ephemeral-storage", abi::COL_I64),
    ("requested.pods", abi::COL_I64),
    ("nonzero.cpu", abi::COL_I64),
    ("nonzero.memory", abi::COL_I64),
    ("extended.name", abi::COL_LIST_SID),
    ("extended.allocatable", abi::COL_LIST_I64),
    ("extended.requested", abi::COL_LIST_I64),
    ("pod.json", 0),
];

/// Reads and checks a manifest.
///
/// # Errors
/// It is malformed, of another ABI, or asks for what this host does not know.
pub fn parse(bytes: &[u8]) -> Result<Manifest, Refusal> {
    check_abi(bytes)?;
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(|e| Refusal::Manifest(e.to_string()))?;
    if manifest.plugins.is_empty() {
        return Err(Refusal::Manifest("it names no plugin".into()));
    }
    for (i, plugin) in manifest.plugins.iter().enumerate() {
        if manifest.plugins[..i].iter().any(|earlier| earlier.id == plugin.id) {
            return Err(Refusal::Manifest(format!("it names {} twice", plugin.id)));
        }
        check_plugin(plugin)?;
    }
    Ok(manifest)
}

/// First of all: what else stands in a manifest of another ABI cannot be known.
fn check_abi(bytes: &[u8]) -> Result<(), Refusal> {
    #[derive(Deserialize)]
    struct JustAbi {
        abi: (u64, u64),
    }
    let JustAbi { abi: (major, minor) } =
        serde_json::from_slice(bytes).map_err(|e| Refusal::Manifest(e.to_string()))?;
    if major != u64::from(abi::ABI_MAJOR) {
        return Err(Refusal::Abi { found: major, ours: abi::ABI_MAJOR });
    }
    if minor > u64::from(abi::ABI_MINOR) {
        return Err(Refusal::HostTooOld { wanted: minor, ours: abi::ABI_MINOR });
    }
    Ok(())
}

fn check_plugin(plugin: &PluginManifest) -> Result<(), Refusal> {
    if plugin.id.is_empty() || plugin.id.len() > 253 || plugin.version.is_empty() {
        return Err(Refusal::Manifest("a plugin needs an id of at most 253 bytes and a version".into()));
    }
    // Interfaces of third parties are between them and their peers; ours must be ones that we can call.
    if let Some(unknown) =
        plugin.interfaces.iter().find(|i| i.starts_with("gantry.") && !INTERFACES.contains(&i.as_str()))
    {
        return Err(Refusal::Interface(unknown.clone()));
    }
    if let Some(unknown) = plugin.columns.iter().find(|c| !COLUMNS.iter().any(|(name, _)| name == c)) {
        return Err(Refusal::Column(unknown.clone()));
    }
    Schema::new(&plugin.config_schema).map(drop).map_err(Refusal::Schema)
}
