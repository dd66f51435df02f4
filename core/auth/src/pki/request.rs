//! Asking another authority for a certificate: a key of our own, and the PKCS#10 request for it.

use std::net::IpAddr;

use jiff::Timestamp;
use rcgen::{CertificateParams, KeyPair};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{
    IssuedCertificate, PkiError,
    authority::{certificates, subject},
};

/// A key, and the request for a certificate of it. Both PEM.
#[derive(Clone)]
pub struct NewRequest {
    pub request_pem: String,
    pub key_pem: String,
}

impl NewRequest {
    /// For a client certificate: the common name is the user, the organisation the group.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn client(user: &str, group: Option<&str>) -> Result<Self, PkiError> {
        Self::new(&subject(user, group))
    }

    /// For a serving certificate of these names and addresses.
    ///
    /// # Errors
    /// If a name is none, or no key can be made.
    pub fn server(user: &str, group: Option<&str>, names: &[String], addresses: &[IpAddr]) -> Result<Self, PkiError> {
        let alternatives: Vec<String> = names.iter().cloned().chain(addresses.iter().map(IpAddr::to_string)).collect();
        let mut params = CertificateParams::new(alternatives)?;
        params.distinguished_name = subject(user, group).distinguished_name;
        Self::new(&params)
    }

    fn new(params: &CertificateParams) -> Result<Self, PkiError> {
        let key = KeyPair::generate()?;
        let request_pem = params.serialize_request(&key)?.pem()?;
        Ok(Self { request_pem, key_pem: key.serialize_pem() })
    }

    /// The certificate that an authority made of the request, with our key.
    pub fn answered(self, certificate_pem: String) -> IssuedCertificate {
        IssuedCertificate { certificate_pem, key_pem: self.key_pem }
    }
}

impl IssuedCertificate {
    /// A serving certificate signed by its own key, for as long as no authority has signed one.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn self_signed(name: &str) -> Result<Self, PkiError> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec![name.to_owned()])?.self_signed(&key)?;
        Ok(Self { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }

    /// When the certificate begins and ends to hold.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn validity(&self) -> Result<(Timestamp, Timestamp), PkiError> {
        let unreadable = || PkiError::Pem("the certificate".into());
        let chain = certificates(&self.certificate_pem)?;
        let (_, own) = X509Certificate::from_der(&chain[0]).map_err(|_| unreadable())?;
        let at = |seconds| Timestamp::from_second(seconds).map_err(|_| unreadable());
        Ok((at(own.validity().not_before.timestamp())?, at(own.validity().not_after.timestamp())?))
    }
}
