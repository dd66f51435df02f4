//! Field ownership: who set what, after structured-merge-diff (versions 4 and 6, the design document "Server-Side
//! Apply").
//!
//! The engine walks [`gantry_meta::Object`] trees by the field tables and borrows from them: sets of fields are tries of
//! names that stand in the trees already, and entries whose set does not change keep their wire form.

mod apply;
mod check;
mod compare;
mod entries;
mod extract;
pub(crate) mod fields_v1;
mod last_applied;
mod merge;
mod prune;
mod reconcile;
mod scale;
mod update;
mod versions;

pub use apply::apply;
pub use entries::{manager_of_user_agent, unchanged_but_for_times};
pub use scale::Scaled;
pub use update::{Writer, record_update};
pub use versions::{OneVersion, Versions};
