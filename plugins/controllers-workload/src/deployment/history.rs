//! Old ReplicaSets are kept to roll back to, up to `spec.revisionHistoryLimit`.

use gantry_plugin::{Ops, resource::REPLICA_SETS};

use super::Rollout;
use crate::model::ReplicaSet;

/// Deletes the oldest revisions beyond the limit, of those that have no pods any more.
pub fn trim(rollout: &Rollout, ops: &mut Ops) {
    let Some(limit) = rollout.deployment.spec.revision_history_limit.and_then(|n| usize::try_from(n).ok()) else {
        return;
    };
    let idle = |rs: &&ReplicaSet| {
        rs.spec.replicas == 0
            && rs.status.replicas == 0
            && rs.status.observed_generation >= rs.metadata.generation
            && !rs.metadata.is_terminating()
    };
    let mut kept: Vec<&ReplicaSet> = rollout.old.iter().filter(|rs| !rs.metadata.is_terminating()).collect();
    kept.sort_by_key(|rs| rs.revision());
    let surplus = kept.len().saturating_sub(limit);
    for rs in kept.into_iter().take(surplus).filter(idle) {
        let meta = &rs.metadata;
        ops.delete(&REPLICA_SETS, &meta.namespace, &meta.name).expect_uid(&meta.uid).done();
    }
}
