//! Patches and field ownership: JSON patch, merge patch, strategic merge patch, server-side apply and `managedFields`.
//!
//! Everything works on [`gantry_meta::Object`] trees and is driven by the field tables of `gantry-kinds`; nothing here
//! knows a particular kind. One merge engine (`engine`) serves apply, strategic merge, merge patch and pruning: what they mean
//! differently stands with each of them. [`PatchError`] converts to the `Status` that answers it.

mod engine;
mod error;
pub mod json;
pub mod managed;
pub mod merge;
pub mod strategic;

pub use error::{Conflict, PatchError};
