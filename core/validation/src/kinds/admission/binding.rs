//! ValidatingAdmissionPolicyBinding and MutatingAdmissionPolicyBinding.

use gantry_kinds::fields::admissionregistration_v1::{
    MatchResources, MutatingAdmissionPolicyBinding, MutatingAdmissionPolicyBindingSpec, ParamRef,
    ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBindingSpec,
};

use super::{match_resources, mutable_operations};
use crate::{
    field::{Causes, Field, Root},
    names,
    rules::selector,
    table::Update,
};

pub fn create_validating(object: Root<'_>, causes: &mut Causes) {
    binding(object, causes);
    actions(
        &object
            .member(ValidatingAdmissionPolicyBinding::SPEC)
            .member(ValidatingAdmissionPolicyBindingSpec::VALIDATION_ACTIONS),
        causes,
    );
}

pub fn create_mutating(object: Root<'_>, causes: &mut Causes) {
    binding(object, causes);
    mutable_operations(
        &object
            .member(MutatingAdmissionPolicyBinding::SPEC)
            .member(MutatingAdmissionPolicyBindingSpec::MATCH_RESOURCES)
            .member(MatchResources::RESOURCE_RULES),
        causes,
    );
}

fn binding(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member(MutatingAdmissionPolicyBinding::SPEC);
    let policy = spec.member(MutatingAdmissionPolicyBindingSpec::POLICY_NAME);
    if causes.require(&policy) {
        causes.invalid_each(&policy, names::dns_subdomain(policy.text()));
    }
    param_ref(&spec.member(MutatingAdmissionPolicyBindingSpec::PARAM_REF), causes);
    let resources = spec.member(MutatingAdmissionPolicyBindingSpec::MATCH_RESOURCES);
    if resources.is_set() {
        match_resources(&resources, causes);
    }
}

/// Parameters are found by name or by selector.
fn param_ref(reference: &Field<'_>, causes: &mut Causes) {
    if !reference.is_set() {
        return;
    }
    let (name, selected) = (reference.member(ParamRef::NAME), reference.member(ParamRef::SELECTOR));
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
    causes.require_one_of(&reference.member(ParamRef::PARAMETER_NOT_FOUND_ACTION), &["Deny", "Allow"]);
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
