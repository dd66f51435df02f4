//! Replication controllers leave their pods behind unless told otherwise.

use gantry_meta::Object;

use super::{Strategy, template_labels};
use crate::request::Propagation;

pub(super) struct ReplicationControllers;

impl Strategy for ReplicationControllers {
    fn fill_labels(&self, controller: &mut Object) {
        template_labels::fill(controller);
    }

    fn propagation(&self) -> Propagation {
        Propagation::Orphan
    }
}
