//! Usage of pods and containers, as monitors read it.

use std::{collections::BTreeMap, fmt::Write};

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use gantry_cri::api;
use gantry_meta::time::format_time;
use http::{StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::KubeletState;
use crate::{machine, pod::labels};

/// Usage of one container.
struct Usage {
    namespace: String,
    pod: String,
    uid: String,
    container: String,
    cpu_nanoseconds: u64,
    memory_bytes: u64,
    at: Timestamp,
}

impl Usage {
    /// `None` for containers of others, and those without figures.
    fn read(stats: &api::ContainerStats, node: &str) -> Option<Self> {
        let labels = &stats.attributes.as_ref()?.labels;
        let label = |key: &str| labels.get(key).cloned();
        if labels.get(labels::OWNER).map(String::as_str) != Some(node) {
            return None;
        }
        let (cpu, memory) = (stats.cpu.as_ref()?, stats.memory.as_ref()?);
        Some(Self {
            namespace: label(labels::POD_NAMESPACE)?,
            pod: label(labels::POD_NAME)?,
            uid: label(labels::POD_UID)?,
            container: label(labels::CONTAINER_NAME)?,
            cpu_nanoseconds: cpu.usage_core_nano_seconds.as_ref().map(|v| v.value).unwrap_or_default(),
            memory_bytes: memory.working_set_bytes.as_ref().map(|v| v.value).unwrap_or_default(),
            at: Timestamp::from_nanosecond(cpu.timestamp.into()).unwrap_or_default(),
        })
    }
}

async fn usages(state: &KubeletState) -> Result<Vec<Usage>, Response> {
    let stats = state.node.runtime.list_container_stats().await;
    let stats = stats.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response())?;
    Ok(stats.iter().filter_map(|stats| Usage::read(stats, &state.node.config.name)).collect())
}

/// `/stats/summary`.
pub async fn summary(State(state): State<KubeletState>) -> Response {
    let usages = match usages(&state).await {
        Ok(usages) => usages,
        Err(response) => return response,
    };
    let mut pods: BTreeMap<(String, String, String), Vec<Value>> = BTreeMap::new();
    for usage in &usages {
        let key = (usage.namespace.clone(), usage.pod.clone(), usage.uid.clone());
        let at = format_time(usage.at);
        pods.entry(key).or_default().push(json!({
            "name": usage.container,
            "cpu": {"time": at, "usageCoreNanoSeconds": usage.cpu_nanoseconds},
            "memory": {"time": at, "workingSetBytes": usage.memory_bytes},
        }));
    }
    let pods: Vec<Value> = pods
        .into_iter()
        .map(|((namespace, name, uid), containers)| {
            json!({"podRef": {"name": name, "namespace": namespace, "uid": uid}, "containers": containers})
        })
        .collect();
    let used = state.node.machine.memory_bytes.saturating_sub(machine::available_memory_bytes());
    let node = json!({
        "nodeName": state.node.config.name,
        "memory": {
            "time": format_time(Timestamp::now()), "workingSetBytes": used,
            "availableBytes": machine::available_memory_bytes(),
        },
    });
    let body = json!({"node": node, "pods": pods}).to_string();
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// `/metrics/resource`, in Prometheus' text form.
pub async fn resource_metrics(State(state): State<KubeletState>) -> Response {
    let usages = match usages(&state).await {
        Ok(usages) => usages,
        Err(response) => return response,
    };
    let mut out = String::new();
    let mut family = |name: &str, kind: &str, value: &dyn Fn(&Usage) -> String| {
        let _ = writeln!(out, "# TYPE {name} {kind}");
        for u in &usages {
            let labels = format!("container={:?},namespace={:?},pod={:?}", u.container, u.namespace, u.pod);
            let _ = writeln!(out, "{name}{{{labels}}} {} {}", value(u), u.at.as_millisecond());
        }
    };
    let seconds = |u: &Usage| format!("{}.{:09}", u.cpu_nanoseconds / 1_000_000_000, u.cpu_nanoseconds % 1_000_000_000);
    family("container_cpu_usage_seconds_total", "counter", &seconds);
    family("container_memory_working_set_bytes", "gauge", &|u| u.memory_bytes.to_string());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], out).into_response()
}
