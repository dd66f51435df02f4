//! The node's Lease: renewed every ten seconds, it tells the control plane that the daemon lives.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gantry_meta::{GroupVersionResource, Reason, time::format_micro_time};
use gantry_runtime::{ObjectSink, Patch, SinkError, WriteTarget};
use jiff::Timestamp;
use serde_json::json;
use tokio_util::sync::CancellationToken;

const INTERVAL: Duration = Duration::from_secs(10);
const DURATION_SECONDS: u32 = 40;
const NAMESPACE: &str = "kube-node-lease";

/// Renews the lease until `stop`; makes it if it is not there.
pub async fn renew(sink: Arc<dyn ObjectSink>, node: String, node_uid: String, stop: CancellationToken) {
    let leases = GroupVersionResource::new("coordination.k8s.io", "v1", "leases");
    let target = WriteTarget::new(&leases, NAMESPACE, &node);
    let work = async {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = renew_once(sink.as_ref(), &target, &node, &node_uid).await {
                tracing::warn!(%error, "the node's lease could not be renewed");
            }
        }
    };
    stop.run_until_cancelled(work).await;
}

async fn renew_once(sink: &dyn ObjectSink, target: &WriteTarget, node: &str, uid: &str) -> Result<(), SinkError> {
    let now = format_micro_time(Timestamp::now());
    let spec = json!({"holderIdentity": node, "leaseDurationSeconds": DURATION_SECONDS, "renewTime": now});
    let patch = Patch::Merge(Bytes::from(json!({"spec": spec}).to_string()));
    match sink.patch(target, patch).await {
        Err(SinkError::Refused(status)) if status.is(Reason::NotFound) => {}
        other => return other.map(|_| ()),
    }
    let owner = json!([{"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid}]);
    let lease = json!({
        "kind": "Lease", "apiVersion": "coordination.k8s.io/v1",
        "metadata": {"name": node, "namespace": NAMESPACE, "ownerReferences": owner}, "spec": spec,
    });
    sink.create(target, Bytes::from(lease.to_string())).await.map(|_| ())
}
