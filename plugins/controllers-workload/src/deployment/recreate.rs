//! Recreate: the new ReplicaSet starts when no pod of an old template is left.

use gantry_plugin::{Failure, Ops, Query, Reader, resource::PODS};

use super::{Rollout, scale};
use crate::model::Pod;

/// Scales the old ReplicaSets to nothing; true as long as pods of theirs live, terminating ones too.
pub fn must_wait(rollout: &Rollout, read: &Reader<'_>, ops: &mut Ops) -> Result<bool, Failure> {
    let running: Vec<_> = rollout.old.iter().filter(|rs| rs.spec.replicas > 0).collect();
    if !running.is_empty() {
        running.into_iter().for_each(|rs| scale::to(rollout, rs, 0, ops));
        return Ok(true);
    }
    for rs in &rollout.old {
        let pods = read.list::<Pod>(&Query::within(&PODS, &rs.metadata.namespace).owned_by(&rs.metadata.uid))?;
        if pods.iter().any(|pod| !pod.is_finished()) {
            return Ok(true);
        }
    }
    Ok(false)
}
