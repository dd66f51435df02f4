//! A pod outlives its node's silence by five minutes, unless it says for how long itself.

use async_trait::async_trait;
use gantry_meta::{Object, Status, Value};
use serde_json::json;

use crate::{Attributes, MutatingPlugin, Operation, tree};

const TAINTS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
const TOLERATION_SECONDS: u32 = 300;

pub struct DefaultTolerationSeconds;

/// True if `toleration` already says how long the NoExecute taint `key` is borne.
fn covers(toleration: &Value, key: &str) -> bool {
    let text = |member: &str| toleration.get(member).and_then(Value::as_str).unwrap_or_default();
    let key_fits = text("key") == key || text("key").is_empty();
    key_fits && matches!(text("effect"), "NoExecute" | "")
}

#[async_trait]
impl MutatingPlugin for DefaultTolerationSeconds {
    fn name(&self) -> &'static str {
        "DefaultTolerationSeconds"
    }

    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        matches!(attributes.operation, Operation::Create | Operation::Update) && attributes.is("", "pods")
    }

    async fn admit(
        &self,
        _attributes: &Attributes<'_>,
        object: Option<&mut Object>,
        _old: Option<&Object>,
    ) -> Result<(), Status> {
        let Some(pod) = object else { return Ok(()) };
        let spec = tree::object_mut(pod, "spec");
        for key in TAINTS {
            if !tree::items(spec, "tolerations").any(|toleration| covers(toleration, key)) {
                tree::list_mut(spec, "tolerations").push(json!({
                    "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATION_SECONDS,
                }));
            }
        }
        Ok(())
    }
}
