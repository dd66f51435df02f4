//! Replication controllers leave their pods behind unless told otherwise.

use gantry_meta::Object;

use super::{Strategy, jobs::fill_labels_from_template};
use crate::request::Propagation;

pub(super) struct ReplicationControllers;

impl Strategy for ReplicationControllers {
    fn fill_labels(&self, controller: &mut Object) {
        fill_labels_from_template(controller);
    }

    fn propagation(&self) -> Propagation {
        Propagation::Orphan
    }
}
