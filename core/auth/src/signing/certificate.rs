//! The certificate that answers a request (RFC 5280), as DER: subject and key stand in it byte for byte as they were asked
//! for, which certificate builders that model a name as a map (several organisations!) do not give.

use std::net::IpAddr;

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::{Timestamp, tz::TimeZone};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, SigningKey};
use thiserror::Error;
use x509_parser::{extensions::ParsedExtension, prelude::FromDer, prelude::X509Certificate};
use yasna::{DERWriter, Tag, TagClass, models::ObjectIdentifier};

use super::CertificateRequest;

/// Why an authority cannot sign.
#[derive(Debug, Error)]
pub enum SignError {
    #[error("the authority's certificate cannot be read: {0}")]
    Authority(String),
    #[error("an authority with a key of this kind cannot sign requests; use ECDSA P-256, P-384, Ed25519 or RSA")]
    KeyKind,
    #[error("the authority's key does not sign: {0}")]
    Key(#[from] rcgen::Error),
}

/// From when until when; written with a second's precision.
#[derive(Clone, Copy, Debug)]
pub(super) struct Period {
    pub not_before: Timestamp,
    pub not_after: Timestamp,
}

/// What of the authority goes into each certificate.
pub(super) struct Issuer<'a> {
    key: &'a KeyPair,
    subject_der: Vec<u8>,
    key_identifier: Option<Vec<u8>>,
    algorithm_der: Vec<u8>,
    pub not_after: Timestamp,
}

impl<'a> Issuer<'a> {
    pub fn new(certificate_der: &[u8], key: &'a KeyPair) -> Result<Self, SignError> {
        let (_, certificate) =
            X509Certificate::from_der(certificate_der).map_err(|error| SignError::Authority(error.to_string()))?;
        let key_identifier = certificate.extensions().iter().find_map(|e| match e.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(identifier) => Some(identifier.0.to_vec()),
            _ => None,
        });
        let ends = certificate.validity().not_after.timestamp();
        Ok(Self {
            key,
            subject_der: certificate.subject().as_raw().to_vec(),
            key_identifier,
            algorithm_der: algorithm(key)?,
            not_after: Timestamp::from_second(ends).map_err(|error| SignError::Authority(error.to_string()))?,
        })
    }

    /// A leaf certificate, PEM. `usages` are those of the API (`client auth`, `digital signature`, ...).
    pub fn sign(&self, request: &CertificateRequest, usages: &[String], period: Period) -> Result<String, SignError> {
        let tbs = yasna::construct_der(|writer| self.write_tbs(writer, request, usages, period));
        let signature = self.key.sign(&tbs)?;
        let der = yasna::construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer.next().write_der(&tbs);
                writer.next().write_der(&self.algorithm_der);
                writer.next().write_bitvec_bytes(&signature, signature.len() * 8);
            });
        });
        Ok(pem(&der))
    }

    fn write_tbs(&self, writer: DERWriter<'_>, request: &CertificateRequest, usages: &[String], period: Period) {
        const VERSION_3: u8 = 2;
        writer.write_sequence(|writer| {
            writer.next().write_tagged(Tag::context(0), |writer| writer.write_u8(VERSION_3));
            // Positive, and never zero in practice: 127 random bits.
            writer.next().write_bigint_bytes(&(rand::random::<u128>() >> 1).to_be_bytes(), true);
            writer.next().write_der(&self.algorithm_der);
            writer.next().write_der(&self.subject_der);
            writer.next().write_sequence(|writer| {
                write_time(writer.next(), period.not_before);
                write_time(writer.next(), period.not_after);
            });
            writer.next().write_der(&request.subject_der);
            writer.next().write_der(&request.public_key_der);
            writer.next().write_tagged(Tag::context(3), |writer| self.write_extensions(writer, request, usages));
        });
    }

    fn write_extensions(&self, writer: DERWriter<'_>, request: &CertificateRequest, usages: &[String]) {
        writer.write_sequence(|writer| {
            let (key_usage, bits) = key_usage(usages);
            if bits > 0 {
                extension(writer.next(), 15, true, |writer| writer.write_bitvec_bytes(&key_usage, bits));
            }
            let extended: Vec<ObjectIdentifier> = usages.iter().filter_map(|usage| extended_usage(usage)).collect();
            if !extended.is_empty() {
                extension(writer.next(), 37, false, |writer| {
                    writer.write_sequence(|writer| extended.iter().for_each(|oid| writer.next().write_oid(oid)));
                });
            }
            // Not an authority: an empty sequence leaves `cA` at its default.
            extension(writer.next(), 19, true, |writer| writer.write_sequence(|_| ()));
            if let Some(identifier) = &self.key_identifier {
                extension(writer.next(), 35, false, |writer| {
                    writer.write_sequence(|writer| octets(writer.next(), 0, identifier));
                });
            }
            if request.has_alternatives() {
                extension(writer.next(), 17, false, |writer| write_alternatives(writer, request));
            }
        });
    }
}

/// `id-ce NUMBER`, RFC 5280 section 4.2.1.
fn extension(writer: DERWriter<'_>, number: u64, critical: bool, value: impl FnOnce(DERWriter<'_>)) {
    writer.write_sequence(|writer| {
        writer.next().write_oid(&ObjectIdentifier::from_slice(&[2, 5, 29, number]));
        if critical {
            writer.next().write_bool(true);
        }
        writer.next().write_bytes(&yasna::construct_der(value));
    });
}

fn octets(writer: DERWriter<'_>, tag: u64, bytes: &[u8]) {
    writer.write_tagged_implicit(Tag::context(tag), |writer| writer.write_bytes(bytes));
}

fn write_alternatives(writer: DERWriter<'_>, request: &CertificateRequest) {
    writer.write_sequence(|writer| {
        request.emails.iter().for_each(|name| octets(writer.next(), 1, name.as_bytes()));
        request.dns_names.iter().for_each(|name| octets(writer.next(), 2, name.as_bytes()));
        request.uris.iter().for_each(|name| octets(writer.next(), 6, name.as_bytes()));
        for address in &request.ip_addresses {
            match address {
                IpAddr::V4(four) => octets(writer.next(), 7, &four.octets()),
                IpAddr::V6(six) => octets(writer.next(), 7, &six.octets()),
            }
        }
    });
}

/// UTCTime until 2049, GeneralizedTime after (RFC 5280, 4.1.2.5).
fn write_time(writer: DERWriter<'_>, at: Timestamp) {
    const UTC_TIME: u64 = 23;
    const GENERALIZED_TIME: u64 = 24;
    let at = at.to_zoned(TimeZone::UTC);
    let text = at.strftime("%Y%m%d%H%M%SZ").to_string();
    let (number, text) = if at.year() < 2050 { (UTC_TIME, &text[2..]) } else { (GENERALIZED_TIME, &text[..]) };
    let tag = Tag { tag_class: TagClass::Universal, tag_number: number };
    writer.write_tagged_implicit(tag, |writer| writer.write_bytes(text.as_bytes()));
}

/// The bits of `KeyUsage` and how many there are.
fn key_usage(usages: &[String]) -> (Vec<u8>, usize) {
    const NAMES: [&[&str]; 9] = [
        &["digital signature", "signing"],
        &["content commitment"],
        &["key encipherment"],
        &["data encipherment"],
        &["key agreement"],
        &["cert sign"],
        &["crl sign"],
        &["encipher only"],
        &["decipher only"],
    ];
    let set = |names: &[&str]| usages.iter().any(|usage| names.contains(&usage.as_str()));
    let mut bits = [0_u8; 2];
    let mut length = 0;
    for (at, _) in NAMES.iter().enumerate().filter(|(_, names)| set(names)) {
        bits[at / 8] |= 0x80 >> (at % 8);
        length = at + 1;
    }
    (bits[..length.div_ceil(8)].to_vec(), length)
}

fn extended_usage(usage: &str) -> Option<ObjectIdentifier> {
    let purpose = |last| Some(ObjectIdentifier::from_slice(&[1, 3, 6, 1, 5, 5, 7, 3, last]));
    match usage {
        "any" => Some(ObjectIdentifier::from_slice(&[2, 5, 29, 37, 0])),
        "server auth" => purpose(1),
        "client auth" => purpose(2),
        "code signing" => purpose(3),
        "email protection" | "s/mime" => purpose(4),
        "ipsec end system" => purpose(5),
        "ipsec tunnel" => purpose(6),
        "ipsec user" => purpose(7),
        "timestamping" => purpose(8),
        "ocsp signing" => purpose(9),
        "microsoft sgc" => Some(ObjectIdentifier::from_slice(&[1, 3, 6, 1, 4, 1, 311, 10, 3, 3])),
        "netscape sgc" => Some(ObjectIdentifier::from_slice(&[2, 16, 840, 1, 113_730, 4, 1])),
        _ => None,
    }
}

/// The `AlgorithmIdentifier` of signatures by the key.
fn algorithm(key: &KeyPair) -> Result<Vec<u8>, SignError> {
    let (oid, null): (&[u64], bool) = match key.algorithm() {
        ecdsa if ecdsa == &PKCS_ECDSA_P256_SHA256 => (&[1, 2, 840, 10045, 4, 3, 2], false),
        ecdsa if ecdsa == &PKCS_ECDSA_P384_SHA384 => (&[1, 2, 840, 10045, 4, 3, 3], false),
        edwards if edwards == &PKCS_ED25519 => (&[1, 3, 101, 112], false),
        rsa if rsa == &PKCS_RSA_SHA256 => (&[1, 2, 840, 113_549, 1, 1, 11], true),
        _ => return Err(SignError::KeyKind),
    };
    Ok(yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_oid(&ObjectIdentifier::from_slice(oid));
            if null {
                writer.next().write_null();
            }
        });
    }))
}

fn pem(der: &[u8]) -> String {
    let body = BASE64_STANDARD.encode(der);
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in body.as_bytes().chunks(64) {
        // Base64 is ASCII.
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text + "-----END CERTIFICATE-----\n"
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;

    use super::*;
    use crate::pki::{CertificateAuthority, CertificateUser, ClientCertificates, NewRequest, SubjectNames};

    const UTF8: Tag = Tag { tag_class: TagClass::Universal, tag_number: 12 };
    const TELETEX: Tag = Tag { tag_class: TagClass::Universal, tag_number: 20 };

    fn request(made: &NewRequest) -> CertificateRequest {
        CertificateRequest::from_spec(&BASE64_STANDARD.encode(&made.request_pem)).unwrap()
    }

    fn issuer(authority: &CertificateAuthority) -> Issuer<'_> {
        Issuer::new(&authority.certificate_der().unwrap(), authority.key()).unwrap()
    }

    fn usages(list: &[&str]) -> Vec<String> {
        list.iter().map(|usage| (*usage).to_owned()).collect()
    }

    /// A name as `openssl req -subj` writes it, of these attributes below `id-at` and their texts.
    fn subject(attributes: &[(u64, Tag, &str)]) -> Vec<u8> {
        yasna::construct_der(|writer| {
            writer.write_sequence(|writer| {
                for (last, tag, text) in attributes {
                    writer.next().write_set(|writer| {
                        writer.next().write_sequence(|writer| {
                            writer.next().write_oid(&ObjectIdentifier::from_slice(&[2, 5, 4, *last]));
                            writer.next().write_tagged_implicit(*tag, |writer| writer.write_bytes(text.as_bytes()));
                        });
                    });
                }
            });
        })
    }

    /// What the request reads like, and whom the certificate for it names.
    fn signed_as(subject_der: Vec<u8>) -> (Option<SubjectNames>, Option<CertificateUser>) {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::now();
        let authority = CertificateAuthority::load_or_create(folder.path(), now).unwrap();
        let asked = CertificateRequest { subject_der, ..request(&NewRequest::client("jane", Some("dev")).unwrap()) };
        let period = Period { not_before: now, not_after: now + SignedDuration::from_mins(10) };
        let pem = issuer(&authority).sign(&asked, &usages(&["client auth", "digital signature"]), period).unwrap();
        let chain: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect();
        let judge = ClientCertificates::new(authority.certificate_pem()).unwrap();
        assert_eq!(judge.identify(&chain, now + SignedDuration::from_mins(11)), None);
        let (_, name) = x509_parser::x509::X509Name::from_der(&asked.subject_der).unwrap();
        (SubjectNames::read(&name).ok(), judge.identify(&chain, now))
    }

    #[test]
    fn a_signed_request_names_its_user_and_every_group() {
        let (_, jane) = signed_as(subject(&[(10, UTF8, "dev"), (10, UTF8, "ops"), (3, UTF8, "jane")]));
        let jane = jane.unwrap();
        assert_eq!(
            (&*jane.user.name, &*jane.user.groups),
            ("jane", &["dev", "ops", "system:authenticated"].map(str::to_owned)[..])
        );
        let left = jane.expires_at.duration_since(Timestamp::now());
        assert!(left > SignedDuration::from_mins(9) && left <= SignedDuration::from_mins(10), "{left}");
    }

    #[test]
    fn a_certificate_is_used_as_the_user_that_its_request_was_judged_by() {
        for (first, second) in [("somebody", "system:kube-proxy"), ("system:kube-proxy", "somebody")] {
            let (read, used) = signed_as(subject(&[(3, UTF8, first), (3, UTF8, second)]));
            assert_eq!(read.map(|names| names.common_name), used.map(|found| found.user.name.clone()));
        }
        let (read, used) = signed_as(subject(&[(10, TELETEX, "system:masters"), (3, UTF8, "jane")]));
        assert_eq!((read, used), (None, None), "a group that cannot be read is not left out");
    }

    #[test]
    fn usages_and_alternative_names_are_those_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::now();
        let authority = CertificateAuthority::load_or_create(folder.path(), now).unwrap();
        let addresses = [[10, 0, 0, 7].into(), "fd00::7".parse().unwrap()];
        let asked = NewRequest::server("system:node:n1", Some("system:nodes"), &["n1".into()], &addresses).unwrap();
        let period = Period { not_before: now, not_after: "2051-01-01T00:00:00Z".parse().unwrap() };
        let list = usages(&["server auth", "digital signature", "key encipherment", "decipher only"]);
        let pem = issuer(&authority).sign(&request(&asked), &list, period).unwrap();
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let (_, read) = X509Certificate::from_der(&der).unwrap();
        let usage = read.key_usage().unwrap().unwrap().value;
        assert!(
            usage.digital_signature() && usage.key_encipherment() && usage.decipher_only() && !usage.key_cert_sign()
        );
        assert!(read.extended_key_usage().unwrap().unwrap().value.server_auth);
        assert!(!read.is_ca());
        assert_eq!(read.subject_alternative_name().unwrap().unwrap().value.general_names.len(), 3);
        assert_eq!(read.validity().not_after.timestamp(), period.not_after.as_second());
        let names = ClientCertificates::new(authority.certificate_pem()).unwrap();
        assert_eq!(names.identify(std::slice::from_ref(&der), now), None, "a serving certificate is no client's");
    }
}
