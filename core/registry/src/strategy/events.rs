//! Events: anyone who may write them may change all of them.

use super::Strategy;

pub(super) struct Events;

impl Strategy for Events {}
