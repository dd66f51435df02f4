//! `ca.crt` and `ca.key`, and what they sign.

use std::{net::IpAddr, path::Path};

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SerialNumber, date_time_ymd,
};
use rsa::{
    RsaPrivateKey,
    pkcs1::EncodeRsaPrivateKey as _,
    pkcs8::{EncodePrivateKey as _, LineEnding},
    rand_core::OsRng,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::{PkiError, files};
use crate::user::{GROUP_NODES, node_user_name};

/// What NIST SP 800-57 asks of RSA keys until 2030; kubeconfigs' certificates end earlier.
const RSA_BITS: usize = 2048;

/// From when, and for how many days. Whole days, because certificates begin a day early against clocks that differ.
#[derive(Clone, Copy, Debug)]
pub struct Validity {
    pub now: Timestamp,
    pub days: u16,
}

impl Validity {
    pub fn days(now: Timestamp, days: u16) -> Self {
        Self { now, days }
    }

    fn apply(self, params: &mut CertificateParams) {
        let day = |offset: i64| {
            let at = self.now.to_zoned(TimeZone::UTC).date().saturating_add(offset.days());
            date_time_ymd(i32::from(at.year()), at.month().unsigned_abs(), at.day().unsigned_abs())
        };
        (params.not_before, params.not_after) = (day(-1), day(i64::from(self.days)));
    }
}

/// A certificate and its key, both PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuedCertificate {
    pub certificate_pem: String,
    pub key_pem: String,
}

impl IssuedCertificate {
    /// The certificate chain as rustls wants it.
    pub fn chain(&self) -> Result<Vec<CertificateDer<'static>>, PkiError> {
        certificates(&self.certificate_pem)
    }

    pub fn key(&self) -> Result<PrivateKeyDer<'static>, PkiError> {
        PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).map_err(|_| PkiError::Pem("the private key".into()))
    }

    /// Writes `<stem>.crt` and `<stem>.key` (0600) into `folder`.
    pub fn save(&self, folder: &Path, stem: &str) -> Result<(), PkiError> {
        files::write_private(&folder.join(format!("{stem}.key")), self.key_pem.as_bytes())?;
        files::write_public(&folder.join(format!("{stem}.crt")), self.certificate_pem.as_bytes())
    }
}

/// All certificates of a PEM text; at least one.
pub(crate) fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    all.ok().filter(|all| !all.is_empty()).ok_or_else(|| PkiError::Pem("the certificate".into()))
}

/// The cluster's certificate authority.
pub struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
}

impl CertificateAuthority {
    /// Loads `ca.crt` and `ca.key` from `folder`, or makes both (ten years, key 0600).
    pub fn load_or_create(folder: &Path, now: Timestamp) -> Result<Self, PkiError> {
        let (certificate_path, key_path) = (folder.join("ca.crt"), folder.join("ca.key"));
        if let (Some(certificate), Some(key)) =
            (files::read_if_there(&certificate_path)?, files::read_if_there(&key_path)?)
        {
            return Self::from_pem(certificate, &key);
        }
        let (authority, key_pem) = Self::create(now)?;
        // The key first: a certificate without its key would be taken for a complete pair that is broken.
        files::write_private(&key_path, key_pem.as_bytes())?;
        files::write_public(&certificate_path, authority.certificate_pem.as_bytes())?;
        Ok(authority)
    }

    pub fn from_pem(certificate_pem: String, key_pem: &str) -> Result<Self, PkiError> {
        let issuer = Issuer::from_ca_cert_pem(&certificate_pem, KeyPair::from_pem(key_pem)?)?;
        Ok(Self { issuer, certificate_pem })
    }

    fn create(now: Timestamp) -> Result<(Self, String), PkiError> {
        let mut params = subject("gantry-ca", None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        Validity::days(now, 3650).apply(&mut params);
        let key = KeyPair::generate()?;
        let key_pem = key.serialize_pem();
        let certificate_pem = params.self_signed(&key)?.pem();
        Ok((Self { issuer: Issuer::new(params, key), certificate_pem }, key_pem))
    }

    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    pub(crate) fn certificate_der(&self) -> Result<CertificateDer<'static>, PkiError> {
        Ok(certificates(&self.certificate_pem)?.swap_remove(0))
    }

    pub(crate) fn key(&self) -> &KeyPair {
        self.issuer.key()
    }

    /// A serving certificate for these names and addresses.
    pub fn issue_server(
        &self,
        common_name: &str,
        names: &[String],
        addresses: &[IpAddr],
        validity: Validity,
    ) -> Result<IssuedCertificate, PkiError> {
        let alternatives: Vec<String> = names.iter().cloned().chain(addresses.iter().map(IpAddr::to_string)).collect();
        let mut params = CertificateParams::new(alternatives)?;
        params.distinguished_name = subject(common_name, None).distinguished_name;
        self.issue(params, &[ExtendedKeyUsagePurpose::ServerAuth], validity)
    }

    /// A client certificate: the common name is the user, the organisation is the group (rcgen writes one at most).
    pub fn issue_client(
        &self,
        user: &str,
        group: Option<&str>,
        validity: Validity,
    ) -> Result<IssuedCertificate, PkiError> {
        self.issue(subject(user, group), &[ExtendedKeyUsagePurpose::ClientAuth], validity)
    }

    /// As [`Self::issue_client`], for a kubeconfig that any client may read: with an RSA key in PKCS #1, as not every SDK
    /// reads others (fabric8 does not without further libraries).
    pub fn issue_operator(
        &self,
        user: &str,
        group: Option<&str>,
        validity: Validity,
    ) -> Result<IssuedCertificate, PkiError> {
        let key = RsaPrivateKey::new(&mut OsRng, RSA_BITS).map_err(rsa_failure)?;
        let pair = KeyPair::from_pem(&key.to_pkcs8_pem(LineEnding::LF).map_err(rsa_failure)?)?;
        let mut params = subject(user, group);
        finish(&mut params, &[ExtendedKeyUsagePurpose::ClientAuth], validity);
        let certificate = params.signed_by(&pair, &self.issuer)?;
        let key_pem = key.to_pkcs1_pem(LineEnding::LF).map_err(rsa_failure)?;
        Ok(IssuedCertificate { certificate_pem: certificate.pem(), key_pem: key_pem.to_string() })
    }

    /// The certificate of a node daemon: `system:node:NAME` in `system:nodes`, for calls to the API and for serving the
    /// kubelet API on these addresses.
    pub fn issue_node(
        &self,
        node: &str,
        addresses: &[IpAddr],
        validity: Validity,
    ) -> Result<IssuedCertificate, PkiError> {
        let alternatives: Vec<String> =
            std::iter::once(node.to_owned()).chain(addresses.iter().map(IpAddr::to_string)).collect();
        let mut params = CertificateParams::new(alternatives)?;
        params.distinguished_name = subject(&node_user_name(node), Some(GROUP_NODES)).distinguished_name;
        self.issue(params, &[ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth], validity)
    }

    fn issue(
        &self,
        mut params: CertificateParams,
        usages: &[ExtendedKeyUsagePurpose],
        validity: Validity,
    ) -> Result<IssuedCertificate, PkiError> {
        finish(&mut params, usages, validity);
        let key = KeyPair::generate()?;
        let certificate: Certificate = params.signed_by(&key, &self.issuer)?;
        Ok(IssuedCertificate { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}

fn rsa_failure(error: impl std::error::Error + Send + Sync + 'static) -> PkiError {
    PkiError::Rsa(Box::new(error))
}

pub(super) fn subject(common_name: &str, organisation: Option<&str>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    if let Some(organisation) = organisation {
        params.distinguished_name.push(DnType::OrganizationName, organisation);
    }
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

fn finish(params: &mut CertificateParams, usages: &[ExtendedKeyUsagePurpose], validity: Validity) {
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = usages.to_vec();
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(SerialNumber::from_slice(&(rand::random::<u128>() >> 1).to_be_bytes()));
    validity.apply(params);
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn an_operators_key_is_one_that_every_client_reads() {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::now();
        let authority = CertificateAuthority::load_or_create(folder.path(), now).unwrap();
        let issued = authority.issue_operator("jane", Some("ops"), Validity::days(now, 1)).unwrap();
        assert!(issued.key_pem.starts_with("-----BEGIN RSA PRIVATE KEY-----"));
        crate::pki::client_config(authority.certificate_pem(), Some(&issued))
            .expect("key and certificate belong together");
    }

    #[test]
    fn the_authority_is_made_once_and_its_key_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::now();
        let first = CertificateAuthority::load_or_create(folder.path(), now).unwrap();
        let second = CertificateAuthority::load_or_create(folder.path(), now).unwrap();
        assert_eq!(first.certificate_pem(), second.certificate_pem());
        let mode = std::fs::metadata(folder.path().join("ca.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        second.issue_client("jane", Some("a"), Validity::days(now, 1)).unwrap().save(folder.path(), "jane").unwrap();
        assert!(folder.path().join("jane.crt").exists());
    }
}
