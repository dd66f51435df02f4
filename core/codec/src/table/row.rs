//! What the functions of cells are given.

use gantry_meta::{Object, Value};
use jiff::Timestamp;

/// One object, and when it is looked at.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub object: &'a Object,
    pub now: Timestamp,
}

pub(super) type CellFn = fn(Row<'_>) -> Value;
