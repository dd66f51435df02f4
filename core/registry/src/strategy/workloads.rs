//! Deployments, ReplicaSets, StatefulSets: a status update leaves the labels alone.

use gantry_meta::{Object, ObjectView};

use super::{Strategy, keep};

pub(super) struct Workloads;

impl Strategy for Workloads {
    fn prepare_update(&self, subresource: &str, new: &mut Object, old: &Object) {
        if subresource == "status" && old.kind() == "Deployment" {
            keep("labels", new.metadata_mut(), old.metadata().unwrap_or(&Object::new()));
        }
    }
}
