//! What can go wrong between us and the container runtime.

use thiserror::Error;
use tonic::{Code, Status};

#[derive(Debug, Error)]
pub enum CriError {
    /// The runtime's socket does not answer, or it answered that it is not ready. Nothing is known of the outcome.
    #[error("the container runtime is unavailable: {0}")]
    Unavailable(String),
    /// The sandbox, container or image does not exist (any more).
    #[error("{0}")]
    NotFound(String),
    /// The runtime took longer than the call's deadline.
    #[error("{call} took longer than its deadline: {message}")]
    DeadlineExceeded { call: &'static str, message: String },
    /// The runtime answered with a failure of its own.
    #[error("{message}")]
    Refused { call: &'static str, code: Code, message: String },
    /// An answer that breaks the CRI contract, such as a status without a status.
    #[error("{call}: the container runtime's answer lacks {what}")]
    Incomplete { call: &'static str, what: &'static str },
    /// Our own containerd could not be started or an archive could not be imported.
    #[error("{0}")]
    Process(String),
    #[error("{context}: {source}")]
    Io { context: String, source: std::io::Error },
}

impl CriError {
    pub(crate) fn from_status(call: &'static str, status: &Status) -> Self {
        let message = status.message().to_owned();
        match status.code() {
            Code::NotFound => Self::NotFound(message),
            Code::Unavailable => Self::Unavailable(message),
            Code::DeadlineExceeded | Code::Cancelled => Self::DeadlineExceeded { call, message },
            code => Self::Refused { call, code, message },
        }
    }

    pub(crate) fn io(context: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let context = context.into();
        move |source| Self::Io { context, source }
    }

    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound(_))
    }

    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
