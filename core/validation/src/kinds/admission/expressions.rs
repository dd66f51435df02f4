//! The expressions of webhooks and policies, and the names each may use.

use gantry_kinds::fields::admissionregistration_v1::MatchCondition;

use crate::{
    cel::{self, Scope, Type},
    field::{Causes, Field},
    names,
};

const CONDITIONS_MAX: usize = 64;

/// Names in the match conditions of a webhook.
pub(super) fn webhook_conditions() -> Scope {
    Scope::new([
        ("object", Type::Dyn),
        ("oldObject", Type::Dyn),
        ("request", request()),
        ("namespaceObject", namespace()),
        ("authorizer", Type::Object("kubernetes.authorization.Authorizer".into())),
    ])
}

/// The request that is asked about.
fn request() -> Type {
    let kind = || Type::structure(["group", "version", "kind"].map(|field| (field, Type::String)));
    let resource = || Type::structure(["group", "version", "resource"].map(|field| (field, Type::String)));
    let user = Type::structure([
        ("username", Type::String),
        ("uid", Type::String),
        ("groups", Type::String.list()),
        ("extra", Type::String.list().map()),
    ]);
    Type::structure([
        ("kind", kind()),
        ("resource", resource()),
        ("subResource", Type::String),
        ("requestKind", kind()),
        ("requestResource", resource()),
        ("requestSubResource", Type::String),
        ("name", Type::String),
        ("namespace", Type::String),
        ("operation", Type::String),
        ("userInfo", user),
        ("dryRun", Type::Bool),
        ("options", Type::Dyn),
    ])
}

/// The namespace of the object, as far as expressions see it.
fn namespace() -> Type {
    let condition = Type::structure([
        ("status", Type::String),
        ("type", Type::String),
        ("lastTransitionTime", Type::Timestamp),
        ("message", Type::String),
        ("reason", Type::String),
    ]);
    let metadata = Type::structure([
        ("name", Type::String),
        ("generateName", Type::String),
        ("namespace", Type::String),
        ("labels", Type::String.map()),
        ("annotations", Type::String.map()),
        ("UID", Type::String),
        ("creationTimestamp", Type::Timestamp),
        ("deletionGracePeriodSeconds", Type::Int),
        ("deletionTimestamp", Type::Timestamp),
        ("generation", Type::Int),
        ("resourceVersion", Type::String),
        ("finalizers", Type::String.list()),
    ]);
    Type::structure([
        ("metadata", metadata),
        ("spec", Type::structure([("finalizers", Type::String.list())])),
        ("status", Type::structure([("conditions", condition.list()), ("phase", Type::String)])),
    ])
}

/// Names in a policy's expressions; `params` where it names a kind of parameters.
pub(super) fn policy(params: bool) -> Scope {
    let mut scope = webhook_conditions();
    if params {
        scope.add("params", Type::Dyn);
    }
    scope
}

/// An expression that has to be there; its type, `Dyn` if it has none.
pub(super) fn require(field: &Field<'_>, scope: &Scope, wanted: &[Type], causes: &mut Causes) -> Type {
    if field.text().trim().is_empty() {
        causes.required(field);
        return Type::Dyn;
    }
    expression(field, scope, wanted, causes)
}

/// An expression that compiles, to one of the types `wanted` (none: to any); its type.
pub(super) fn expression(field: &Field<'_>, scope: &Scope, wanted: &[Type], causes: &mut Causes) -> Type {
    match cel::compile(field.text(), scope) {
        // What is known only when it is evaluated is not taken for one of them.
        Ok(found) if wanted.is_empty() || wanted.contains(&found) => found,
        Ok(found) => {
            causes.invalid_because(field, &format!("must evaluate to another type than {found}"));
            Type::Dyn
        }
        Err(fault) => {
            refuse(field, &fault, causes);
            Type::Dyn
        }
    }
}

/// The cause of an expression that cannot be used.
pub(in crate::kinds) fn refuse(field: &Field<'_>, fault: &cel::Fault, causes: &mut Causes) {
    match fault {
        cel::Fault::Program(_) => causes.internal(field, "program instantiation failed"),
        fault => causes.invalid_because(field, &fault.to_string()),
    }
}

/// Conditions under which a webhook or a policy is asked.
pub(super) fn match_conditions(conditions: &Field<'_>, scope: Scope, causes: &mut Causes) {
    if conditions.len() > CONDITIONS_MAX {
        causes.too_many(conditions, CONDITIONS_MAX);
    }
    let mut seen: Vec<&str> = Vec::new();
    for condition in conditions.items() {
        let name = condition.member(MatchCondition::NAME);
        require(&condition.member(MatchCondition::EXPRESSION), &scope, &[Type::Bool], causes);
        if causes.require(&name) {
            causes.invalid_each(&name, names::qualified_name(name.text()));
            if seen.contains(&name.text()) {
                causes.duplicate(&name);
            }
        }
        seen.push(name.text());
    }
}
