//! A new node takes no pods until the node controller has seen it ready.

use async_trait::async_trait;
use gantry_meta::{Object, Status, Value};
use serde_json::json;

use crate::{Attributes, CreationPlugin, tree};

const NOT_READY: &str = "node.kubernetes.io/not-ready";

pub struct TaintNodesByCondition;

fn is_not_ready_taint(taint: &Value) -> bool {
    taint.get("key").and_then(Value::as_str) == Some(NOT_READY)
        && taint.get("effect").and_then(Value::as_str) == Some("NoSchedule")
}

#[async_trait]
impl CreationPlugin for TaintNodesByCondition {
    fn name(&self) -> &'static str {
        "TaintNodesByCondition"
    }

    fn resource(&self) -> (&'static str, &'static str) {
        ("", "nodes")
    }

    async fn complete(&self, _attributes: &Attributes<'_>, node: &mut Object) -> Result<(), Status> {
        let taints = tree::list_mut(tree::object_mut(node, "spec"), "taints");
        if !taints.iter().any(is_not_ready_taint) {
            taints.push(json!({"key": NOT_READY, "effect": "NoSchedule"}));
        }
        Ok(())
    }
}
