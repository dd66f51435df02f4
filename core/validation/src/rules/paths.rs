//! Paths of files.

use crate::field::{Causes, Field};

/// [`Causes::invalid`] for a path with a `..` step.
pub fn no_backsteps(field: &Field<'_>, causes: &mut Causes) {
    if field.text().split('/').any(|step| step == "..") {
        causes.invalid(field, "must not contain '..'");
    }
}

/// A path below some folder.
pub fn local_descending(field: &Field<'_>, causes: &mut Causes) {
    if field.text().starts_with('/') {
        causes.invalid(field, "must be a relative path");
    }
    no_backsteps(field, causes);
}

/// As [`local_descending`], and no name that starts with `..`.
pub fn local_non_reserved(field: &Field<'_>, causes: &mut Causes) {
    local_descending(field, causes);
    if field.text().starts_with("..") && !field.text().starts_with("../") {
        causes.invalid(field, "must not start with '..'");
    }
}
