//! A PKCS#10 request, read: who it names and for what.

use std::net::IpAddr;

use base64::{Engine, prelude::BASE64_STANDARD};
use rustls_pki_types::{CertificateSigningRequestDer, pem::PemObject};
use thiserror::Error;
use x509_parser::{
    certification_request::X509CertificationRequest,
    extensions::{GeneralName, ParsedExtension},
    prelude::FromDer,
};

use crate::pki::SubjectNames;

/// Why `spec.request` cannot be signed by anybody.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RequestError {
    #[error("the request is not base64 of a PEM block CERTIFICATE REQUEST")]
    Pem,
    /// Its subject may hold names in texts of a kind that nobody writes any more.
    #[error("the request cannot be parsed: {0}")]
    Parse(String),
    /// The requester does not hold the key.
    #[error("the request is not signed by the key that it names")]
    Signature,
    #[error("a subject alternative name of this kind is not supported: {0}")]
    AlternativeName(String),
}

/// What a request asks to be certified. Parts that end up in the certificate as they came are kept as DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRequest {
    pub common_name: String,
    pub organizations: Vec<String>,
    pub dns_names: Vec<String>,
    pub ip_addresses: Vec<IpAddr>,
    pub emails: Vec<String>,
    pub uris: Vec<String>,
    pub(super) subject_der: Vec<u8>,
    pub(super) public_key_der: Vec<u8>,
}

impl CertificateRequest {
    /// Reads `spec.request` of a CertificateSigningRequest: base64 of PEM.
    ///
    /// # Errors
    /// If it is not one, or its signature does not prove that the requester has the key.
    pub fn from_spec(request: &str) -> Result<Self, RequestError> {
        let pem = BASE64_STANDARD.decode(request).map_err(|_| RequestError::Pem)?;
        let der = CertificateSigningRequestDer::from_pem_slice(&pem).map_err(|_| RequestError::Pem)?;
        let (_, read) =
            X509CertificationRequest::from_der(&der).map_err(|error| RequestError::Parse(error.to_string()))?;
        read.verify_signature().map_err(|_| RequestError::Signature)?;
        let subject = &read.certification_request_info.subject;
        let names = SubjectNames::read(subject).map_err(|error| RequestError::Parse(error.to_string()))?;
        let mut request = Self {
            common_name: names.common_name,
            organizations: names.organizations,
            dns_names: Vec::new(),
            ip_addresses: Vec::new(),
            emails: Vec::new(),
            uris: Vec::new(),
            subject_der: subject.as_raw().to_vec(),
            public_key_der: read.certification_request_info.subject_pki.raw.to_vec(),
        };
        for extension in read.requested_extensions().into_iter().flatten() {
            if let ParsedExtension::SubjectAlternativeName(names) = extension {
                names.general_names.iter().try_for_each(|name| request.add_alternative(name))?;
            }
        }
        Ok(request)
    }

    fn add_alternative(&mut self, name: &GeneralName<'_>) -> Result<(), RequestError> {
        match name {
            GeneralName::DNSName(name) => self.dns_names.push((*name).to_owned()),
            GeneralName::RFC822Name(name) => self.emails.push((*name).to_owned()),
            GeneralName::URI(name) => self.uris.push((*name).to_owned()),
            GeneralName::IPAddress(octets) => self.ip_addresses.push(address(octets)?),
            other => return Err(RequestError::AlternativeName(format!("{other:?}"))),
        }
        Ok(())
    }

    /// Whether the request asks for any name besides its subject.
    pub fn has_alternatives(&self) -> bool {
        !(self.dns_names.is_empty() && self.ip_addresses.is_empty() && self.emails.is_empty() && self.uris.is_empty())
    }

    /// The node whose identity is asked for: `system:node:NAME` in `system:nodes` and nothing else.
    pub fn node_name(&self) -> Option<&str> {
        let name = self.common_name.strip_prefix("system:node:").filter(|name| !name.is_empty())?;
        (self.organizations == [crate::user::GROUP_NODES]).then_some(name)
    }
}

fn address(octets: &[u8]) -> Result<IpAddr, RequestError> {
    let wrong = || RequestError::Parse(format!("an IP address of {} octets", octets.len()));
    if let Ok(four) = <[u8; 4]>::try_from(octets) {
        return Ok(four.into());
    }
    Ok(<[u8; 16]>::try_from(octets).map_err(|_| wrong())?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::NewRequest;

    fn encoded(request: &NewRequest) -> String {
        BASE64_STANDARD.encode(&request.request_pem)
    }

    #[test]
    fn a_request_says_who_and_for_what() {
        let names = ["n1".to_owned()];
        let made = NewRequest::server("system:node:n1", Some("system:nodes"), &names, &[[10, 0, 0, 1].into()]).unwrap();
        let read = CertificateRequest::from_spec(&encoded(&made)).unwrap();
        assert_eq!((&*read.common_name, &*read.organizations), ("system:node:n1", &["system:nodes".to_owned()][..]));
        assert_eq!((&*read.dns_names, &*read.ip_addresses), (&names[..], &[IpAddr::from([10, 0, 0, 1])][..]));
        assert_eq!(read.node_name(), Some("n1"));
        assert!(read.has_alternatives());
    }

    #[test]
    fn a_request_signed_by_another_key_is_refused() {
        let (mine, theirs) = (NewRequest::client("jane", None).unwrap(), NewRequest::client("jane", None).unwrap());
        let der =
            |made: &NewRequest| CertificateSigningRequestDer::from_pem_slice(made.request_pem.as_bytes()).unwrap();
        let (mut forged, other) = (der(&mine).to_vec(), der(&theirs).to_vec());
        // Both have the same layout: the signature is what stands at the end.
        let tail = forged.len().min(other.len()) - 60;
        forged.truncate(tail);
        forged.extend_from_slice(&other[tail..]);
        let forged = pem_of(&forged);
        let refused = CertificateRequest::from_spec(&BASE64_STANDARD.encode(forged)).unwrap_err();
        assert!(matches!(refused, RequestError::Signature | RequestError::Parse(_)), "{refused}");
        assert_eq!(CertificateRequest::from_spec("nonsense"), Err(RequestError::Pem));
    }

    fn pem_of(der: &[u8]) -> String {
        let body = BASE64_STANDARD.encode(der);
        format!("-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n")
    }
}
