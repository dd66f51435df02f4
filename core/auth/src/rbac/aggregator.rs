//! Keeps the rules of aggregated cluster roles equal to what they aggregate.

use std::{sync::Arc, time::Duration};

use gantry_meta::{GroupVersionResource, Object, ObjectView, Value};
use gantry_runtime::{Cache, ListOptions, ObjectSink, ObjectSource, Patch, SinkError, WriteTarget, inform};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{GROUP, PolicyRule, aggregated_rules, is_aggregated, store::rules_of};

const SETTLED_FOR: Duration = Duration::from_secs(600);
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Follows all cluster roles until `stop` and rewrites `rules` of the aggregated ones. Replicas may all run it:
/// they write the same, and only over the version that they saw.
pub async fn aggregate_cluster_roles(
    source: Arc<dyn ObjectSource>,
    sink: Arc<dyn ObjectSink>,
    stop: CancellationToken,
) {
    let resource = GroupVersionResource::new(GROUP, "v1", "clusterroles");
    let cache = inform(source, resource.clone(), ListOptions::default(), Cache::<Object>::new(), stop.clone());
    let mut events = cache.subscribe();
    cache.wait_synced().await;
    while !stop.is_cancelled() {
        let settled = settle(&cache, sink.as_ref(), &resource).await;
        let again = if settled { SETTLED_FOR } else { RETRY_AFTER };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(again) => {}
            _ = events.recv() => {}
        }
        // One pass looks at all roles: what else was announced meanwhile needs none of its own.
        while events.try_recv().is_ok() {}
    }
}

/// False: something could not be written.
async fn settle(cache: &Cache<Object>, sink: &dyn ObjectSink, resource: &GroupVersionResource) -> bool {
    let roles = cache.list();
    let mut settled = true;
    for role in roles.iter().filter(|role| is_aggregated(role)) {
        let wanted = aggregated_rules(role, roles.iter().map(|other| &other.content));
        if wanted == rules_of(role) {
            continue;
        }
        if let Err(error) = write_rules(sink, resource, role, &wanted).await {
            warn!(role = role.name(), %error, "an aggregated role was not brought up to date");
            settled = false;
        }
    }
    settled
}

async fn write_rules(
    sink: &dyn ObjectSink,
    resource: &GroupVersionResource,
    role: &Object,
    rules: &[PolicyRule],
) -> Result<(), SinkError> {
    let patch: Value = json!({"metadata": {"resourceVersion": role.resource_version()}, "rules": rules});
    let target = WriteTarget::new(resource, "", role.name());
    sink.patch(&target, Patch::Merge(patch.to_string().into())).await.map(|_| ())
}
