//! The words of the API machinery: who an object is, what a request may answer, how objects are selected.
//!
//! Nothing here performs I/O or knows a particular kind. Every other crate may use this one.

pub mod field_path;
pub mod gvk;
pub mod names;
pub mod object;
pub mod quantity;
pub mod selector;
pub mod status;
pub mod time;

pub use field_path::FieldPath;
pub use gvk::{GroupResource, GroupVersion, GroupVersionKind, GroupVersionResource};
pub use object::{Object, ObjectView, Value};
pub use quantity::{Quantity, QuantityError};
pub use selector::{FieldSelector, LabelSelector};
pub use status::{Cause, CauseType, Reason, Status, StatusDetails};
