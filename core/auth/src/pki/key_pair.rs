//! Whether a private key belongs to a certificate, both as somebody else made them.

use rustls::crypto::ring::sign::any_supported_type;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use thiserror::Error;
use x509_parser::{certificate::X509Certificate, der_parser::parse_der, prelude::FromDer as _, public_key::PublicKey};

/// Why a certificate and a key cannot be served together.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum KeyPairError {
    #[error("no PEM block CERTIFICATE is in the certificate")]
    NoCertificate,
    #[error("no PEM block of a private key is in the key")]
    NoKey,
    #[error("the certificate cannot be parsed")]
    BadCertificate,
    #[error("the private key cannot be parsed")]
    BadKey,
    #[error("the private key is not that of the certificate")]
    Mismatch,
}

/// Checks that the first certificate of one PEM text is for the private key in another.
pub fn check_key_pair(certificates_pem: &[u8], key_pem: &[u8]) -> Result<(), KeyPairError> {
    let certificate = CertificateDer::pem_slice_iter(certificates_pem).find_map(Result::ok);
    let certificate = certificate.ok_or(KeyPairError::NoCertificate)?;
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|_| KeyPairError::NoKey)?;
    let (_, certificate) = X509Certificate::from_der(&certificate).map_err(|_| KeyPairError::BadCertificate)?;
    if parse_der(key.secret_der()).is_ok_and(|(rest, _)| rest.is_empty()) {
        if belongs(&key, &certificate) { Ok(()) } else { Err(KeyPairError::Mismatch) }
    } else {
        Err(KeyPairError::BadKey)
    }
}

/// Of a key that cannot be used here, though others may (a short one, a rare curve), its public part is looked for in it.
fn belongs(key: &PrivateKeyDer<'_>, certificate: &X509Certificate<'_>) -> bool {
    let public = certificate.public_key();
    if let Some(of_key) = any_supported_type(key).ok().and_then(|key| key.public_key().map(|public| public.to_vec())) {
        return of_key == public.raw;
    }
    match public.parsed() {
        Ok(PublicKey::RSA(rsa)) => holds(key.secret_der(), rsa.modulus),
        _ => holds(key.secret_der(), &public.subject_public_key.data),
    }
}

fn holds(whole: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && whole.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_key_fits_its_own_certificate_alone() {
        let ((certificate, key), (_, other)) = (made(), made());
        let check = |certificate: &str, key: &str| check_key_pair(certificate.as_bytes(), key.as_bytes());
        assert_eq!(check(&certificate, &key), Ok(()));
        assert_eq!(check(&certificate, &other), Err(KeyPairError::Mismatch));
        assert_eq!(check(&key, &certificate), Err(KeyPairError::NoCertificate));
        assert_eq!(check(&certificate, "x"), Err(KeyPairError::NoKey));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(check(broken, &key), Err(KeyPairError::BadCertificate));
        let broken = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(check(&certificate, broken), Err(KeyPairError::BadKey));
    }
}
