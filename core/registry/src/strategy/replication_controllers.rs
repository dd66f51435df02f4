//! Replication controllers leave their pods behind unless told otherwise.

use super::Strategy;
use crate::request::Propagation;

pub(super) struct ReplicationControllers;

impl Strategy for ReplicationControllers {
    fn propagation(&self) -> Propagation {
        Propagation::Orphan
    }
}
