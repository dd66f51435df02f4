//! Writes, in stages that each consume the one before: decoded → admitted → prepared → accepted → committed.

mod accept;
mod admin_access;
mod apply;
mod commit;
mod create;
mod delete;
mod delete_collection;
mod metadata;
mod patch;
mod stages;
mod update;

pub(crate) use apply::{Applied, read_config};
pub(crate) use commit::{Along, stored_bytes};
pub(crate) use create::create;
pub(crate) use delete::{check_preconditions, delete, delete_object};
pub(crate) use delete_collection::delete_collection;
pub(crate) use metadata::mark_deleting;
pub(crate) use patch::{decode, patch, patched};
pub(crate) use stages::{Accepted, Decoded, Write, read_body};
pub(crate) use update::{change, update, write_of};

/// A write that loses this many races in a row gives up with a Conflict.
const MAX_RACES: usize = 16;
