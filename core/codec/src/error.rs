//! Why a body is refused.

use gantry_meta::{Reason, Status};
use thiserror::Error;

/// A body that is not an object of the expected kind. All are the client's fault: 400 for a body, 422 for a patched object.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum DecodeError {
    /// Neither JSON nor YAML, or not an object.
    #[error("the body is not readable: {0}")]
    Syntax(String),
    /// A field holds what its type does not allow.
    #[error("{0}")]
    Type(String),
    #[error("nested deeper than {0} levels")]
    TooDeep(usize),
    /// The body's `kind` or `apiVersion` is not that of the path.
    #[error("the body is a {found}, expected {expected}")]
    WrongKind { found: String, expected: String },
    /// A body that is none of the kind, with that kind and the version that it is read in.
    #[error("{kind} in version {version:?} cannot be handled as a {kind}: {cause}")]
    Unfit { kind: String, version: String, cause: Box<Self> },
    /// Unknown or repeated fields under strict validation.
    #[error("strict decoding error: {}", .0.join(", "))]
    Strict(Vec<String>),
}

impl From<DecodeError> for Status {
    fn from(error: DecodeError) -> Self {
        Status::failure(Reason::BadRequest, error.to_string())
    }
}
