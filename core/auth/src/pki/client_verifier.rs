//! Who a client certificate says its holder is, and whether our authority says so too.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error as TlsError, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{PkiError, SubjectNames, authority::certificates};
use crate::{UserInfo, user::GROUP_AUTHENTICATED, user::UserFields};

/// The user that a verified client certificate names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateUser {
    pub user: UserInfo,
    pub expires_at: Timestamp,
}

/// Judges client certificates against the cluster's authority.
#[derive(Clone, Debug)]
pub struct ClientCertificates {
    verifier: Arc<dyn ClientCertVerifier>,
}

impl ClientCertificates {
    /// `authority_pem`: one or more certificates of authorities whose client certificates count.
    pub fn new(authority_pem: &str) -> Result<Self, PkiError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(authority_pem)? {
            roots.add(certificate)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let built =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).allow_unauthenticated().build();
        let verifier = built.map_err(|error| PkiError::Pem(error.to_string()))?;
        Ok(Self { verifier })
    }

    /// The user of a peer's chain (its own certificate first). `None`: not issued by our authority, not for clients, not
    /// valid at `now`, or without a common name. Costs a signature check: do it once a connection.
    pub fn identify(&self, chain: &[CertificateDer<'_>], now: Timestamp) -> Option<CertificateUser> {
        let (own, intermediates) = chain.split_first()?;
        let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.as_second().try_into().ok()?));
        self.verifier.verify_client_cert(own, intermediates, at).ok()?;
        let (_, certificate) = X509Certificate::from_der(own).ok()?;
        let expires_at = Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()?;
        let subject = SubjectNames::read(certificate.subject()).ok().filter(|names| !names.common_name.is_empty())?;
        let groups = subject.organizations.into_iter().chain([GROUP_AUTHENTICATED.to_owned()]).collect();
        let user = UserFields { name: subject.common_name, groups, ..UserFields::default() }.into();
        Some(CertificateUser { user, expires_at })
    }

    /// For the handshake: asks for a certificate and has its holder prove the key, but leaves the judgement to
    /// [`ClientCertificates::identify`], so that a stranger's certificate is answered with 401 and not with a broken line.
    pub(super) fn handshake_verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::new(ProofOnly(self.verifier.clone()))
    }
}

#[derive(Debug)]
struct ProofOnly(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for ProofOnly {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _own: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{CertificateAuthority, Validity};

    #[test]
    fn a_certificate_names_its_user_and_groups_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::now();
        let authority = CertificateAuthority::load_or_create(folder.path(), now).unwrap();
        let judge = ClientCertificates::new(authority.certificate_pem()).unwrap();
        let chain = authority.issue_client("jane", Some("ops"), Validity::days(now, 2)).unwrap().chain().unwrap();
        let jane = judge.identify(&chain, now).unwrap();
        assert_eq!(jane.user.name, "jane");
        assert_eq!(jane.user.groups, ["ops", GROUP_AUTHENTICATED]);
        assert!(jane.expires_at > now);
        assert_eq!(judge.identify(&chain, now + jiff::SignedDuration::from_hours(24 * 4)), None, "expired");
        let server = authority.issue_server("x", &["x".into()], &[], Validity::days(now, 2)).unwrap();
        assert_eq!(judge.identify(&server.chain().unwrap(), now), None, "a serving certificate is no client's");
    }

    #[test]
    fn a_certificate_of_another_authority_names_nobody() {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let now = Timestamp::now();
        let authority = CertificateAuthority::load_or_create(ours.path(), now).unwrap();
        let stranger = CertificateAuthority::load_or_create(theirs.path(), now).unwrap();
        let chain =
            stranger.issue_client("jane", Some("system:masters"), Validity::days(now, 2)).unwrap().chain().unwrap();
        assert_eq!(ClientCertificates::new(authority.certificate_pem()).unwrap().identify(&chain, now), None);
    }
}
