//! The one merge engine, on the field tables: how values are taken apart, merged, and told which of their fields are meant.
//!
//! - [`Parts`] says what a value is made of, by the marks of server-side apply or those of strategic merge patches, and
//!   [`Element`] how a part is found in it.
//! - [`merge`] walks over a live object and a change laid over it. What its callers mean differently is their [`Policy`]: what
//!   null, a directive, or a value that does not merge does, and how merged lists are ordered.
//! - [`join`] brings the items of two lists together by one index; [`interleaved`] and [`arranged`] are the orders they take.
//! - [`FieldSet`] is a set of fields, and [`remove`] takes one out of an object.
//!
//! Policies: `crate::merge` (JSON merge patch), `crate::strategic`, and `crate::managed` for apply, which also prunes.

mod element;
mod lists;
mod order;
mod parts;
mod remove;
mod set;
mod walk;

pub(crate) use element::{BadElement, Element};
pub(crate) use lists::{Index, join};
pub(crate) use order::{Place, arranged, interleaved};
pub(crate) use parts::{Form, Parts};
pub(crate) use remove::remove;
pub(crate) use set::{FieldSet, Marks, Node};
pub(crate) use walk::{Entered, Policy, merge, merge_value};
