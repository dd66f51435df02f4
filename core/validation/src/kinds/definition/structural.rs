//! Structural schemas: each field has its type outside of `allOf`, `anyOf`, `oneOf` and `not`.

use gantry_kinds::{FieldName, fields::apiextensions_v1::JSONSchemaProps};
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
const FORBIDDEN: [FieldName; 13] = [
    JSONSchemaProps::TYPE,
    JSONSchemaProps::ADDITIONAL_PROPERTIES,
    JSONSchemaProps::DEFAULT,
    JSONSchemaProps::TITLE,
    JSONSchemaProps::DESCRIPTION,
    JSONSchemaProps::NULLABLE,
    JSONSchemaProps::X_KUBERNETES_PRESERVE_UNKNOWN_FIELDS,
    JSONSchemaProps::X_KUBERNETES_EMBEDDED_RESOURCE,
    JSONSchemaProps::X_KUBERNETES_INT_OR_STRING,
    JSONSchemaProps::X_KUBERNETES_LIST_MAP_KEYS,
    JSONSchemaProps::X_KUBERNETES_LIST_TYPE,
    JSONSchemaProps::X_KUBERNETES_MAP_TYPE,
    JSONSchemaProps::X_KUBERNETES_VALIDATIONS,
];

pub(super) fn structural(schema: &Field<'_>, causes: &mut Causes) {
    invariants(schema, Level::Root, causes);
    complete(schema, schema, causes);
}

fn invariants<'a>(schema: &Field<'a>, level: Level, causes: &mut Causes) {
    let (kind, items) = (schema.member(JSONSchemaProps::TYPE), single(&schema.member(JSONSchemaProps::ITEMS)));
    if kind.text() == "array" && !items.is_set() {
        causes.required(&schema.member(JSONSchemaProps::ITEMS));
    }
    if items.is_set() {
        invariants(&items, Level::Item, causes);
    }
    for (_, property) in schema.member(JSONSchemaProps::PROPERTIES).entries() {
        invariants(&property, Level::Field, causes);
    }
    let more = schema.member(JSONSchemaProps::ADDITIONAL_PROPERTIES);
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
    if schema.member(JSONSchemaProps::X_KUBERNETES_INT_OR_STRING).flag() {
        for member in
            [JSONSchemaProps::X_KUBERNETES_PRESERVE_UNKNOWN_FIELDS, JSONSchemaProps::X_KUBERNETES_EMBEDDED_RESOURCE]
        {
            if schema.member(member).flag() {
                causes.invalid(&schema.member(member), "must be false if x-kubernetes-int-or-string is true");
            }
        }
    }
}

fn types(schema: &Field<'_>, level: Level, causes: &mut Causes) {
    let flag = |member| schema.member(member).flag();
    let kind = schema.member(JSONSchemaProps::TYPE);
    let embedded = flag(JSONSchemaProps::X_KUBERNETES_EMBEDDED_RESOURCE);
    let free = flag(JSONSchemaProps::X_KUBERNETES_INT_OR_STRING)
        || flag(JSONSchemaProps::X_KUBERNETES_PRESERVE_UNKNOWN_FIELDS);
    match kind.text() {
        "object" => {}
        "" if embedded || !free => causes.required(&kind),
        _ if embedded => causes.invalid(&kind, "must be object if x-kubernetes-embedded-resource is true"),
        _ => {}
    }
    if embedded && schema.member(JSONSchemaProps::ADDITIONAL_PROPERTIES).is_set() {
        causes.forbidden(
            &schema.member(JSONSchemaProps::ADDITIONAL_PROPERTIES),
            "must not be used in an embedded resource",
        );
    }
    if level == Level::Root && !kind.is_empty() && kind.text() != "object" {
        causes.invalid(&kind, "must be object at the root");
    }
}

/// `kind`, `apiVersion` and `metadata` of a resource are what they are everywhere.
fn embedded(schema: &Field<'_>, level: Level, causes: &mut Causes) {
    let is_embedded = schema.member(JSONSchemaProps::X_KUBERNETES_EMBEDDED_RESOURCE).flag();
    let properties = schema.member(JSONSchemaProps::PROPERTIES);
    if level == Level::Root || is_embedded {
        for name in ["kind", "apiVersion"] {
            if let Some(own) = properties.property(name)
                && own.member(JSONSchemaProps::TYPE).text() != "string"
            {
                causes.invalid(&own.member(JSONSchemaProps::TYPE), "must be string");
            }
        }
    }
    if let Some(metadata) = properties.property("metadata") {
        if (level == Level::Root || is_embedded) && metadata.member(JSONSchemaProps::TYPE).text() != "object" {
            causes.invalid(&metadata.member(JSONSchemaProps::TYPE), "must be object");
        }
        if level == Level::Root && restricts_more_than_names(&metadata) {
            causes.forbidden(&metadata, "must not specify anything other than name and generateName");
        }
    }
    let preserves = schema.member(JSONSchemaProps::X_KUBERNETES_PRESERVE_UNKNOWN_FIELDS).flag();
    if is_embedded && !preserves && properties.is_empty() {
        causes.required(&properties);
    }
}

fn restricts_more_than_names(metadata: &Field<'_>) -> bool {
    let names_alone =
        metadata.member(JSONSchemaProps::PROPERTIES).entries().all(|(name, _)| matches!(name, "name" | "generateName"));
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
    let first = schema.member(JSONSchemaProps::ALL_OF).items().next().map(|one| one.member(JSONSchemaProps::ANY_OF));
    let candidates = std::iter::once(schema.member(JSONSchemaProps::ANY_OF)).chain(first);
    candidates.filter(|any| any.value() == Some(&pattern)).map(|any| any.path()).collect()
}

/// `allOf`, `anyOf`, `oneOf`, `not` and `pattern` of a schema.
fn values<'a>(schema: &Field<'a>, skipped: &[FieldPath], causes: &mut Causes) {
    for junctor in [JSONSchemaProps::ANY_OF, JSONSchemaProps::ALL_OF, JSONSchemaProps::ONE_OF] {
        let list = schema.member(junctor);
        if !skipped.contains(&list.path()) {
            list.items().for_each(|one| nested(&one, skipped, causes));
        }
    }
    nested(&schema.member(JSONSchemaProps::NOT), skipped, causes);
    let pattern = schema.member(JSONSchemaProps::PATTERN);
    if !pattern.is_empty() && regex::Regex::new(pattern.text()).is_err() {
        causes.invalid(&pattern, "must be a valid regular expression");
    }
}

fn nested<'a>(schema: &Field<'a>, skipped: &[FieldPath], causes: &mut Causes) {
    if !schema.is_set() {
        return;
    }
    values(schema, skipped, causes);
    nested(&single(&schema.member(JSONSchemaProps::ITEMS)), skipped, causes);
    for (_, property) in schema.member(JSONSchemaProps::PROPERTIES).entries() {
        nested(&property, skipped, causes);
    }
    for member in FORBIDDEN {
        let field = schema.member(member);
        if !field.is_empty() && field.value() != Some(&Value::Bool(false)) {
            causes.forbidden(&field, "must be undefined to be structural");
        }
    }
    if let Some(metadata) = schema.member(JSONSchemaProps::PROPERTIES).property("metadata") {
        causes.forbidden(&metadata, "must not be specified in a nested context");
    }
}

/// Every field that a nested schema speaks of has a type outside.
fn complete<'a>(schema: &Field<'a>, said: &Field<'a>, causes: &mut Causes) {
    for junctor in [JSONSchemaProps::ANY_OF, JSONSchemaProps::ALL_OF, JSONSchemaProps::ONE_OF] {
        said.member(junctor).items().for_each(|one| outlined(schema, &one, causes));
    }
    outlined(schema, &said.member(JSONSchemaProps::NOT), causes);
    if schema.path() == said.path() {
        let items = single(&schema.member(JSONSchemaProps::ITEMS));
        if items.is_set() {
            complete(&items, &items, causes);
        }
        schema
            .member(JSONSchemaProps::PROPERTIES)
            .entries()
            .for_each(|(_, property)| complete(&property, &property, causes));
        let more = schema.member(JSONSchemaProps::ADDITIONAL_PROPERTIES);
        if more.object().is_some() {
            complete(&more, &more, causes);
        }
    }
}

fn outlined<'a>(schema: &Field<'a>, said: &Field<'a>, causes: &mut Causes) {
    if !said.is_set() {
        return;
    }
    let items = single(&said.member(JSONSchemaProps::ITEMS));
    if items.is_set() {
        let own = single(&schema.member(JSONSchemaProps::ITEMS));
        if own.is_set() {
            outlined(&own, &items, causes);
        } else {
            causes.required(&schema.member(JSONSchemaProps::ITEMS));
        }
    }
    for (name, property) in said.member(JSONSchemaProps::PROPERTIES).entries() {
        let own = schema.member(JSONSchemaProps::PROPERTIES).entry(name);
        if own.is_set() {
            outlined(&own, &property, causes);
        } else if !schema.member(JSONSchemaProps::X_KUBERNETES_PRESERVE_UNKNOWN_FIELDS).flag() {
            causes.required(&own);
        }
    }
    complete(schema, said, causes);
}
