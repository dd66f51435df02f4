//! Options of writes: read from the query, with every cause that refuses them in one answer.

use gantry_meta::{Cause, CauseType, Status};
use gantry_registry::{FieldValidation, WriteOptions, dry_run_of, field_manager_causes};

use crate::query::Query;

/// What the options go with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A whole object: create or replace.
    Object,
    Patch,
    /// A patch that needs a manager and may be forced.
    Apply,
}

/// `options_kind` is `CreateOptions`, `UpdateOptions` or `PatchOptions`: it names the details of a refusal (422).
pub(super) fn write(query: &Query<'_>, options_kind: &str, kind: Kind) -> Result<WriteOptions, Status> {
    let mut causes = Vec::new();
    let field_manager = query.text("fieldManager");
    force_and_manager(query, kind, &field_manager, &mut causes);
    causes.extend(field_manager_causes(&field_manager));
    let dry_run = collected(dry_run_of(query.all("dryRun"), options_kind), &mut causes);
    let given = query.get("fieldValidation").unwrap_or_default();
    let field_validation = collected(FieldValidation::parse(given, options_kind), &mut causes);
    match (dry_run, field_validation) {
        (Some(dry_run), Some(field_validation)) if causes.is_empty() => {
            Ok(WriteOptions { dry_run, field_manager, field_validation })
        }
        _ => Err(Status::invalid("meta.k8s.io", options_kind, "", causes)),
    }
}

/// The value, or the refusal's causes with the others.
fn collected<T>(read: Result<T, Status>, causes: &mut Vec<Cause>) -> Option<T> {
    read.map_err(|refusal| causes.extend(refusal.details.into_iter().flat_map(|details| details.causes))).ok()
}

/// `force` is for apply, which in turn needs a manager.
fn force_and_manager(query: &Query<'_>, kind: Kind, manager: &str, causes: &mut Vec<Cause>) {
    match kind {
        Kind::Apply if manager.is_empty() => {
            causes.push(Cause::new(CauseType::FieldValueRequired, "fieldManager", "is required for apply patch"));
        }
        Kind::Patch if query.get("force").is_some() => {
            let why = "may not be specified for non-apply patch";
            causes.push(Cause::new(CauseType::FieldValueForbidden, "force", why));
        }
        Kind::Object | Kind::Patch | Kind::Apply => {}
    }
}

#[cfg(test)]
mod tests {
    use gantry_registry::MAX_FIELD_MANAGER_BYTES;

    use super::*;

    fn causes(query: &str, kind: Kind) -> Vec<String> {
        let refusal = write(&Query::parse(query), "PatchOptions", kind).unwrap_err();
        refusal.details.unwrap().causes.into_iter().map(|cause| cause.field).collect()
    }

    #[test]
    fn everything_wrong_with_the_options_is_said_at_once() {
        assert_eq!(
            causes("dryRun=some&fieldValidation=loose", Kind::Apply),
            ["fieldManager", "dryRun", "fieldValidation"]
        );
        assert_eq!(causes("force=1&fieldManager=%07", Kind::Patch), ["force", "fieldManager"]);
        let long = "m".repeat(MAX_FIELD_MANAGER_BYTES + 1);
        assert_eq!(causes(&format!("fieldManager={long}"), Kind::Object), ["fieldManager"]);
    }

    #[test]
    fn options_that_fit_are_read() {
        let read = write(&Query::parse("dryRun=All&fieldManager=m&force=0"), "PatchOptions", Kind::Apply).unwrap();
        assert_eq!(
            (read.dry_run, read.field_manager.as_str(), read.field_validation),
            (true, "m", FieldValidation::Warn)
        );
    }
}
