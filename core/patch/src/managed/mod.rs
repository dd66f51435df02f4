//! Field ownership: who set what, after structured-merge-diff (versions 4 and 6, the design document "Server-Side
//! Apply").
//!
//! The engine walks [`gantry_meta::Object`] trees by the field tables and borrows from them: sets of fields are tries of
//! names that stand in the trees already, and entries whose set does not change keep their wire form.

mod compare;
mod entries;
mod extract;
mod fields_v1;
mod reset;
mod set;
mod shape;
mod update;

pub use entries::manager_of_user_agent;
pub use reset::reset_fields;
pub use update::{Writer, record_update};
