//! Rules that several kinds share.

pub mod client_config;
pub mod json_path;
pub mod net;
pub mod numbers;
pub mod paths;
pub mod resources;
pub mod schema;
pub mod selector;
pub mod volume_sources;

use gantry_kinds::fields::meta_v1::Condition;

use crate::{
    field::{Causes, Field},
    names,
};

/// `example.com/some/path`: a domain and a path.
pub fn domain_prefixed_path(field: &Field<'_>, causes: &mut Causes) {
    if !causes.require(field) {
        return;
    }
    let Some((domain, path)) =
        field.text().split_once('/').filter(|(domain, path)| !domain.is_empty() && !path.is_empty())
    else {
        return causes.invalid(field, "must be a domain-prefixed path (such as \"acme.io/foo\")");
    };
    causes.invalid_each(field, names::dns_subdomain(domain));
    if !path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&b)) {
        causes.invalid(field, "a valid path must consist of characters that URLs allow");
    }
}

const CONDITION_TEXT_MAX_BYTES: usize = 32_768;
const CONDITION_REASON_MAX_BYTES: usize = 1024;

/// Conditions of the common form: each type once, with a status, a time, a reason.
pub fn conditions(conditions: &Field<'_>, causes: &mut Causes) {
    let mut seen: Vec<&str> = Vec::new();
    for condition in conditions.items() {
        let (kind, reason, message) = (
            condition.member(Condition::TYPE),
            condition.member(Condition::REASON),
            condition.member(Condition::MESSAGE),
        );
        if seen.contains(&kind.text()) {
            causes.duplicate(&kind);
        }
        seen.push(kind.text());
        causes.invalid_each(&kind, names::qualified_name(kind.text()));
        causes.one_of(&condition.member(Condition::STATUS), &["False", "True", "Unknown"]);
        causes.non_negative(&condition.member(Condition::OBSERVED_GENERATION));
        causes.require(&condition.member(Condition::LAST_TRANSITION_TIME));
        if reason.is_empty() {
            causes.required(&reason);
        } else if reason.text().len() > CONDITION_REASON_MAX_BYTES {
            causes.too_long(&reason, CONDITION_REASON_MAX_BYTES);
        } else if !names::is_condition_reason(reason.text()) {
            causes.invalid(&reason, "a condition reason must start with a letter, and be one word");
        }
        if message.text().len() > CONDITION_TEXT_MAX_BYTES {
            causes.too_long(&message, CONDITION_TEXT_MAX_BYTES);
        }
    }
}
