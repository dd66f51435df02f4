//! The `admissionregistration.k8s.io` group: webhooks, policies, and what binds policies.

pub mod binding;
pub mod expressions;
pub mod policy;
pub mod rule;
pub mod webhook;

use gantry_kinds::fields::admissionregistration_v1::{MatchResources, NamedRuleWithOperations};

use crate::{
    field::{Causes, Field},
    names,
    rules::selector,
};

const FAILURE_POLICIES: [&str; 2] = ["Fail", "Ignore"];
const MATCH_POLICIES: [&str; 2] = ["Equivalent", "Exact"];
const REINVOCATION_POLICIES: [&str; 2] = ["IfNeeded", "Never"];

/// One of `supported`, if set.
fn optional(field: &Field<'_>, supported: &[&str], causes: &mut Causes) {
    if field.is_set() {
        causes.one_of(field, supported);
    }
}

/// [`Causes::not_supported`] unless one of `supported`; required if absent.
fn required(field: &Field<'_>, supported: &[&str], causes: &mut Causes) {
    match field.is_set() {
        true => causes.one_of(field, supported),
        false => causes.required(field),
    }
}

/// What a policy or its binding is about.
fn match_resources(resources: &Field<'_>, causes: &mut Causes) {
    required(&resources.member(MatchResources::MATCH_POLICY), &MATCH_POLICIES, causes);
    for member in [MatchResources::NAMESPACE_SELECTOR, MatchResources::OBJECT_SELECTOR] {
        let selected = resources.member(member);
        if selected.is_set() {
            selector::label_selector(&selected, causes);
        } else {
            causes.required(&selected);
        }
    }
    for member in [MatchResources::RESOURCE_RULES, MatchResources::EXCLUDE_RESOURCE_RULES] {
        for rule in resources.member(member).items() {
            resource_names(&rule.member(NamedRuleWithOperations::RESOURCE_NAMES), causes);
            rule::rule_with_operations(&rule, causes);
        }
    }
}

/// What is deleted cannot be changed. Reported without the indices.
fn mutable_operations(rules: &Field<'_>, causes: &mut Causes) {
    let reported = rules.member(NamedRuleWithOperations::OPERATIONS);
    for rule in rules.items() {
        for operation in rule.member(NamedRuleWithOperations::OPERATIONS).items() {
            causes.one_of(&operation.reported_at(&reported), &["*", "CONNECT", "CREATE", "UPDATE"]);
        }
    }
}

fn resource_names(list: &Field<'_>, causes: &mut Causes) {
    let mut seen: Vec<&str> = Vec::new();
    for name in list.items() {
        causes.invalid_each(&name, names::path_segment(name.text()));
        if seen.contains(&name.text()) {
            causes.duplicate(&name);
        }
        seen.push(name.text());
    }
}
