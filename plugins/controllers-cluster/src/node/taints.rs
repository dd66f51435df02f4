//! Taints that follow a node's conditions: NoSchedule for each, NoExecute for those that cannot run pods at all.

use gantry_plugin::{Ops, resource::NODES};
use jiff::Timestamp;
use serde_json::json;

use super::{Node, Taint};

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
const PRESSURES: [(&str, &str); 4] = [
    ("MemoryPressure", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "node.kubernetes.io/pid-pressure"),
    ("NetworkUnavailable", "node.kubernetes.io/network-unavailable"),
];

/// Brings the taints that are ours in line with the conditions; others stay.
pub fn follow_conditions(node: &Node, lost: bool, nodes: &[Node], now: Timestamp, ops: &mut Ops) {
    let wanted = wanted(node, lost, nodes);
    let is_ours = |t: &Taint| ours(&t.key, &t.effect);
    let is_wanted = |t: &Taint| wanted.contains(&(t.key.as_str(), t.effect.as_str()));
    let mut taints: Vec<Taint> = node.spec.taints.iter().filter(|t| !is_ours(t) || is_wanted(t)).cloned().collect();
    for (key, effect) in &wanted {
        if !taints.iter().any(|t| t.key == *key && t.effect == *effect) {
            let (key, effect) = ((*key).to_owned(), (*effect).to_owned());
            taints.push(Taint { key, value: String::new(), effect, time_added: Some(now) });
        }
    }
    if taints != node.spec.taints {
        let patch =
            json!({"metadata": {"resourceVersion": node.metadata.resource_version}, "spec": {"taints": taints}});
        ops.patch_merge(&NODES, "", &node.metadata.name, &patch).expect_uid(&node.metadata.uid).done();
    }
}

fn ours(key: &str, effect: &str) -> bool {
    match effect {
        "NoSchedule" => {
            [NOT_READY, UNREACHABLE, UNSCHEDULABLE].contains(&key) || PRESSURES.iter().any(|(_, k)| *k == key)
        }
        "NoExecute" => [NOT_READY, UNREACHABLE].contains(&key),
        _ => false,
    }
}

fn wanted(node: &Node, lost: bool, nodes: &[Node]) -> Vec<(&'static str, &'static str)> {
    let mut wanted = Vec::new();
    let ready = if lost { "Unknown" } else { node.condition_status("Ready") };
    let down = match ready {
        "True" => None,
        "False" => Some(NOT_READY),
        // A node that has never reported is not ready, not unreachable.
        _ if node.condition("Ready").is_none() && !lost => Some(NOT_READY),
        _ => Some(UNREACHABLE),
    };
    if let Some(key) = down {
        wanted.push((key, "NoSchedule"));
        // Where no node at all is ready, it is more likely us who cannot see: evicting would only harm.
        let reported = node.condition("Ready").is_some();
        if reported && nodes.iter().any(|n| n.metadata.name != node.metadata.name && n.is_ready()) {
            wanted.push((key, "NoExecute"));
        }
    }
    let pressing = PRESSURES.iter().filter(|(condition, _)| node.condition_status(condition) == "True");
    wanted.extend(pressing.map(|(_, key)| (*key, "NoSchedule")));
    if node.spec.unschedulable {
        wanted.push((UNSCHEDULABLE, "NoSchedule"));
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, json: &str) -> Node {
        let mut node: Node = serde_json::from_str(json).unwrap();
        node.metadata.name = name.into();
        node
    }

    const READY: &str = r#"{"status":{"conditions":[{"type":"Ready","status":"True"}]}}"#;
    const DOWN: &str =
        r#"{"status":{"conditions":[{"type":"Ready","status":"False"},{"type":"DiskPressure","status":"True"}]}}"#;

    #[test]
    fn conditions_become_taints_and_a_lone_node_is_not_evicted_from() {
        let (up, down) = (node("a", READY), node("b", DOWN));
        assert!(wanted(&up, false, std::slice::from_ref(&up)).is_empty());
        let both = [up, down.clone()];
        let expected =
            [(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute"), ("node.kubernetes.io/disk-pressure", "NoSchedule")];
        assert_eq!(wanted(&down, false, &both), expected);
        assert!(!wanted(&down, false, std::slice::from_ref(&down)).contains(&(NOT_READY, "NoExecute")));
        assert!(wanted(&both[0], true, &both).contains(&(UNREACHABLE, "NoSchedule")));
    }

    #[test]
    fn only_our_taints_are_changed() {
        let cordoned = r#"{"spec":{"unschedulable":true,"taints":[{"key":"mine","effect":"NoSchedule"},{"key":"node.kubernetes.io/not-ready","effect":"NoSchedule"}]},"status":{"conditions":[{"type":"Ready","status":"True"}]}}"#;
        let node = node("a", cordoned);
        let mut ops = Ops::default();
        follow_conditions(&node, false, std::slice::from_ref(&node), Timestamp::UNIX_EPOCH, &mut ops);
        let body = ops.list()[0].body_value().unwrap();
        let keys: Vec<&str> =
            body["spec"]["taints"].as_array().unwrap().iter().map(|t| t["key"].as_str().unwrap()).collect();
        assert_eq!(keys, ["mine", UNSCHEDULABLE]);
    }
}
