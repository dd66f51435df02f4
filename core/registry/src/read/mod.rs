//! Get, list and watch: answered from the watch cache, as bytes.

mod continue_token;
mod get;
mod list;
mod rules;
mod selection;
mod watch;

pub(crate) use get::{current, fresh, get, served_tree, served_wire};
pub(crate) use list::{answer, list, page_to_delete};
use selection::Selection;
pub(crate) use watch::watch;

use std::time::Duration;

/// How long a read waits for a resourceVersion that is not there yet.
const PATIENCE: Duration = Duration::from_secs(3);
