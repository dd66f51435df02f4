//! Why a hook did not succeed.

use std::{borrow::Cow, fmt};

use gantry_abi as abi;

/// A failure that may go away: the host tries again with back-off.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    pub(crate) code: abi::Code,
    pub(crate) message: Cow<'static, str>,
}

impl Failure {
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: abi::ERROR, message: message.into() }
    }

    /// Scheduling: no, as things stand; fewer pods on a node might help.
    pub fn unschedulable(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::code(abi::UNSCHEDULABLE, reason)
    }

    /// Scheduling: no, and removing pods would not help.
    pub fn unresolvable(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::code(abi::UNRESOLVABLE, reason)
    }

    /// Scheduling: not until something outside of the cluster changes.
    pub fn pending(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::code(abi::PENDING, reason)
    }

    /// For a hook that saw [`crate::Cx::expired`] and gave up.
    pub fn deadline() -> Self {
        Self::code(abi::E_DEADLINE, "gave up at the deadline")
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    /// What came in is malformed.
    pub(crate) const fn invalid(message: &'static str) -> Self {
        Self { code: abi::E_INVALID, message: Cow::Borrowed(message) }
    }

    pub(crate) fn code(code: abi::Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl From<&'static str> for Failure {
    fn from(message: &'static str) -> Self {
        Self::new(message)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::new(format!("JSON: {error}"))
    }
}
