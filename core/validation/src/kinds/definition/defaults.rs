//! Defaults in schemas: each is a value of its schema.

use gantry_kinds::{FieldName, fields::AnyObject, fields::apiextensions_v1::JSONSchemaProps};
use gantry_meta::{Cause, CauseType, Value};

use super::schema::single;
use crate::field::{Causes, Field};

/// Checks every default of a schema and of those below it. `is_root`: the schema is that of a whole resource.
pub(super) fn defaults<'a>(schema: &Field<'a>, is_root: bool, causes: &mut Causes) {
    let default = schema.member(JSONSchemaProps::DEFAULT);
    if default.is_set() {
        if default.value().is_some_and(|value| has_unknown(schema, value)) {
            causes.invalid(&default, "must not have unknown fields");
        }
        if default.object().is_some()
            && (is_root || schema.member(JSONSchemaProps::X_KUBERNETES_EMBEDDED_RESOURCE).flag())
        {
            for member in [AnyObject::API_VERSION, AnyObject::KIND] {
                causes.require(&default.member(member));
            }
        }
        value(schema, &default, causes);
    }
    let items = single(&schema.member(JSONSchemaProps::ITEMS));
    if items.is_set() {
        defaults(&items, false, causes);
    }
    schema.member(JSONSchemaProps::PROPERTIES).entries().for_each(|(_, property)| defaults(&property, false, causes));
    let more = schema.member(JSONSchemaProps::ADDITIONAL_PROPERTIES);
    if more.object().is_some() {
        defaults(&more, false, causes);
    }
}

fn value<'a>(schema: &Field<'a>, given: &Field<'a>, causes: &mut Causes) {
    if !is_of_type(schema, given) {
        let why = format!("Invalid value: must be of type {}", schema.member(JSONSchemaProps::TYPE).text());
        causes.push(Cause::new(CauseType::FieldValueTypeInvalid, given.path().to_string(), why));
    }
    let allowed = schema.member(JSONSchemaProps::ENUM);
    if !allowed.is_empty() && !allowed.items().any(|one| one.value() == given.value()) {
        let words: Vec<&str> = allowed.items().map(|one| one.text()).collect();
        causes.not_supported(given, &words);
    }
    bounds(schema, given, causes);
    if given.object().is_some() {
        members(schema, given, causes);
    }
    let items = single(&schema.member(JSONSchemaProps::ITEMS));
    given.items().for_each(|item| value(&items, &item, causes));
}

/// True if something in the value would be pruned.
fn has_unknown(schema: &Field<'_>, given: &Value) -> bool {
    if schema.member(JSONSchemaProps::X_KUBERNETES_PRESERVE_UNKNOWN_FIELDS).flag() {
        return false;
    }
    let (more, properties) =
        (schema.member(JSONSchemaProps::ADDITIONAL_PROPERTIES), schema.member(JSONSchemaProps::PROPERTIES));
    let is_unknown = |name: &str, value: &Value| match properties.property(name) {
        Some(property) => has_unknown(&property, value),
        None if more.object().is_some() => has_unknown(&more, value),
        None => !more.flag(),
    };
    let is_resource = schema.member(JSONSchemaProps::X_KUBERNETES_EMBEDDED_RESOURCE).flag();
    match given {
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| !(is_resource && matches!(&***name, "apiVersion" | "kind" | "metadata")))
            .any(|(name, value)| is_unknown(name, value)),
        Value::Array(items) => {
            items.iter().any(|item| has_unknown(&single(&schema.member(JSONSchemaProps::ITEMS)), item))
        }
        _ => false,
    }
}

fn is_of_type(schema: &Field<'_>, given: &Field<'_>) -> bool {
    match (schema.member(JSONSchemaProps::TYPE).text(), given.value()) {
        (_, None) => schema.member(JSONSchemaProps::NULLABLE).flag(),
        ("string", Some(value)) => value.is_string(),
        ("boolean", Some(value)) => value.is_boolean(),
        ("integer", Some(value)) => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        ("number", Some(value)) => value.is_number(),
        ("array", Some(value)) => value.is_array(),
        ("object", Some(value)) => value.is_object(),
        (kind, _) => kind.is_empty(),
    }
}

fn bounds(schema: &Field<'_>, given: &Field<'_>, causes: &mut Causes) {
    let limit = |member: FieldName| schema.member(member).value().and_then(Value::as_f64);
    if let Some(number) = given.value().and_then(Value::as_f64) {
        let (least, most) = (limit(JSONSchemaProps::MINIMUM), limit(JSONSchemaProps::MAXIMUM));
        let open = |member: FieldName| schema.member(member).flag();
        if least.is_some_and(|least| number < least || (open(JSONSchemaProps::EXCLUSIVE_MINIMUM) && number == least)) {
            causes.invalid(given, "is too small");
        }
        if most.is_some_and(|most| number > most || (open(JSONSchemaProps::EXCLUSIVE_MAXIMUM) && number == most)) {
            causes.invalid(given, "is too large");
        }
    }
    if let Some(text) = given.value().and_then(Value::as_str) {
        let length = text.chars().count();
        if limit(JSONSchemaProps::MAX_LENGTH).is_some_and(|most| length as f64 > most) {
            causes.too_long(given, limit(JSONSchemaProps::MAX_LENGTH).unwrap_or_default() as usize);
        }
        if limit(JSONSchemaProps::MIN_LENGTH).is_some_and(|least| (length as f64) < least) {
            causes.invalid(given, "is too short");
        }
        let pattern = schema.member(JSONSchemaProps::PATTERN);
        if !pattern.is_empty() && regex::Regex::new(pattern.text()).is_ok_and(|regex| !regex.is_match(text)) {
            causes.invalid(given, "does not match the pattern");
        }
    }
    for (most, least, is_that) in [
        (JSONSchemaProps::MAX_ITEMS, JSONSchemaProps::MIN_ITEMS, given.value().is_some_and(Value::is_array)),
        (JSONSchemaProps::MAX_PROPERTIES, JSONSchemaProps::MIN_PROPERTIES, given.object().is_some()),
    ] {
        if is_that && limit(most).is_some_and(|most| given.len() as f64 > most) {
            causes.too_many(given, limit(most).unwrap_or_default() as usize);
        }
        if is_that && limit(least).is_some_and(|least| (given.len() as f64) < least) {
            causes.invalid(given, "has too few");
        }
    }
}

fn members<'a>(schema: &Field<'a>, given: &Field<'a>, causes: &mut Causes) {
    for name in schema.member(JSONSchemaProps::REQUIRED).items() {
        let member = given.untyped_member(name.text());
        if !member.is_set() {
            causes.required(&member);
        }
    }
    for (name, _) in given.entries() {
        let member = given.untyped_member(name);
        let more = schema.member(JSONSchemaProps::ADDITIONAL_PROPERTIES);
        match schema.member(JSONSchemaProps::PROPERTIES).property(name) {
            Some(property) => value(&property, &member, causes),
            None if more.object().is_some() => value(&more, &member, causes),
            None => {}
        }
    }
}
