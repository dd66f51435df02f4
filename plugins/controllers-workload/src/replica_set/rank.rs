//! Which pods a ReplicaSet gives up first. Source: API reference, "ReplicaSet", scaling down.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::{POD_DELETION_COST, Pod};

/// Orders pods so that those to delete come first.
pub fn victims_first(pods: &mut [&Pod]) {
    let mut on_node: BTreeMap<String, i64> = BTreeMap::new();
    for pod in pods.iter() {
        *on_node.entry(pod.spec.node_name.clone()).or_default() += 1;
    }
    pods.sort_by_cached_key(|pod| worth(pod, &on_node));
}

type Worth = (bool, u8, bool, i64, i64, i64, i64, i64);

/// Smaller goes first: without a node, not yet running, not ready, cheap, crowded, ready for a short time, often restarted,
/// young.
fn worth(pod: &Pod, on_node: &BTreeMap<String, i64>) -> Worth {
    let phase = match pod.status.phase.as_str() {
        "Pending" => 0,
        "Running" => 2,
        _ => 1,
    };
    let cost = pod.metadata.annotations.get(POD_DELETION_COST).and_then(|c| c.parse().ok()).unwrap_or(0);
    let crowd = on_node.get(&pod.spec.node_name).copied().unwrap_or(0);
    (
        !pod.spec.node_name.is_empty(),
        phase,
        pod.ready_since().is_some(),
        cost,
        -crowd,
        -seconds(pod.ready_since()),
        -pod.restarts(),
        -seconds(pod.metadata.creation_timestamp),
    )
}

fn seconds(at: Option<Timestamp>) -> i64 {
    at.map_or(0, Timestamp::as_second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(name: &str, node: &str, phase: &str, ready: bool, cost: &str) -> Pod {
        let conditions = if ready { json!([{"type": "Ready", "status": "True"}]) } else { json!([]) };
        serde_json::from_value(json!({
            "metadata": {"name": name, "annotations": {POD_DELETION_COST: cost}},
            "spec": {"nodeName": node},
            "status": {"phase": phase, "conditions": conditions}
        }))
        .unwrap()
    }

    #[test]
    fn the_least_useful_pod_goes_first() {
        let pods = [
            pod("dear", "a", "Running", true, "10"),
            pod("ready", "a", "Running", true, "0"),
            pod("cheap", "a", "Running", true, "-5"),
            pod("unready", "a", "Running", false, "0"),
            pod("pending", "a", "Pending", false, "0"),
            pod("homeless", "", "Pending", false, "0"),
        ];
        let mut order: Vec<&Pod> = pods.iter().collect();
        victims_first(&mut order);
        let names: Vec<&str> = order.iter().map(|p| p.metadata.name.as_str()).collect();
        assert_eq!(names, ["homeless", "pending", "unready", "cheap", "ready", "dear"]);
    }
}
