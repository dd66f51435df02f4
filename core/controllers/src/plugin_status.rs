//! `Plugin` objects: what operators see of the plugins of this host.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gantry_meta::{GroupVersionResource, Reason};
use gantry_plugin_host::{FailurePolicy, PluginHost, PluginStatus};
use gantry_runtime::{ObjectSink, Patch, SinkError, WriteTarget};
use hashbrown::HashMap;
use serde_json::{Value, json};
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// A change of health is shown after this time at the latest.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Figures that always change are shown this often.
const FIGURES_EVERY: Duration = Duration::from_secs(60);

struct Shown {
    essence: Value,
    at: Instant,
}

/// Writes one `Plugin` object per configured plugin, until `stop`.
pub async fn report_plugins(host: Arc<PluginHost>, sink: Arc<dyn ObjectSink>, stop: CancellationToken) {
    let report = async {
        let mut shown = HashMap::<String, Shown>::new();
        let mut ticks = interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            for status in host.status() {
                let essence = essence(&status);
                let same =
                    shown.get(&status.id).is_some_and(|s| s.essence == essence && s.at.elapsed() < FIGURES_EVERY);
                if same {
                    continue;
                }
                match show(&*sink, &status).await {
                    Ok(()) => drop(shown.insert(status.id, Shown { essence, at: Instant::now() })),
                    Err(error) => debug!(plugin = status.id, %error, "the status of a plugin was not written"),
                }
            }
        }
    };
    let never: Option<std::convert::Infallible> = stop.run_until_cancelled(report).await;
    debug_assert!(never.is_none(), "the loop ends only by the token");
}

/// What is worth a write at once.
fn essence(status: &PluginStatus) -> Value {
    json!([status.health, status.faults, status.last_fault, status.version, status.sha256])
}

/// Object names are DNS subdomains; ids may hold more.
fn object_name(id: &str) -> String {
    let mut name = String::with_capacity(id.len());
    for c in id.chars() {
        if c.is_ascii_uppercase() && name.ends_with(|c: char| c.is_ascii_lowercase()) {
            name.push('-');
        }
        name.push(if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' });
    }
    name.trim_matches(['-', '.']).to_owned()
}

async fn show(sink: &dyn ObjectSink, status: &PluginStatus) -> Result<(), SinkError> {
    let plugins = GroupVersionResource::new("plugins.gantry.dev", "v1", "plugins");
    let target = WriteTarget::new(&plugins, "", &object_name(&status.id));
    let patch = Bytes::from(json!({"status": status_of(status)}).to_string());
    let of_status = target.clone().subresource("status");
    match sink.patch(&of_status, Patch::Merge(patch.clone())).await {
        Err(SinkError::Refused(refused)) if refused.is(Reason::NotFound) => {
            sink.create(&target, Bytes::from(object(&target.name, status).to_string())).await?;
            sink.patch(&of_status, Patch::Merge(patch)).await.map(drop)
        }
        other => other.map(drop),
    }
}

fn object(name: &str, status: &PluginStatus) -> Value {
    let policy = match status.failure_policy {
        FailurePolicy::FailClosed => "Fail",
        FailurePolicy::FailOpen => "Ignore",
    };
    json!({
        "apiVersion": "plugins.gantry.dev/v1",
        "kind": "Plugin",
        "metadata": {"name": name},
        "spec": {"path": status.path, "digest": format!("sha256:{}", status.sha256), "tier": status.tier, "failurePolicy": policy},
    })
}

fn status_of(status: &PluginStatus) -> Value {
    let phase = if status.health == "Healthy" { "Running" } else { "Quarantined" };
    json!({
        "phase": phase,
        "version": status.version,
        "tier": status.tier,
        "health": status.health,
        "faults": status.faults.min(i32::MAX as u64),
        "latencyMicroseconds": {"p50": status.latency_p50_us, "p99": status.latency_p99_us},
        "interfaces": status.interfaces,
        "digest": format!("sha256:{}", status.sha256),
        "message": status.last_fault.clone().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::object_name;

    #[test]
    fn an_id_becomes_a_name_that_the_api_takes() {
        assert_eq!(object_name("NodeResourcesFit"), "node-resources-fit");
        assert_eq!(object_name("example.com/bin_pack"), "example.com-bin-pack");
        assert_eq!(object_name("deployment-controller"), "deployment-controller");
    }
}
