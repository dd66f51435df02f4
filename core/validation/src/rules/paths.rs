//! Paths of files.

use crate::field::{Causes, Field};

/// [`Causes::invalid`] for a path with a `..` step.
pub fn no_backsteps(field: &Field<'_>, causes: &mut Causes) {
    no_backsteps_in(field.text(), field, causes);
}

fn no_backsteps_in(path: &str, field: &Field<'_>, causes: &mut Causes) {
    if path.split('/').any(|step| step == "..") {
        causes.invalid(field, "must not contain '..'");
    }
}

/// A path below some folder.
pub fn local_descending(field: &Field<'_>, causes: &mut Causes) {
    local_descending_in(field.text(), field, causes);
}

/// As [`local_descending`], of a path that is a part of the field's text.
pub fn local_descending_in(path: &str, field: &Field<'_>, causes: &mut Causes) {
    if path.starts_with('/') {
        causes.invalid(field, "must be a relative path");
    }
    no_backsteps_in(path, field, causes);
}

/// As [`local_descending`], and no name that starts with `..`.
pub fn local_non_reserved(field: &Field<'_>, causes: &mut Causes) {
    local_descending(field, causes);
    if field.text().starts_with("..") && !field.text().starts_with("../") {
        causes.invalid(field, "must not start with '..'");
    }
}
