//! `x-kubernetes-validations`: rules in CEL about `self`.

use std::{collections::BTreeMap, sync::Arc};

use super::schema::single;
use crate::{
    cel::{self, Scope, Type},
    field::{Causes, Field},
};

const REASONS: [&str; 4] = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

/// What a rule says besides its expressions.
pub(super) fn words(schema: &Field<'_>, causes: &mut Causes) {
    for rule in schema.member("x-kubernetes-validations").items() {
        let (text, message, path) = (rule.member("rule"), rule.member("message"), rule.member("fieldPath"));
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
        let expression = rule.member("messageExpression");
        if !expression.is_empty() && expression.text().trim().is_empty() {
            causes.required(&expression);
        }
        let reason = rule.member("reason");
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
        let more = at.member("additionalProperties");
        at.member("properties").property(name).or_else(|| more.object().is_some().then_some(more))
    });
    found.is_some()
}

/// Every rule of a schema and of those below it: it compiles, and to a truth.
pub(super) fn rules<'a>(schema: &Field<'a>, is_root: bool, causes: &mut Causes) {
    let items = single(&schema.member("items"));
    if items.is_set() {
        rules(&items, false, causes);
    }
    schema.member("properties").entries().for_each(|(_, property)| rules(&property, false, causes));
    let more = schema.member("additionalProperties");
    if more.object().is_some() {
        rules(&more, false, causes);
    }
    let own = schema.member("x-kubernetes-validations");
    if own.is_empty() {
        return;
    }
    let of = declared(schema, is_root);
    own.items().for_each(|rule| self::rule(&rule, &of, causes));
}

fn rule(rule: &Field<'_>, of: &Type, causes: &mut Causes) {
    let before = if rule.member("optionalOldSelf").flag() { Type::Optional(Arc::new(of.clone())) } else { of.clone() };
    let scope = Scope::new([("self", of.clone()), ("oldSelf", before)]);
    for (member, wanted) in [("rule", Type::Bool), ("messageExpression", Type::String)] {
        let expression = rule.member(member);
        if expression.is_empty() {
            continue;
        }
        match cel::compile(expression.text(), &scope) {
            Ok(found) if found.is(&wanted) => {}
            Ok(_) => causes.invalid(&expression, "must evaluate to another type"),
            Err(fault) => causes.invalid_because(&expression, &fault.to_string()),
        }
    }
    let old = rule.member("optionalOldSelf");
    if old.is_set() && !rule.member("rule").text().contains("oldSelf") {
        causes.invalid(&old, "may not be set if oldSelf is not used in rule");
    }
}

/// The type that a schema declares.
fn declared(schema: &Field<'_>, is_resource: bool) -> Type {
    if schema.member("x-kubernetes-int-or-string").flag() {
        return Type::Dyn;
    }
    match schema.member("type").text() {
        "boolean" => Type::Bool,
        "integer" => Type::Int,
        "number" => Type::Double,
        "string" => text(schema.member("format").text()),
        "array" => declared(&single(&schema.member("items")), false).list(),
        "object" => object(schema, is_resource || schema.member("x-kubernetes-embedded-resource").flag()),
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
    let (more, properties) = (schema.member("additionalProperties"), schema.member("properties"));
    if more.object().is_some() {
        return declared(&more, false).map();
    }
    if more.flag() || (properties.is_empty() && schema.member("x-kubernetes-preserve-unknown-fields").flag()) {
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
fn escaped(name: &str) -> Option<String> {
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
