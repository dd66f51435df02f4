//! What the node says about itself.

use gantry_meta::time::format_time;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{NodeConfig, machine::Machine};

/// What is known of the runtime and the node's network at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Health {
    /// `None`: ready. Else why not.
    pub not_ready: Option<String>,
    pub memory_pressure: bool,
    pub disk_pressure: bool,
    pub runtime_version: String,
    pub ephemeral_bytes: u64,
    pub images: Vec<(Vec<String>, u64)>,
}

/// The labels that every node has.
pub fn labels(config: &NodeConfig) -> Value {
    let arch = gantry_cri::oci_archive::oci_architecture();
    let mut labels = json!({
        "kubernetes.io/hostname": config.name, "kubernetes.io/os": "linux", "kubernetes.io/arch": arch,
        "beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": arch,
    });
    for (name, value) in &config.labels {
        labels[name] = json!(value);
    }
    labels
}

/// The Node object without its status.
pub fn object(config: &NodeConfig) -> Value {
    json!({
        "kind": "Node", "apiVersion": "v1",
        "metadata": {
            "name": config.name, "labels": labels(config),
            "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
        },
    })
}

/// The status, conditions with the transition times of `before` where nothing changed.
pub fn status(config: &NodeConfig, machine: &Machine, health: &Health, before: &Value, now: Timestamp) -> Value {
    let capacity = json!({
        "cpu": machine.cpus.to_string(), "memory": format!("{}Ki", machine.memory_bytes / 1024),
        "ephemeral-storage": format!("{}Ki", health.ephemeral_bytes / 1024), "pods": config.max_pods.to_string(),
        "hugepages-1Gi": "0", "hugepages-2Mi": "0",
    });
    let images: Vec<Value> =
        health.images.iter().map(|(names, bytes)| json!({"names": names, "sizeBytes": bytes})).collect();
    json!({
        "capacity": capacity, "allocatable": capacity, "images": images,
        "addresses": [
            {"type": "InternalIP", "address": config.ip.to_string()}, {"type": "Hostname", "address": config.name},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": config.kubelet_port}},
        "nodeInfo": node_info(machine, health),
        "conditions": conditions(health, before, now),
    })
}

fn node_info(machine: &Machine, health: &Health) -> Value {
    json!({
        "machineID": machine.machine_id, "systemUUID": machine.system_uuid, "bootID": machine.boot_id,
        "kernelVersion": machine.kernel_version, "osImage": machine.os_image, "operatingSystem": "linux",
        "architecture": gantry_cri::oci_archive::oci_architecture(),
        "containerRuntimeVersion": health.runtime_version,
        "kubeletVersion": "v1.36.2", "kubeProxyVersion": "",
    })
}

fn conditions(health: &Health, before: &Value, now: Timestamp) -> Value {
    let ready = match &health.not_ready {
        None => ("Ready", true, "KubeletReady", "the node daemon is posting ready status"),
        Some(why) => ("Ready", false, "KubeletNotReady", why.as_str()),
    };
    let memory = match health.memory_pressure {
        true => ("MemoryPressure", true, "KubeletHasInsufficientMemory", "the node has insufficient memory available"),
        false => ("MemoryPressure", false, "KubeletHasSufficientMemory", "the node has sufficient memory available"),
    };
    let disk = match health.disk_pressure {
        true => ("DiskPressure", true, "KubeletHasDiskPressure", "the node has disk pressure"),
        false => ("DiskPressure", false, "KubeletHasNoDiskPressure", "the node has no disk pressure"),
    };
    let pids = ("PIDPressure", false, "KubeletHasSufficientPID", "the node has sufficient PIDs available");
    [memory, disk, pids, ready]
        .into_iter()
        .map(|(kind, holds, reason, message)| {
            let status = if holds { "True" } else { "False" };
            let known = before.as_array().into_iter().flatten().find(|c| c["type"] == kind && c["status"] == status);
            let since =
                known.and_then(|c| c["lastTransitionTime"].as_str()).map_or_else(|| format_time(now), str::to_owned);
            json!({
                "type": kind, "status": status, "reason": reason, "message": message,
                "lastHeartbeatTime": format_time(now), "lastTransitionTime": since,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_condition_that_stays_keeps_its_transition_time() {
        let config = NodeConfig::new("n", [192, 0, 2, 1].into(), Path::new("/d"), Path::new("/s"));
        let make = |health: &Health, before: &Value, second: i64| {
            let now = Timestamp::from_second(second).expect("in range");
            status(&config, &Machine::default(), health, before, now)["conditions"].clone()
        };
        let first = make(&Health::default(), &Value::Null, 0);
        let later = make(&Health { not_ready: Some("no network".into()), ..Health::default() }, &first, 100);
        let time = |conditions: &Value, kind: &str| {
            let all = conditions.as_array().expect("a list");
            all.iter().find(|c| c["type"] == kind).expect("there")["lastTransitionTime"].as_str().map(str::to_owned)
        };
        assert_eq!(time(&later, "MemoryPressure"), time(&first, "MemoryPressure"));
        assert_ne!(time(&later, "Ready"), time(&first, "Ready"));
    }
}
