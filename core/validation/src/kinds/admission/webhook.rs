//! ValidatingWebhookConfiguration and MutatingWebhookConfiguration.

use gantry_kinds::fields::admissionregistration_v1::{MutatingWebhook, MutatingWebhookConfiguration};

use super::{FAILURE_POLICIES, MATCH_POLICIES, REINVOCATION_POLICIES, expressions, optional, rule};
use crate::{
    field::{Causes, Field, Root},
    names,
    ratchet::Ratchet,
    rules::{client_config, selector},
    table::Update,
};

const TIMEOUT_MAX_SECONDS: i64 = 30;
/// Versions of reviews that can be sent.
const REVIEWS: [&str; 2] = ["v1", "v1beta1"];

pub fn create(object: Root<'_>, causes: &mut Causes) {
    let mut seen: Vec<&str> = Vec::new();
    for hook in object.member(MutatingWebhookConfiguration::WEBHOOKS).items() {
        webhook(&hook, causes);
        review_versions(&hook.member(MutatingWebhook::ADMISSION_REVIEW_VERSIONS), causes);
        let name = hook.member(MutatingWebhook::NAME);
        if seen.contains(&name.text()) && !name.is_empty() {
            causes.ratcheted(Ratchet::WebhookName, |causes| causes.duplicate(&name));
        }
        seen.push(name.text());
    }
}

fn webhook(hook: &Field<'_>, causes: &mut Causes) {
    qualified(&hook.member(MutatingWebhook::NAME), causes);
    hook.member(MutatingWebhook::RULES).items().for_each(|one| rule::rule_with_operations(&one, causes));
    optional(&hook.member(MutatingWebhook::FAILURE_POLICY), &FAILURE_POLICIES, causes);
    optional(&hook.member(MutatingWebhook::MATCH_POLICY), &MATCH_POLICIES, causes);
    let effects = hook.member(MutatingWebhook::SIDE_EFFECTS);
    match effects.text() {
        _ if !effects.is_set() => causes.required(&effects),
        // Where a stored hook has others, these may have them as well.
        "Some" | "Unknown" => causes.ratcheted(Ratchet::SideEffects, |causes| {
            causes.not_supported(&effects, &["None", "NoneOnDryRun"]);
        }),
        _ => causes.one_of(&effects, &["None", "NoneOnDryRun"]),
    }
    let timeout = hook.member(MutatingWebhook::TIMEOUT_SECONDS);
    if timeout.int().is_some_and(|seconds| !(1..=TIMEOUT_MAX_SECONDS).contains(&seconds)) {
        causes.invalid(&timeout, "the timeout value must be between 1 and 30 seconds");
    }
    for member in [MutatingWebhook::NAMESPACE_SELECTOR, MutatingWebhook::OBJECT_SELECTOR] {
        selector::label_selector(&hook.member(member), causes);
    }
    optional(&hook.member(MutatingWebhook::REINVOCATION_POLICY), &REINVOCATION_POLICIES, causes);
    client_config::client_config(&hook.member(MutatingWebhook::CLIENT_CONFIG), causes);
    expressions::match_conditions(
        &hook.member(MutatingWebhook::MATCH_CONDITIONS),
        expressions::webhook_conditions(),
        causes,
    );
}

/// A name of at least three labels.
fn qualified(name: &Field<'_>, causes: &mut Causes) {
    if !causes.require(name) {
        return;
    }
    if !names::dns_subdomain(name.text()).is_empty() {
        causes.invalid(name, "must be a domain name");
    } else if name.text().split('.').count() < 3 {
        causes.invalid(name, "should be a domain with at least three segments separated by dots");
    }
}

fn review_versions(versions: &Field<'_>, causes: &mut Causes) {
    if !causes.require(versions) {
        return;
    }
    let mut seen: Vec<&str> = Vec::new();
    for version in versions.items() {
        if seen.contains(&version.text()) {
            causes.invalid(&version, "duplicate version");
        } else {
            causes.invalid_each(&version, names::dns_1035_label(version.text()));
            seen.push(version.text());
        }
    }
    if !seen.iter().any(|version| REVIEWS.contains(version)) {
        causes.ratcheted(Ratchet::ReviewVersion, |causes| {
            causes.invalid(versions, "must include at least one of v1, v1beta1");
        });
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    create(update.new, causes);
}
