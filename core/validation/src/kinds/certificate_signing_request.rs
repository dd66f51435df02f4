//! CertificateSigningRequest. Whether the request itself parses is for the signer that reads it.

use crate::{
    field::{Causes, Field, Root},
    names,
    table::Update,
};

const EXPIRATION_MIN_SECONDS: i64 = 600;
/// Of the version before v1.
const LEGACY_SIGNER: &str = "kubernetes.io/legacy-unknown";
const SIGNER_MAX_BYTES: usize = 571;
/// Conditions that decide, and stay.
const DECISIONS: [&str; 3] = ["Approved", "Denied", "Failed"];
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
    let spec = object.member("spec");
    let (request, usages) = (spec.member("request"), spec.member("usages"));
    if !holds_block(request.text(), "CERTIFICATE REQUEST") {
        causes.invalid(&request, "PEM block type must be CERTIFICATE REQUEST");
    }
    if causes.require(&usages) {
        self::usages(&usages, causes);
    }
    signer(&spec.member("signerName"), causes);
    if spec.member("signerName").text() == LEGACY_SIGNER {
        causes.invalid(&spec.member("signerName"), "the legacy signerName is not allowed via this API version");
    }
    let seconds = spec.member("expirationSeconds");
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
    let (new, old) = (conditions(update.new), conditions(update.old));
    let field = update.new.member("status").member("conditions");
    judge_conditions(&field, causes);
    certificate(update, causes);
    let has = |list: &[&str], kind: &str| list.contains(&kind);
    let both = |list: &[&str]| has(list, "Approved") && has(list, "Denied");
    if both(&new) && !both(&old) {
        causes.invalid(&field, "Approved and Denied conditions are mutually exclusive");
    }
    if DECISIONS.iter().any(|kind| has(&old, kind) && !has(&new, kind)) {
        causes.forbidden(&field, "Approved, Denied and Failed conditions may not be removed");
    }
    let decided_now = |kind: &str| matches!(kind, "Approved" | "Denied") && !has(&old, kind);
    if update.subresource == Some("status") && new.iter().any(|kind| decided_now(kind)) {
        causes.forbidden(&field, "Approved and Denied conditions may only be added through approval");
    }
}

/// A certificate is set once, and is one.
fn certificate(update: Update<'_>, causes: &mut Causes) {
    let field = |root: Root<'_>| root.member("status").member("certificate").text().to_owned();
    let (new, old) = (field(update.new), field(update.old));
    let reported = update.new.member("status").member("certificate");
    if !old.is_empty() && old != new {
        causes.invalid(&reported, "field is immutable");
    } else if old != new && !holds_block(&new, "CERTIFICATE") {
        causes.invalid(&reported, "must be base64 of PEM blocks CERTIFICATE");
    }
}

/// Each type once; the types that decide are `True`.
fn judge_conditions(field: &Field<'_>, causes: &mut Causes) {
    let mut seen: Vec<&str> = Vec::new();
    for condition in field.items() {
        let (kind, status) = (condition.member("type"), condition.member("status"));
        causes.require(&kind);
        let supported: &[&str] =
            if DECISIONS.contains(&kind.text()) { &["True"] } else { &["True", "False", "Unknown"] };
        causes.require_one_of(&status, supported);
        if seen.contains(&kind.text()) {
            causes.duplicate(&kind);
        }
        seen.push(kind.text());
    }
}

fn conditions<'a>(object: Root<'a>) -> Vec<&'a str> {
    object.member("status").member("conditions").items().map(|condition| condition.member("type").text()).collect()
}
