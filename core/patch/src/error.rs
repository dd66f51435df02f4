//! Why a patch was refused, and the one place that says which `Status` answers it.

use gantry_meta::{Cause, CauseType, FieldPath, Reason, Status};
use thiserror::Error;

/// A field that another manager owns and that an apply without force wanted to change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Conflict {
    /// Who owns the field, in words for a user: `"kubectl" using apps/v1 at 2026-11-21T14:20:00Z`.
    pub owner: String,
    /// The field as structured-merge-diff prints it: `.spec.containers[name="a"].image`.
    pub field: String,
}

/// A patch that cannot be applied.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PatchError {
    /// The document is no patch of its media type.
    #[error("{0}")]
    Malformed(String),
    #[error("The allowed maximum operations in a JSON patch is {max}, got {found}")]
    TooManyOperations { found: usize, max: usize },
    /// A well-formed patch does not fit the object: a failed `test`, a missing path.
    #[error("{0}")]
    DoesNotFit(String),
    /// The patched object is no object of its kind.
    #[error("{0}")]
    BadResult(String),
    /// `managedFields` or another part of an applied configuration breaks the rules of apply.
    #[error("{field}: {why}")]
    Refused { field: String, why: String },
    #[error("Apply failed with {} conflict(s)", .0.len())]
    Conflicts(Vec<Conflict>),
}

impl From<PatchError> for Status {
    fn from(error: PatchError) -> Self {
        let text = error.to_string();
        match error {
            PatchError::Malformed(_) => Status::bad_request(text),
            PatchError::TooManyOperations { .. } => Status::failure(Reason::RequestEntityTooLarge, text),
            PatchError::DoesNotFit(_) => Status::failure(Reason::Invalid, text).with_empty_details(),
            PatchError::BadResult(_) => {
                let cause = Cause::invalid(&FieldPath::of("patch"), text.clone());
                Status::failure(Reason::Invalid, text).with_cause(cause)
            }
            PatchError::Refused { field, why } => {
                let cause = Cause::invalid(&FieldPath::of(&field), why);
                Status::failure(Reason::Invalid, text).with_cause(cause)
            }
            PatchError::Conflicts(conflicts) => conflict_status(text, &conflicts),
        }
    }
}

fn conflict_status(text: String, conflicts: &[Conflict]) -> Status {
    conflicts.iter().fold(Status::failure(Reason::Conflict, text).with_empty_details(), |status, conflict| {
        let message = format!("conflict with {}", conflict.owner);
        status.with_cause(Cause::new(CauseType::FieldManagerConflict, conflict.field.clone(), message))
    })
}
