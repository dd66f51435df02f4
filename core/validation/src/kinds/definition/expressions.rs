//! `x-kubernetes-validations`: rules in CEL about `self`.

use std::{collections::BTreeMap, sync::Arc};

use gantry_kinds::fields::apiextensions_v1::{JSONSchemaProps, ValidationRule};

use super::{
    cost::{self, Budget},
    schema::single,
};
use crate::{
    cel::{self, Extent, Scope, Type},
    field::{Causes, Field},
};

const REASONS: [&str; 4] = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

/// What a rule says besides its expressions.
pub(super) fn words(schema: &Field<'_>, causes: &mut Causes) {
    for rule in schema.member(JSONSchemaProps::X_KUBERNETES_VALIDATIONS).items() {
        let (text, message, path) = (
            rule.member(ValidationRule::RULE),
            rule.member(ValidationRule::MESSAGE),
            rule.member(ValidationRule::FIELD_PATH),
        );
        let trimmed = message.text().trim();
        if text.text().trim().is_empty() {
            causes.required(&text);
        } else if !message.is_empty() && trimmed.is_empty() {
            causes.invalid(&message, "must be non-empty if specified");
        } else if trimmed.contains(['\n', '\r']) {
            causes.invalid(&message, "must not contain line breaks");
        } else if text.text().trim().contains(['\n', '\r']) && trimmed.is_empty() {
            causes.required(&message);
        }
        let expression = rule.member(ValidationRule::MESSAGE_EXPRESSION);
        if !expression.is_empty() && expression.text().trim().is_empty() {
            causes.required(&expression);
        }
        let reason = rule.member(ValidationRule::REASON);
        if reason.is_set() {
            causes.one_of(&reason, &REASONS);
        }
        if !path.is_empty() && (path.text().trim().is_empty() || path.text().contains(['\n', '\r'])) {
            causes.invalid(&path, "must be a path in one line");
        } else if !path.is_empty() && !leads_somewhere(schema, path.text()) {
            causes.invalid(&path, "must be a valid path");
        }
    }
}

/// True for a path like `.spec.x` or `.spec['x']` that the schema knows.
fn leads_somewhere(schema: &Field<'_>, path: &str) -> bool {
    let path = path.replace("['", ".").replace("']", "");
    let Some(names) = path.strip_prefix('.') else { return false };
    let found = names.split('.').try_fold(schema.clone(), |at, name| {
        let more = at.member(JSONSchemaProps::ADDITIONAL_PROPERTIES);
        at.member(JSONSchemaProps::PROPERTIES).property(name).or_else(|| more.object().is_some().then_some(more))
    });
    found.is_some()
}

/// Every rule of a schema of a version and of those below it: it compiles, to a truth, and cannot cost too much.
pub(super) fn rules<'a>(root: &Field<'a>, causes: &mut Causes) {
    let mut budget = Budget::default();
    below(root, Place { is_root: true, cardinality: Some(1), is_followed: true }, &mut budget, causes);
    budget.judge_total(root, causes);
}

/// Where a schema stands.
#[derive(Clone, Copy)]
struct Place {
    is_root: bool,
    /// How many values of it one object can hold, if lists and maps above it say so.
    cardinality: Option<u64>,
    /// Whether a value is found again in the object as it was before.
    is_followed: bool,
}

fn below<'a>(schema: &Field<'a>, place: Place, budget: &mut Budget, causes: &mut Causes) {
    let cardinality = cost::elements(schema).and_then(|most| Some(place.cardinality?.saturating_mul(most)));
    let inner = Place { is_root: false, cardinality, ..place };
    let (items, more) =
        (single(&schema.member(JSONSchemaProps::ITEMS)), schema.member(JSONSchemaProps::ADDITIONAL_PROPERTIES));
    if items.is_set() {
        let keyed = schema.member(JSONSchemaProps::X_KUBERNETES_LIST_TYPE).text() == "map";
        below(&items, Place { is_followed: place.is_followed && keyed, ..inner }, budget, causes);
    }
    let map = schema.member(JSONSchemaProps::X_KUBERNETES_MAP_TYPE);
    let is_map = !map.is_set() || matches!(map.text(), "atomic" | "granular");
    let kept = Place { is_followed: place.is_followed && is_map, ..inner };
    schema
        .member(JSONSchemaProps::PROPERTIES)
        .entries()
        .for_each(|(_, property)| below(&property, kept, budget, causes));
    if more.object().is_some() {
        below(&more, inner, budget, causes);
    }
    let own = schema.member(JSONSchemaProps::X_KUBERNETES_VALIDATIONS);
    if own.is_empty() {
        return;
    }
    let subject = Subject {
        of: declared(schema, place.is_root),
        extent: cost::extent(schema),
        occurrences: place.cardinality.unwrap_or_else(|| cost::occurrences(schema)),
        is_followed: place.is_followed,
    };
    own.items().for_each(|rule| self::rule(&rule, &subject, budget, causes));
}

/// What a rule is about.
struct Subject {
    of: Type,
    extent: Extent,
    /// How many values a rule is evaluated for at most.
    occurrences: u64,
    is_followed: bool,
}

fn rule(rule: &Field<'_>, subject: &Subject, budget: &mut Budget, causes: &mut Causes) {
    let of = &subject.of;
    let before = if rule.member(ValidationRule::OPTIONAL_OLD_SELF).flag() {
        Type::Optional(Arc::new(of.clone()))
    } else {
        of.clone()
    };
    let scope = Scope::new([("self", of.clone()), ("oldSelf", before)]);
    let names = [("self", subject.extent.clone()), ("oldSelf", subject.extent.clone())];
    let mut compiles = true;
    for (member, wanted, times) in
        [(ValidationRule::RULE, Type::Bool, subject.occurrences), (ValidationRule::MESSAGE_EXPRESSION, Type::String, 1)]
    {
        let expression = rule.member(member);
        // The message of a rule that does not compile is not looked at.
        if expression.is_empty() || !compiles {
            continue;
        }
        let fault = match cel::compile(expression.text(), &scope) {
            Ok(found) if found.is(&wanted) => {
                budget.spend(&expression, cel::cost(expression.text(), &names).saturating_mul(times), causes);
                continue;
            }
            Ok(_) => "must evaluate to another type".to_owned(),
            Err(fault) => fault.to_string(),
        };
        causes.invalid_because(&expression, &fault);
        compiles = member != ValidationRule::RULE;
    }
    let old = rule.member(ValidationRule::OPTIONAL_OLD_SELF);
    let uses_old = compiles && rule.member(ValidationRule::RULE).text().contains("oldSelf");
    if uses_old && !subject.is_followed {
        causes.invalid(&rule.member(ValidationRule::RULE), "oldSelf cannot be used where a value is not found again");
    }
    if old.is_set() && !uses_old {
        causes.invalid(&old, "may not be set if oldSelf is not used in rule");
    }
}

/// The type that a schema declares.
fn declared(schema: &Field<'_>, is_resource: bool) -> Type {
    if schema.member(JSONSchemaProps::X_KUBERNETES_INT_OR_STRING).flag() {
        return Type::Dyn;
    }
    match schema.member(JSONSchemaProps::TYPE).text() {
        "boolean" => Type::Bool,
        "integer" => Type::Int,
        "number" => Type::Double,
        "string" => text(schema.member(JSONSchemaProps::FORMAT).text()),
        "array" => declared(&single(&schema.member(JSONSchemaProps::ITEMS)), false).list(),
        "object" => {
            object(schema, is_resource || schema.member(JSONSchemaProps::X_KUBERNETES_EMBEDDED_RESOURCE).flag())
        }
        _ => Type::Dyn,
    }
}

fn text(format: &str) -> Type {
    match format {
        "byte" => Type::Bytes,
        "duration" => Type::Duration,
        "date" | "date-time" => Type::Timestamp,
        _ => Type::String,
    }
}

fn object(schema: &Field<'_>, is_resource: bool) -> Type {
    let (more, properties) =
        (schema.member(JSONSchemaProps::ADDITIONAL_PROPERTIES), schema.member(JSONSchemaProps::PROPERTIES));
    if more.object().is_some() {
        return declared(&more, false).map();
    }
    if more.flag()
        || (properties.is_empty() && schema.member(JSONSchemaProps::X_KUBERNETES_PRESERVE_UNKNOWN_FIELDS).flag())
    {
        return Type::Dyn;
    }
    let mut members: BTreeMap<String, Type> =
        properties.entries().filter_map(|(name, own)| Some((escaped(name)?, declared(&own, false)))).collect();
    if is_resource {
        let names = ["name", "generateName"].map(|name| (name.to_owned(), Type::String));
        members.entry("apiVersion".to_owned()).or_insert(Type::String);
        members.entry("kind".to_owned()).or_insert(Type::String);
        members.insert("metadata".to_owned(), Type::Struct(Arc::new(names.into_iter().collect())));
    }
    Type::Struct(Arc::new(members))
}

/// How an expression spells a property. `None`: it cannot.
pub(super) fn escaped(name: &str) -> Option<String> {
    if !cel::is_identifier(name) && cel::is_identifier(&format!("{name}_")) {
        return Some(format!("__{name}__"));
    }
    let text = name
        .replace("__", "__underscores__")
        .replace('.', "__dot__")
        .replace('-', "__dash__")
        .replace('/', "__slash__");
    cel::is_identifier(&text).then_some(text)
}
