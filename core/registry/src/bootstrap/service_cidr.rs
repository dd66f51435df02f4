//! The range of this cluster says that addresses may be taken from it.

use gantry_meta::{GroupVersionResource, Object, ObjectView as _, Value, time};
use gantry_runtime::{ObjectSink, ObjectSource, Patch, SinkError, WriteTarget};
use jiff::Timestamp;
use serde_json::json;

use super::BootstrapError;

/// The range that every cluster has.
pub(super) const NAME: &str = "kubernetes";
/// Who says so, in the record of owners.
const FIELD_MANAGER: &str = "kubernetes-service-cidr-controller";

/// Sets the condition where nobody has said anything yet: one that says no is an administrator's.
pub(super) async fn mark_ready(
    source: &dyn ObjectSource,
    sink: &dyn ObjectSink,
    range: &str,
) -> Result<usize, BootstrapError> {
    let resource = GroupVersionResource::new("networking.k8s.io", "v1", "servicecidrs");
    let found = source.get(&resource, "", NAME).await;
    let found = found
        .map_err(|source| BootstrapError::List { resource: resource.group_resource().to_string(), source })?
        .and_then(|found| serde_json::from_slice::<Object>(&found.json).ok());
    if !found.is_some_and(|object| is_unmarked(&object, range)) {
        return Ok(0);
    }
    let target = WriteTarget::new(&resource, "", NAME).subresource("status");
    let body = serde_json::to_vec(&ready(Timestamp::now())).expect("a tree of JSON values serialises").into();
    let patch = Patch::Apply { body, field_manager: FIELD_MANAGER.into(), force: true };
    sink.patch(&target, patch).await.map(|_| 1).map_err(|source: SinkError| BootstrapError::Write {
        failed: 1,
        object: format!("servicecidrs/{NAME}"),
        source,
    })
}

/// One that is about to go, or that says another range than this server's, is left alone.
fn is_unmarked(object: &Object, range: &str) -> bool {
    let conditions = object.get("status").and_then(|status| status.get("conditions")?.as_array());
    let ready = conditions.into_iter().flatten().find(|condition| condition["type"] == "Ready");
    let said = ready.is_some_and(|ready| ready["status"] != "Unknown");
    let is_ours = object.get("spec").is_some_and(|spec| spec["cidrs"] == json!([range]));
    is_ours && !said && !object.is_terminating()
}

fn ready(now: Timestamp) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": NAME},
        "status": {"conditions": [{
            "type": "Ready", "status": "True", "reason": "", "lastTransitionTime": time::format_time(now),
            "message": "Kubernetes default Service CIDR is ready",
        }]},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_marked_once_and_never_against_an_administrator() {
        let of = |status: Value, cidr: &str| {
            json!({"metadata": {"name": NAME}, "spec": {"cidrs": [cidr]}, "status": status})
                .as_object()
                .cloned()
                .unwrap()
        };
        let said = |status: &str| json!({"conditions": [{"type": "Ready", "status": status}]});
        assert!(is_unmarked(&of(json!({}), "10.96.0.0/16"), "10.96.0.0/16"));
        assert!(is_unmarked(&of(said("Unknown"), "10.96.0.0/16"), "10.96.0.0/16"));
        assert!(!is_unmarked(&of(said("True"), "10.96.0.0/16"), "10.96.0.0/16"));
        assert!(!is_unmarked(&of(said("False"), "10.96.0.0/16"), "10.96.0.0/16"));
        assert!(!is_unmarked(&of(json!({}), "10.97.0.0/16"), "10.96.0.0/16"));
    }
}
