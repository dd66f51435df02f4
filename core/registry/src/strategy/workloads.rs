//! Deployments: parts of metadata that count as what is wanted.

use super::Strategy;

/// A status update leaves the labels alone. Annotations count: rollouts note their cause there.
pub(super) struct Deployments;

impl Strategy for Deployments {
    fn counted_metadata(&self) -> &'static [&'static str] {
        &["annotations"]
    }

    fn kept_by_status(&self) -> &'static [&'static str] {
        &["labels"]
    }
}
