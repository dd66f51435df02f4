//! Structural schemas: each field has its type outside of `allOf`, `anyOf`, `oneOf` and `not`.

use gantry_meta::{FieldPath, Value};
use serde_json::json;

use super::schema::single;
use crate::field::{Causes, Field};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// What a nested schema may not say.
const FORBIDDEN: [&str; 11] = [
    "type",
    "additionalProperties",
    "default",
    "title",
    "description",
    "nullable",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
];
const FORBIDDEN_TOO: [&str; 2] = ["x-kubernetes-map-type", "x-kubernetes-validations"];

pub(super) fn structural(schema: &Field<'_>, causes: &mut Causes) {
    invariants(schema, Level::Root, causes);
    complete(schema, schema, causes);
}

fn invariants<'a>(schema: &Field<'a>, level: Level, causes: &mut Causes) {
    let (kind, items) = (schema.member("type"), single(&schema.member("items")));
    if kind.text() == "array" && !items.is_set() {
        causes.required(&schema.member("items"));
    }
    if items.is_set() {
        invariants(&items, Level::Item, causes);
    }
    for (_, property) in schema.member("properties").entries() {
        invariants(&property, Level::Field, causes);
    }
    let more = schema.member("additionalProperties");
    if more.is_set() && level == Level::Root {
        causes.forbidden(&more, "must not be used at the root");
    }
    if more.object().is_some() {
        invariants(&more, Level::Field, causes);
    }
    extensions(schema, causes);
    values(schema, &skipped(schema), causes);
    types(schema, level, causes);
    embedded(schema, level, causes);
}

fn extensions(schema: &Field<'_>, causes: &mut Causes) {
    if schema.member("x-kubernetes-int-or-string").flag() {
        for member in ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"] {
            if schema.member(member).flag() {
                causes.invalid(&schema.member(member), "must be false if x-kubernetes-int-or-string is true");
            }
        }
    }
}

fn types(schema: &Field<'_>, level: Level, causes: &mut Causes) {
    let flag = |member| schema.member(member).flag();
    let kind = schema.member("type");
    let embedded = flag("x-kubernetes-embedded-resource");
    let free = flag("x-kubernetes-int-or-string") || flag("x-kubernetes-preserve-unknown-fields");
    match kind.text() {
        "object" => {}
        "" if embedded || !free => causes.required(&kind),
        _ if embedded => causes.invalid(&kind, "must be object if x-kubernetes-embedded-resource is true"),
        _ => {}
    }
    if embedded && schema.member("additionalProperties").is_set() {
        causes.forbidden(&schema.member("additionalProperties"), "must not be used in an embedded resource");
    }
    if level == Level::Root && !kind.is_empty() && kind.text() != "object" {
        causes.invalid(&kind, "must be object at the root");
    }
}

/// `kind`, `apiVersion` and `metadata` of a resource are what they are everywhere.
fn embedded(schema: &Field<'_>, level: Level, causes: &mut Causes) {
    let is_embedded = schema.member("x-kubernetes-embedded-resource").flag();
    let properties = schema.member("properties");
    if level == Level::Root || is_embedded {
        for name in ["kind", "apiVersion"] {
            if let Some(own) = properties.property(name)
                && own.member("type").text() != "string"
            {
                causes.invalid(&own.member("type"), "must be string");
            }
        }
    }
    if let Some(metadata) = properties.property("metadata") {
        if (level == Level::Root || is_embedded) && metadata.member("type").text() != "object" {
            causes.invalid(&metadata.member("type"), "must be object");
        }
        if level == Level::Root && restricts_more_than_names(&metadata) {
            causes.forbidden(&metadata, "must not specify anything other than name and generateName");
        }
    }
    let preserves = schema.member("x-kubernetes-preserve-unknown-fields").flag();
    if is_embedded && !preserves && properties.is_empty() {
        causes.required(&properties);
    }
}

fn restricts_more_than_names(metadata: &Field<'_>) -> bool {
    let names_alone = metadata.member("properties").entries().all(|(name, _)| matches!(name, "name" | "generateName"));
    let others = metadata.entries().any(|(member, value)| {
        !matches!(member, "type" | "properties" | "default")
            && !value.is_empty()
            && value.value() != Some(&json!(false))
    });
    others || !names_alone
}

/// Paths of the `anyOf` that says no more than integer or string, which may have types.
fn skipped(schema: &Field<'_>) -> Vec<FieldPath> {
    let pattern = json!([{"type": "integer"}, {"type": "string"}]);
    let first = schema.member("allOf").items().next().map(|one| one.member("anyOf"));
    let candidates = std::iter::once(schema.member("anyOf")).chain(first);
    candidates.filter(|any| any.value() == Some(&pattern)).map(|any| any.path()).collect()
}

/// `allOf`, `anyOf`, `oneOf`, `not` and `pattern` of a schema.
fn values<'a>(schema: &Field<'a>, skipped: &[FieldPath], causes: &mut Causes) {
    for junctor in ["anyOf", "allOf", "oneOf"] {
        let list = schema.member(junctor);
        if !skipped.contains(&list.path()) {
            list.items().for_each(|one| nested(&one, skipped, causes));
        }
    }
    nested(&schema.member("not"), skipped, causes);
    let pattern = schema.member("pattern");
    if !pattern.is_empty() && regex::Regex::new(pattern.text()).is_err() {
        causes.invalid(&pattern, "must be a valid regular expression");
    }
}

fn nested<'a>(schema: &Field<'a>, skipped: &[FieldPath], causes: &mut Causes) {
    if !schema.is_set() {
        return;
    }
    values(schema, skipped, causes);
    nested(&single(&schema.member("items")), skipped, causes);
    for (_, property) in schema.member("properties").entries() {
        nested(&property, skipped, causes);
    }
    for member in FORBIDDEN.into_iter().chain(FORBIDDEN_TOO) {
        let field = schema.member(member);
        if !field.is_empty() && field.value() != Some(&Value::Bool(false)) {
            causes.forbidden(&field, "must be undefined to be structural");
        }
    }
    if let Some(metadata) = schema.member("properties").property("metadata") {
        causes.forbidden(&metadata, "must not be specified in a nested context");
    }
}

/// Every field that a nested schema speaks of has a type outside.
fn complete<'a>(schema: &Field<'a>, said: &Field<'a>, causes: &mut Causes) {
    for junctor in ["anyOf", "allOf", "oneOf"] {
        said.member(junctor).items().for_each(|one| outlined(schema, &one, causes));
    }
    outlined(schema, &said.member("not"), causes);
    if schema.path() == said.path() {
        let items = single(&schema.member("items"));
        if items.is_set() {
            complete(&items, &items, causes);
        }
        schema.member("properties").entries().for_each(|(_, property)| complete(&property, &property, causes));
        let more = schema.member("additionalProperties");
        if more.object().is_some() {
            complete(&more, &more, causes);
        }
    }
}

fn outlined<'a>(schema: &Field<'a>, said: &Field<'a>, causes: &mut Causes) {
    if !said.is_set() {
        return;
    }
    let items = single(&said.member("items"));
    if items.is_set() {
        let own = single(&schema.member("items"));
        if own.is_set() {
            outlined(&own, &items, causes);
        } else {
            causes.required(&schema.member("items"));
        }
    }
    for (name, property) in said.member("properties").entries() {
        let own = schema.member("properties").entry(name);
        if own.is_set() {
            outlined(&own, &property, causes);
        } else if !schema.member("x-kubernetes-preserve-unknown-fields").flag() {
            causes.required(&own);
        }
    }
    complete(schema, said, causes);
}
