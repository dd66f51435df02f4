//! Events: anyone who may write them may change all of them.

use super::Strategy;

pub(super) struct Events;

impl Strategy for Events {
    fn has_dependents(&self) -> bool {
        false
    }

    /// Under either name they are the core group's.
    fn named_group<'a>(&self, _served: &'a str) -> &'a str {
        ""
    }
}
