//! PodDisruptionBudget: how many of the pods that it covers may be taken away now. Evictions ask its status.
//!
//! Pods of controllers that are known only by a `scale` subresource are not counted for percentages: such a budget reports
//! SyncFailed and allows nothing.

mod budget;
mod expected;

use std::{collections::BTreeMap, time::Duration};

use gantry_plugin::{
    Controller, Cx, Event, Failure, HostRef, Key, NoConfig, Ops, Outcome, Plugin, Query, Reader, Resource, Watch,
    resource::{DEPLOYMENTS, PODS, REPLICA_SETS, REPLICATION_CONTROLLERS, STATEFUL_SETS},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use self::budget::{Budget, Counted};
use crate::model::Pod;

const POD_DISRUPTION_BUDGETS: Resource<'static> =
    Resource::new("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget");
/// An evicted pod that has not begun to go after this long stays, and counts again.
const DELETION_TIMEOUT: SignedDuration = SignedDuration::from_secs(120);

/// Named as upstream names it: its account carries the name.
pub struct DisruptionController;

impl Plugin for DisruptionController {
    const ID: &'static str = "disruption-controller";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = NoConfig;

    fn new(_: HostRef<'_>, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
}

impl Controller for DisruptionController {
    const WATCHES: &'static [Watch] = &[
        Watch::primary(POD_DISRUPTION_BUDGETS),
        Watch::mapped(PODS),
        Watch::cached(REPLICA_SETS),
        Watch::cached(DEPLOYMENTS),
        Watch::cached(STATEFUL_SETS),
        Watch::cached(REPLICATION_CONTROLLERS),
    ];

    /// A pod concerns the budgets that cover it or did.
    fn map(&self, _: &Cx<'_>, event: &Event<'_>, read: &Reader<'_>) -> Result<Vec<Key>, Failure> {
        let mut keys = Vec::new();
        for state in [event.old, event.new].into_iter().flatten() {
            let pod = state.metadata()?;
            let budgets = read.list::<Budget>(&Query::within(&POD_DISRUPTION_BUDGETS, &pod.namespace))?;
            let covering = budgets.iter().filter(|budget| budget.covers(&pod.labels));
            keys.extend(covering.map(|budget| Key::of(&pod.namespace, &budget.metadata.name)));
        }
        keys.sort();
        keys.dedup();
        Ok(keys)
    }

    fn reconcile(&self, cx: &Cx<'_>, key: &Key, read: &Reader<'_>, ops: &mut Ops) -> Result<Outcome, Failure> {
        let Some(object) = read.find(&POD_DISRUPTION_BUDGETS, &key.namespace, &key.name)? else {
            return Ok(Outcome::Done);
        };
        let budget: Budget = object.decode()?;
        let mut pods = read.list::<Pod>(&Query::within(&PODS, &key.namespace))?;
        pods.retain(|pod| budget.covers(&pod.metadata.labels));
        let disrupted = still_going(&budget, &pods, cx.now());
        let status = match expected::pods(&budget.spec, &pods, read)? {
            Ok(expected) => {
                let healthy = pods.iter().filter(|pod| is_healthy(pod, &disrupted)).count();
                let healthy = i64::try_from(healthy).unwrap_or(i64::MAX);
                budget.status_of(&Counted { healthy, expected }, &disrupted, cx.now())
            }
            Err(unknown) => budget.failed_status(&unknown, cx.now()),
        };
        if budget.status != status {
            let mut updated: Value = object.decode()?;
            updated["metadata"]["resourceVersion"] = object.resource_version.into();
            updated["status"] = status;
            ops.update_status(&POD_DISRUPTION_BUDGETS, &key.namespace, &key.name, &updated).done();
        }
        Ok(look_again(&disrupted, cx.now()))
    }
}

/// Pods whose eviction was granted and that have not begun to go, with when that was.
fn still_going(budget: &Budget, pods: &[Pod], now: Timestamp) -> BTreeMap<String, Timestamp> {
    let granted = budget.disrupted_pods();
    let waits = |pod: &&Pod| !pod.metadata.is_terminating();
    let since = pods.iter().filter(waits).filter_map(|pod| granted.get_key_value(&pod.metadata.name));
    since.filter(|(_, at)| now.duration_since(**at) < DELETION_TIMEOUT).map(|(name, at)| (name.clone(), *at)).collect()
}

fn is_healthy(pod: &Pod, disrupted: &BTreeMap<String, Timestamp>) -> bool {
    !pod.metadata.is_terminating() && !disrupted.contains_key(&pod.metadata.name) && pod.ready_since().is_some()
}

/// When the first of the granted evictions is given up.
fn look_again(disrupted: &BTreeMap<String, Timestamp>, now: Timestamp) -> Outcome {
    match disrupted.values().min() {
        None => Outcome::Done,
        Some(first) => {
            let left = DELETION_TIMEOUT - now.duration_since(*first);
            Outcome::RequeueAfter(Duration::try_from(left).unwrap_or_default())
        }
    }
}
