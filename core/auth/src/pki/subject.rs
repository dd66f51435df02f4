//! Whom the subject of a certificate, or of a request for one, names. There is this one reading: with two, a request could be
//! approved as one user's and its certificate used as another's.

use x509_parser::{
    error::X509Error,
    x509::{AttributeTypeAndValue, X509Name},
};

/// User and groups of a subject. Source: the reference page "Authenticating", "X509 client certificates".
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SubjectNames {
    /// The last of several, as Go's clients and servers read it; empty if there is none.
    pub common_name: String,
    pub organizations: Vec<String>,
}

impl SubjectNames {
    /// # Errors
    /// If one of the names is of a kind of text that cannot be read: whoever can read it would see another user or group.
    pub fn read(subject: &X509Name<'_>) -> Result<Self, X509Error> {
        let text = |value: &AttributeTypeAndValue<'_>| value.as_str().map(str::to_owned);
        let common_names = subject.iter_common_name().map(text).collect::<Result<Vec<_>, _>>()?;
        let organizations = subject.iter_organization().map(text).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { common_name: common_names.into_iter().next_back().unwrap_or_default(), organizations })
    }
}
