//! Deployments: what a status update leaves alone.

use super::Strategy;

/// A status update leaves the labels alone. Unlike upstream's, annotations raise no generation: the deployment controller
/// notes revisions there by a patch of the object, which must not look like a new wish.
pub(super) struct Deployments;

impl Strategy for Deployments {
    fn kept_by_status(&self) -> &'static [&'static str] {
        &["labels"]
    }
}
