//! The expressions of webhooks and policies, and the names each may use.

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
        ("request", Type::Dyn),
        ("namespaceObject", Type::Dyn),
        ("authorizer", Type::Object("kubernetes.authorization.Authorizer".into())),
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
        Ok(found) if wanted.is_empty() || wanted.iter().any(|one| found.is(one)) => found,
        Ok(_) => {
            causes.invalid(field, "must evaluate to another type");
            Type::Dyn
        }
        Err(fault) => {
            causes.invalid_because(field, &fault.to_string());
            Type::Dyn
        }
    }
}

/// Conditions under which a webhook or a policy is asked.
pub(super) fn match_conditions(conditions: &Field<'_>, scope: Scope, causes: &mut Causes) {
    if conditions.len() > CONDITIONS_MAX {
        causes.too_many(conditions, CONDITIONS_MAX);
    }
    let mut seen: Vec<&str> = Vec::new();
    for condition in conditions.items() {
        let name = condition.member("name");
        require(&condition.member("expression"), &scope, &[Type::Bool], causes);
        if causes.require(&name) {
            causes.invalid_each(&name, names::qualified_name(name.text()));
            if seen.contains(&name.text()) {
                causes.duplicate(&name);
            }
        }
        seen.push(name.text());
    }
}
