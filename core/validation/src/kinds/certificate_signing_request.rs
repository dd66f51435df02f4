//! CertificateSigningRequest. Whether the request itself parses is for the signer that reads it.

use gantry_kinds::fields::certificates_v1::{
    CertificateSigningRequest, CertificateSigningRequestCondition, CertificateSigningRequestSpec as Spec,
    CertificateSigningRequestStatus as Status,
};

use crate::{
    field::{Causes, Field, Root},
    names,
    table::{Look, Update},
};

const EXPIRATION_MIN_SECONDS: i64 = 600;
/// Of the version before v1.
const LEGACY_SIGNER: &str = "kubernetes.io/legacy-unknown";
const SIGNER_MAX_BYTES: usize = 571;
/// Conditions that decide, and stay.
const DECISIONS: [&str; 3] = ["Approved", "Denied", "Failed"];
/// Those of them that only the approval sets.
const APPROVALS: [&str; 2] = ["Approved", "Denied"];
const USAGES: [&str; 23] = [
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

pub fn create(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member(CertificateSigningRequest::SPEC);
    let (request, usages) = (spec.member(Spec::REQUEST), spec.member(Spec::USAGES));
    if !holds_block(request.text(), "CERTIFICATE REQUEST") {
        causes.invalid(&request, "PEM block type must be CERTIFICATE REQUEST");
    }
    if causes.require(&usages) {
        self::usages(&usages, causes);
    }
    signer(&spec.member(Spec::SIGNER_NAME), causes);
    if spec.member(Spec::SIGNER_NAME).text() == LEGACY_SIGNER {
        causes.invalid(&spec.member(Spec::SIGNER_NAME), "the legacy signerName is not allowed via this API version");
    }
    let seconds = spec.member(Spec::EXPIRATION_SECONDS);
    if seconds.int().is_some_and(|n| n < EXPIRATION_MIN_SECONDS) {
        causes.invalid(&seconds, "may not specify a duration less than 600 seconds (10 minutes)");
    }
}

/// Base64 of a PEM block of that label.
fn holds_block(base64: &str, label: &str) -> bool {
    use base64::Engine as _;
    let decoded = base64::engine::general_purpose::STANDARD.decode(base64).unwrap_or_default();
    let text = String::from_utf8_lossy(&decoded);
    let body = text.split_once(&format!("-----BEGIN {label}-----")).map(|(_, rest)| rest);
    body.is_some_and(|rest| rest.contains(&format!("-----END {label}-----")))
}

fn usages(usages: &Field<'_>, causes: &mut Causes) {
    let mut seen: Vec<&str> = Vec::new();
    for usage in usages.items() {
        causes.one_of(&usage, &USAGES);
        if seen.contains(&usage.text()) {
            causes.duplicate(&usage);
        }
        seen.push(usage.text());
    }
}

/// `example.com/name`: a domain of at least two labels, and a path of subdomains.
fn signer(signer: &Field<'_>, causes: &mut Causes) {
    if !causes.require(signer) {
        return;
    }
    let Some((domain, path)) = signer.text().split_once('/').filter(|(_, path)| !path.contains('/')) else {
        return causes
            .invalid(signer, "must be a fully qualified domain and path of the form 'example.com/signer-name'");
    };
    causes.invalid_each(signer, names::dns_subdomain(domain));
    if !domain.contains('.') {
        causes.invalid(signer, "should be a domain with at least two segments separated by dots");
    }
    for part in path.split('.') {
        causes.invalid_each(signer, names::dns_label(part));
    }
    if signer.text().len() > SIGNER_MAX_BYTES {
        causes.too_long(signer, SIGNER_MAX_BYTES);
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    update.look(Look::Whole, causes);
    let (field, before) = (conditions(update.new), conditions(update.old));
    judge_conditions(&field, &before, causes);
    let certificate = update.new.member(CertificateSigningRequest::STATUS).member(Status::CERTIFICATE);
    let was = update.old.member(CertificateSigningRequest::STATUS).member(Status::CERTIFICATE);
    let is_new = certificate.text() != was.text();
    if is_new && !is_certificate(&certificate) && is_certificate(&was) {
        causes.invalid(&certificate, "must be base64 of PEM blocks CERTIFICATE");
    }
    for kind in DECISIONS.iter().filter(|kind| count(&field, kind) < count(&before, kind)) {
        causes.forbidden_because(&field, &format!("updates may not remove a condition of type {kind:?}"));
    }
    if update.subresource == Some("status") {
        for kind in APPROVALS.iter().filter(|kind| count(&field, kind) > count(&before, kind)) {
            causes.forbidden_because(&field, &format!("updates may not add a condition of type {kind:?}"));
        }
    }
    if is_new && !was.is_empty() {
        causes.forbidden(&certificate, "updates may not modify existing certificate content");
    }
    update.look(Look::Changes, causes);
}

/// What is issued: nothing yet, or PEM blocks of certificates and nothing else.
fn is_certificate(certificate: &Field<'_>) -> bool {
    certificate.is_empty() || (holds_block(certificate.text(), "CERTIFICATE") && holds_certificates(certificate.text()))
}

/// Whether each block of the PEM in a base64 text is a certificate by its outer form.
fn holds_certificates(base64: &str) -> bool {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let pem = STANDARD.decode(base64).unwrap_or_default();
    let pem = String::from_utf8_lossy(&pem);
    let blocks = pem.split("-----BEGIN CERTIFICATE-----").skip(1);
    blocks.filter_map(|rest| rest.split_once("-----END CERTIFICATE-----")).all(|(body, _)| {
        let body: String = body.split_whitespace().collect();
        STANDARD.decode(body).is_ok_and(|der| is_signed_sequence(&der))
    })
}

/// X.509 in DER: a sequence of what is signed (a sequence), the algorithm (a sequence) and the signature (a string of bits).
fn is_signed_sequence(der: &[u8]) -> bool {
    const SEQUENCE: u8 = 0x30;
    const BITS: u8 = 0x03;
    let Some((SEQUENCE, mut inner, [])) = element(der) else { return false };
    for wanted in [SEQUENCE, SEQUENCE, BITS] {
        match element(inner) {
            Some((tag, content, rest)) if tag == wanted && !content.is_empty() => inner = rest,
            _ => return false,
        }
    }
    inner.is_empty()
}

/// The first element of DER: its tag, its content, and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match *first {
        short @ ..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// Each type once, the types that decide being `True`. What was otherwise before may stay so.
fn judge_conditions(field: &Field<'_>, before: &Field<'_>, causes: &mut Causes) {
    let (may_be_empty, may_repeat) = (count(before, "") > 0, has_duplicates(before));
    let may_be_both = APPROVALS.iter().all(|kind| count(before, kind) > 0);
    let mut seen: Vec<&str> = Vec::new();
    for condition in field.items() {
        let (kind, status) = (
            condition.member(CertificateSigningRequestCondition::TYPE),
            condition.member(CertificateSigningRequestCondition::STATUS),
        );
        if !may_be_empty {
            causes.require(&kind);
        }
        let supported: &[&str] =
            if DECISIONS.contains(&kind.text()) { &["True"] } else { &["True", "False", "Unknown"] };
        causes.require_one_of(&status, supported);
        let decides = APPROVALS.contains(&kind.text());
        if decides && !may_be_both && APPROVALS.iter().any(|other| *other != kind.text() && seen.contains(other)) {
            causes.invalid(field, "Approved and Denied conditions are mutually exclusive");
        }
        if seen.contains(&kind.text()) && !may_repeat {
            causes.duplicate(&kind);
        }
        seen.push(kind.text());
    }
}

fn conditions<'a>(object: Root<'a>) -> Field<'a> {
    object.member(CertificateSigningRequest::STATUS).member(Status::CONDITIONS)
}

/// How many conditions are of a type.
fn count(conditions: &Field<'_>, kind: &str) -> usize {
    conditions
        .items()
        .filter(|condition| condition.member(CertificateSigningRequestCondition::TYPE).text() == kind)
        .count()
}

fn has_duplicates(conditions: &Field<'_>) -> bool {
    conditions
        .items()
        .any(|condition| count(conditions, condition.member(CertificateSigningRequestCondition::TYPE).text()) > 1)
}
