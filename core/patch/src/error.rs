//! Why a patch was refused, and the one place that says which `Status` answers it.

use gantry_meta::{Cause, CauseType, FieldPath, Reason, Status};
use thiserror::Error;

/// A field that another manager owns and that an apply without force wanted to change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Conflict {
    /// Who owns the field, in words for a user: `"kubectl" with subresource "status" using apps/v1`.
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
    #[error("{}", conflicts_text(.0))]
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

/// The fields under their owners, as kubectl shows them to who has to decide. Conflicts of one owner stand together.
fn conflicts_text(conflicts: &[Conflict]) -> String {
    if let [Conflict { owner, field }] = conflicts {
        return format!("Apply failed with 1 conflict: conflict with {owner}: {field}");
    }
    let of_owners = conflicts.chunk_by(|one, next| one.owner == next.owner);
    let lines: Vec<String> = of_owners
        .flat_map(|conflicts| {
            let title = format!("conflicts with {}:", conflicts[0].owner);
            std::iter::once(title).chain(conflicts.iter().map(|conflict| format!("- {}", conflict.field)))
        })
        .collect();
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

fn conflict_status(text: String, conflicts: &[Conflict]) -> Status {
    conflicts.iter().fold(Status::failure(Reason::Conflict, text).with_empty_details(), |status, conflict| {
        let message = format!("conflict with {}", conflict.owner);
        status.with_cause(Cause::new(CauseType::FieldManagerConflict, conflict.field.clone(), message))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(conflicts: &[(&str, &str)]) -> String {
        let conflict = |&(owner, field): &(&str, &str)| Conflict { owner: owner.into(), field: field.into() };
        PatchError::Conflicts(conflicts.iter().map(conflict).collect()).to_string()
    }

    #[test]
    fn conflicts_are_listed_under_their_owners() {
        let one = text(&[("\"a\"", ".spec.replicas")]);
        assert_eq!(one, "Apply failed with 1 conflict: conflict with \"a\": .spec.replicas");
        let many = text(&[("\"a\"", ".data.y"), ("\"b\"", ".data.x"), ("\"b\"", ".data.z")]);
        let lists = "conflicts with \"a\":\n- .data.y\nconflicts with \"b\":\n- .data.x\n- .data.z";
        assert_eq!(many, format!("Apply failed with 3 conflicts: {lists}"));
    }
}
