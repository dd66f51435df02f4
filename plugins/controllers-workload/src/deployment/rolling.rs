//! Rolling update: the new ReplicaSet grows within the surge, the old ones shrink within what may be unavailable.

use gantry_plugin::Ops;

use super::{Rollout, scale};
use crate::model::ReplicaSet;

/// One step: up if there is room, else down if enough is available.
pub fn step(rollout: &Rollout, new: &ReplicaSet, ops: &mut Ops) {
    let wanted = new_replicas(rollout, new.spec.replicas);
    if wanted != new.spec.replicas {
        return scale::to(rollout, new, wanted, ops);
    }
    scale::to(rollout, new, wanted, ops);
    shrink_old(rollout, new, ops);
}

/// How many pods the new ReplicaSet may have now, having `current`.
pub fn new_replicas(rollout: &Rollout, current: i64) -> i64 {
    let deployment = &rollout.deployment;
    let desired = deployment.spec.replicas;
    if !deployment.is_rolling() || current > desired {
        return desired;
    }
    let room = desired + deployment.max_surge() - rollout.desired_pods();
    current + room.min(desired - current).max(0)
}

fn shrink_old(rollout: &Rollout, new: &ReplicaSet, ops: &mut Ops) {
    let deployment = &rollout.deployment;
    let min_available = deployment.spec.replicas - deployment.max_unavailable();
    let new_unavailable = new.spec.replicas - new.status.available_replicas;
    let mut may_go = rollout.desired_pods() - min_available - new_unavailable;
    let mut sizes: Vec<i64> = rollout.old.iter().map(|rs| rs.spec.replicas).collect();
    // Pods that are not available go first: losing them costs nothing.
    for (rs, size) in rollout.old.iter().zip(&mut sizes) {
        let broken = (*size - rs.status.available_replicas).clamp(0, may_go.max(0));
        *size -= broken;
        may_go -= broken;
    }
    let mut spare = (rollout.available_pods() - min_available).min(may_go);
    for size in &mut sizes {
        let gone = (*size).clamp(0, spare.max(0));
        *size -= gone;
        spare -= gone;
    }
    for (rs, size) in rollout.old.iter().zip(sizes).filter(|(rs, size)| rs.spec.replicas != *size) {
        scale::to(rollout, rs, size, ops);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Deployment;
    use serde_json::json;

    fn set(name: &str, replicas: i64, available: i64) -> ReplicaSet {
        serde_json::from_value(json!({"metadata": {"name": name}, "spec": {"replicas": replicas},
            "status": {"availableReplicas": available}}))
        .unwrap()
    }

    fn rollout(old: &[(i64, i64)], new: (i64, i64)) -> Rollout {
        let deployment: Deployment = serde_json::from_value(json!({"spec": {"replicas": 4, "strategy": {
            "type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}}}))
        .unwrap();
        let old = old.iter().map(|(r, a)| set("old", *r, *a)).collect();
        Rollout { deployment, old, new: Some(set("new", new.0, new.1)) }
    }

    fn sizes_after(rollout: &Rollout) -> Vec<i64> {
        let mut ops = Ops::default();
        step(rollout, rollout.new.as_ref().unwrap(), &mut ops);
        let patches = ops.list().iter().filter(|op| op.resource == "replicasets");
        patches.map(|op| op.body_value().unwrap()["spec"]["replicas"].as_i64().unwrap()).collect()
    }

    #[test]
    fn the_new_set_grows_into_the_surge_first() {
        assert_eq!(sizes_after(&rollout(&[(4, 4)], (0, 0))), [1]);
    }

    #[test]
    fn old_pods_go_only_while_enough_are_available() {
        // 5 pods, 4 available, 3 needed: one old pod may go.
        assert_eq!(sizes_after(&rollout(&[(4, 4)], (1, 0)))[1..], [3]);
    }

    #[test]
    fn broken_old_pods_go_first() {
        let sizes = sizes_after(&rollout(&[(2, 2), (2, 0)], (1, 1)));
        assert_eq!(sizes[1..], [0], "the two broken pods of the second set go, the two available stay");
    }
}
