//! Jobs of batch/v1 leave their pods behind unless told otherwise.

use super::Strategy;
use crate::request::Propagation;

pub(super) struct Jobs;

impl Strategy for Jobs {
    fn propagation(&self) -> Propagation {
        Propagation::Orphan
    }
}
