//! A certificate with its key in one file, so that a reader never sees one of them new and the other old.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gantry_auth::pki::{IssuedCertificate, write_private};
use jiff::Timestamp;

/// Where a certificate stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is none, or it is over.
    Missing,
    /// It holds, but four fifths of its life are over.
    Ends,
    Holds,
}

/// A PEM file with a certificate chain and its key.
pub struct Stored(PathBuf);

impl Stored {
    pub fn at(path: &Path) -> Self {
        Self(path.to_path_buf())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, certificate: &IssuedCertificate) -> Result<()> {
        let text = format!("{}{}", certificate.certificate_pem, certificate.key_pem);
        write_private(&self.0, text.as_bytes()).with_context(|| format!("cannot write {}", self.0.display()))
    }

    pub fn state(&self, now: Timestamp) -> State {
        match self.read().and_then(|certificate| Ok(certificate.validity()?)) {
            Ok((_, end)) if now >= end => State::Missing,
            Ok((begin, end)) if now >= renewal(begin, end) => State::Ends,
            Ok(_) => State::Holds,
            Err(_) => State::Missing,
        }
    }

    /// When the certificate should be replaced.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn renew_at(&self) -> Result<Timestamp> {
        let (begin, end) = self.read()?.validity()?;
        Ok(renewal(begin, end))
    }

    fn read(&self) -> Result<IssuedCertificate> {
        let text = std::fs::read_to_string(&self.0).with_context(|| format!("cannot read {}", self.0.display()))?;
        Ok(IssuedCertificate { certificate_pem: text.clone(), key_pem: text })
    }
}

/// After four fifths of a life.
pub fn renewal(begin: Timestamp, end: Timestamp) -> Timestamp {
    let life = end.duration_since(begin);
    begin.saturating_add(life / 5 * 4).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use gantry_auth::pki::{CertificateAuthority, Validity};
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn a_certificate_is_replaced_before_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::now();
        let stored = Stored::at(&folder.path().join("node.pem"));
        assert_eq!(stored.state(now), State::Missing);
        let authority = CertificateAuthority::load_or_create(folder.path(), now).unwrap();
        stored.write(&authority.issue_client("jane", None, Validity::days(now, 99)).unwrap()).unwrap();
        let after = |days: i64| stored.state(now + SignedDuration::from_hours(24 * days));
        assert_eq!((after(1), after(90), after(100)), (State::Holds, State::Ends, State::Missing));
    }
}
