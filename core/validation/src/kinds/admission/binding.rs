//! ValidatingAdmissionPolicyBinding and MutatingAdmissionPolicyBinding.

use super::{match_resources, mutable_operations};
use crate::{
    field::{Causes, Field, Root},
    names,
    rules::selector,
    table::Update,
};

pub fn create_validating(object: Root<'_>, causes: &mut Causes) {
    binding(object, causes);
    actions(&object.member("spec").member("validationActions"), causes);
}

pub fn create_mutating(object: Root<'_>, causes: &mut Causes) {
    binding(object, causes);
    mutable_operations(&object.member("spec").member("matchResources").member("resourceRules"), causes);
}

fn binding(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member("spec");
    let policy = spec.member("policyName");
    if causes.require(&policy) {
        causes.invalid_each(&policy, names::dns_subdomain(policy.text()));
    }
    param_ref(&spec.member("paramRef"), causes);
    let resources = spec.member("matchResources");
    if resources.is_set() {
        match_resources(&resources, causes);
    }
}

/// Parameters are found by name or by selector.
fn param_ref(reference: &Field<'_>, causes: &mut Causes) {
    if !reference.is_set() {
        return;
    }
    let (name, selected) = (reference.member("name"), reference.member("selector"));
    let both = !name.is_empty() && selected.is_set();
    if !name.is_empty() {
        causes.invalid_each(&name, names::path_segment(name.text()));
    }
    if both {
        causes.forbidden(&name, "name and selector are mutually exclusive");
    }
    selector::label_selector(&selected, causes);
    if both {
        causes.forbidden(&selected, "name and selector are mutually exclusive");
    }
    if name.is_empty() && !selected.is_set() {
        causes.required(reference);
    }
    causes.require_one_of(&reference.member("parameterNotFoundAction"), &["Deny", "Allow"]);
}

fn actions(actions: &Field<'_>, causes: &mut Causes) {
    let mut seen: Vec<&str> = Vec::new();
    for action in actions.items() {
        causes.one_of(&action, &["Audit", "Deny", "Warn"]);
        if seen.contains(&action.text()) {
            causes.duplicate(&action);
        }
        seen.push(action.text());
    }
    if seen.contains(&"Deny") && seen.contains(&"Warn") {
        causes.invalid(actions, "must not contain both Deny and Warn");
    }
    causes.require(actions);
}

pub fn update_validating(update: Update<'_>, causes: &mut Causes) {
    create_validating(update.new, causes);
}

pub fn update_mutating(update: Update<'_>, causes: &mut Causes) {
    create_mutating(update.new, causes);
}
