//! ValidatingAdmissionPolicy and MutatingAdmissionPolicy.

use gantry_kinds::fields::admissionregistration_v1::{
    AuditAnnotation, ExpressionWarning, JSONPatch, MatchResources, MutatingAdmissionPolicy,
    MutatingAdmissionPolicySpec, Mutation, ParamKind, TypeChecking, ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicySpec, ValidatingAdmissionPolicyStatus, Validation, Variable,
};

use super::{FAILURE_POLICIES, REINVOCATION_POLICIES, expressions, match_resources, mutable_operations};
use crate::{
    cel::{Scope, Type},
    field::{Causes, Field, Root},
    names,
    rules::json_path::json_path,
    table::Update,
};

const ANNOTATIONS_MAX: usize = 20;
const ANNOTATION_MAX_BYTES: usize = 5 * 1024;
const REASONS: [&str; 3] = ["Forbidden", "Invalid", "RequestEntityTooLarge"];

pub fn create_validating(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member(ValidatingAdmissionPolicy::SPEC);
    let mut scope = head(&spec, causes);
    variables(&spec.member(ValidatingAdmissionPolicySpec::VARIABLES), &mut scope, causes);
    let (validations, annotations) = (
        spec.member(ValidatingAdmissionPolicySpec::VALIDATIONS),
        spec.member(ValidatingAdmissionPolicySpec::AUDIT_ANNOTATIONS),
    );
    if validations.is_empty() && annotations.is_empty() {
        causes.required(&validations);
        causes.required(&annotations);
    }
    validations.items().for_each(|one| validation(&one, &scope, causes));
    audit_annotations(object, &annotations, &scope, causes);
}

pub fn create_mutating(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member(MutatingAdmissionPolicy::SPEC);
    let mut scope = head(&spec, causes).building(&["Object", "JSONPatch"]);
    mutable_operations(
        &spec.member(MutatingAdmissionPolicySpec::MATCH_CONSTRAINTS).member(MatchResources::RESOURCE_RULES),
        causes,
    );
    variables(&spec.member(MutatingAdmissionPolicySpec::VARIABLES), &mut scope, causes);
    let mutations = spec.member(MutatingAdmissionPolicySpec::MUTATIONS);
    causes.require(&mutations);
    mutations.items().for_each(|one| mutation(&one, &scope, causes));
    causes.require_one_of(&spec.member(MutatingAdmissionPolicySpec::REINVOCATION_POLICY), &REINVOCATION_POLICIES);
}

/// What both kinds of policy have; the names that their expressions know.
fn head(spec: &Field<'_>, causes: &mut Causes) -> Scope {
    super::required(&spec.member(MutatingAdmissionPolicySpec::FAILURE_POLICY), &FAILURE_POLICIES, causes);
    let kind = spec.member(MutatingAdmissionPolicySpec::PARAM_KIND);
    if kind.is_set() {
        param_kind(&kind, causes);
    }
    let constraints = spec.member(MutatingAdmissionPolicySpec::MATCH_CONSTRAINTS);
    if constraints.is_set() {
        match_resources(&constraints, causes);
        causes.require(&constraints.member(MatchResources::RESOURCE_RULES));
    } else {
        causes.required(&constraints);
    }
    let scope = expressions::policy(kind.is_set());
    expressions::match_conditions(&spec.member(MutatingAdmissionPolicySpec::MATCH_CONDITIONS), scope.clone(), causes);
    scope
}

fn param_kind(kind: &Field<'_>, causes: &mut Causes) {
    let (version, name) = (kind.member(ParamKind::API_VERSION), kind.member(ParamKind::KIND));
    if causes.require(&version) {
        let (group, number) = version.text().split_once('/').unwrap_or(("", version.text()));
        if number.contains('/') {
            causes.invalid(&version, "unexpected GroupVersion string");
        } else {
            if !group.is_empty() && !names::dns_subdomain(group).is_empty() {
                causes.invalid(&version, "the group must be a domain name");
            }
            if !names::dns_1035_label(number).is_empty() {
                causes.invalid(&version, "the version must be a DNS label that starts with a letter");
            }
        }
    }
    if causes.require(&name) && !names::dns_1035_label(&name.text().to_lowercase()).is_empty() {
        causes.invalid(&name, "may have mixed case, but should otherwise be a DNS label that starts with a letter");
    }
}

/// Each variable sees those before it.
fn variables(variables: &Field<'_>, scope: &mut Scope, causes: &mut Causes) {
    for variable in variables.items() {
        let name = variable.member(Variable::NAME);
        if name.text().trim().is_empty() {
            causes.required(&name);
        } else if !crate::cel::is_identifier(name.text()) {
            causes.invalid(&name, "name is not a valid CEL identifier");
        }
        let expression = variable.member(Variable::EXPRESSION);
        let found = expressions::require(&expression, scope, &[], causes);
        if !expression.text().trim().is_empty() {
            scope.add_variable(name.text(), found);
        }
    }
}

fn validation(validation: &Field<'_>, scope: &Scope, causes: &mut Causes) {
    let (text, message) = (validation.member(Validation::MESSAGE_EXPRESSION), validation.member(Validation::MESSAGE));
    expressions::require(&validation.member(Validation::EXPRESSION), scope, &[Type::Bool], causes);
    if text.text().trim().is_empty() {
        if !text.is_empty() {
            causes.invalid(&text, "must be non-empty if specified");
        }
    } else {
        expressions::expression(&text, &scope.without("authorizer"), &[Type::String], causes);
    }
    if !message.is_empty() && message.text().trim().is_empty() {
        causes.invalid(&message, "message must be non-empty if specified");
    } else if message.text().trim().contains(['\n', '\r']) {
        causes.invalid(&message, "message must not contain line breaks");
    }
    super::optional(&validation.member(Validation::REASON), &REASONS, causes);
}

fn audit_annotations<'a>(object: Root<'a>, annotations: &Field<'a>, scope: &Scope, causes: &mut Causes) {
    if annotations.len() > ANNOTATIONS_MAX {
        causes.invalid(annotations, "must not have more than 20 auditAnnotations");
    }
    let mut seen: Vec<&str> = Vec::new();
    for annotation in annotations.items() {
        let (key, value) =
            (annotation.member(AuditAnnotation::KEY), annotation.member(AuditAnnotation::VALUE_EXPRESSION));
        causes.invalid_each(&key, names::qualified_name(&format!("{}/{}", object.name(), key.text())));
        if value.text().trim().len() > ANNOTATION_MAX_BYTES {
            causes.required(&value);
        } else {
            expressions::require(&value, scope, &[Type::String, Type::Null], causes);
        }
        if seen.contains(&key.text()) {
            causes.duplicate(&key);
        }
        seen.push(key.text());
    }
}

fn mutation(mutation: &Field<'_>, scope: &Scope, causes: &mut Causes) {
    let kind = mutation.member(Mutation::PATCH_TYPE);
    let (apply, json) = (mutation.member(Mutation::APPLY_CONFIGURATION), mutation.member(Mutation::JSON_PATCH));
    let (own, other, result) = match kind.text() {
        "ApplyConfiguration" => (apply, json, Type::Object("Object".into())),
        "JSONPatch" => (json, apply, Type::Object("JSONPatch".into()).list()),
        "" => return causes.required(&kind),
        _ => return causes.not_supported(&kind, &["ApplyConfiguration", "JSONPatch"]),
    };
    if own.is_set() {
        expressions::require(&own.member(JSONPatch::EXPRESSION), scope, &[result], causes);
    } else {
        causes.required(&own);
    }
    if other.is_set() {
        causes.invalid(&other, "must be specified only for its own patchType");
    }
}

pub fn update_validating(update: Update<'_>, causes: &mut Causes) {
    match update.subresource {
        Some(_) => conditions(update, causes),
        None => create_validating(update.new, causes),
    }
}

pub fn update_mutating(update: Update<'_>, causes: &mut Causes) {
    create_mutating(update.new, causes);
}

/// A status says what its expressions are suspected of.
fn conditions(update: Update<'_>, causes: &mut Causes) {
    let status = update.new.member(ValidatingAdmissionPolicy::STATUS);
    for warning in
        status.member(ValidatingAdmissionPolicyStatus::TYPE_CHECKING).member(TypeChecking::EXPRESSION_WARNINGS).items()
    {
        causes.require(&warning.member(ExpressionWarning::WARNING));
        let place = warning.member(ExpressionWarning::FIELD_REF);
        if place.text().trim().is_empty() {
            causes.required(&place);
        } else {
            json_path(&place, causes);
        }
    }
    crate::rules::conditions(&status.member(ValidatingAdmissionPolicyStatus::CONDITIONS), causes);
}
