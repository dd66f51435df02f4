//! Schemas of custom resources: what OpenAPI may say, and what it may not say here.

use gantry_kinds::{FieldName, fields::apiextensions_v1::JSONSchemaProps};

use super::{defaults, expressions, list_types, structural};
use crate::field::{Causes, Field};

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
/// Members that a root may have if its status is a subresource.
const AT_ROOT: [&str; 22] = [
    "description",
    "type",
    "format",
    "title",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "multipleOf",
    "required",
    "items",
    "properties",
    "externalDocs",
    "example",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
];
const UNSUPPORTED: [FieldName; 5] = [
    JSONSchemaProps::ID,
    JSONSchemaProps::ADDITIONAL_ITEMS,
    JSONSchemaProps::PATTERN_PROPERTIES,
    JSONSchemaProps::DEFINITIONS,
    JSONSchemaProps::DEPENDENCIES,
];

/// Where a schema stands.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    pub is_root: bool,
    /// Within `metadata`, `kind` or `apiVersion` of the root or of an embedded resource.
    pub in_meta: bool,
    pub defaults_forbidden: bool,
}

/// The schema of a version.
pub(super) fn root<'a>(schema: &Field<'a>, has_status: bool, causes: &mut Causes) {
    if !schema.is_set() {
        return;
    }
    if has_status {
        with_status(schema, causes);
    }
    let before = causes.len();
    if schema.member(JSONSchemaProps::NULLABLE).flag() {
        // The reference spells this path in one word.
        causes.forbidden(&schema.member(JSONSchemaProps::NULLABLE), "nullable cannot be true at the root");
    }
    let mut found = Causes::default();
    structural::structural(schema, &mut found);
    if found.is_empty() {
        defaults::defaults(schema, true, &mut found);
    }
    let sound = found.is_empty();
    causes.append_sorted(found);
    let mut faults = Causes::default();
    below(schema, Place { is_root: true, ..Place::default() }, &mut faults);
    let sound = sound && faults.is_empty();
    causes.append(faults);
    if causes.len() == before && names_dialect(schema) {
        return causes.invalid(schema, "$schema is not supported");
    }
    if sound {
        expressions::rules(schema, causes);
    }
}

/// True if a schema or one below it says in which dialect it is written.
fn names_dialect(schema: &Field<'_>) -> bool {
    let (more, not) = (schema.member(JSONSchemaProps::ADDITIONAL_PROPERTIES), schema.member(JSONSchemaProps::NOT));
    let single = [single(&schema.member(JSONSchemaProps::ITEMS)), more, not];
    let junctors = [JSONSchemaProps::ALL_OF, JSONSchemaProps::ONE_OF, JSONSchemaProps::ANY_OF]
        .map(|junctor| schema.member(junctor));
    !schema.member(JSONSchemaProps::SCHEMA).is_empty()
        || single.iter().any(|one| one.object().is_some() && names_dialect(one))
        || junctors.iter().any(|list| list.items().any(|one| names_dialect(&one)))
        || schema.member(JSONSchemaProps::PROPERTIES).entries().any(|(_, property)| names_dialect(&property))
}

fn with_status(schema: &Field<'_>, causes: &mut Causes) {
    if !matches!(schema.member(JSONSchemaProps::TYPE).text(), "" | "object") {
        causes.invalid(
            &schema.member(JSONSchemaProps::TYPE),
            "only \"object\" is allowed if the status subresource is enabled",
        );
    }
    if schema.entries().any(|(member, _)| !AT_ROOT.contains(&member)) {
        causes.invalid(schema, "only some fields are allowed at the root if the status subresource is enabled");
    }
}

/// A schema and those below it.
fn below<'a>(schema: &Field<'a>, place: Place, causes: &mut Causes) {
    if !schema.is_set() {
        return;
    }
    own(schema, place, causes);
    if schema.member(JSONSchemaProps::UNIQUE_ITEMS).flag() {
        causes.forbidden(&schema.member(JSONSchemaProps::UNIQUE_ITEMS), "uniqueItems cannot be set to true");
    }
    let inner = Place { is_root: false, ..place };
    let (more, properties) =
        (schema.member(JSONSchemaProps::ADDITIONAL_PROPERTIES), schema.member(JSONSchemaProps::PROPERTIES));
    let allows_all = more.value() == Some(&serde_json::Value::Bool(true));
    if more.is_set() && !properties.is_empty() && !allows_all {
        causes.forbidden(&more, "additionalProperties and properties are mutual exclusive");
    }
    if more.object().is_some() {
        below(&more, Place { defaults_forbidden: place.defaults_forbidden || place.in_meta, ..inner }, causes);
    }
    for (name, property) in properties.entries() {
        let embedded = schema.member(JSONSchemaProps::X_KUBERNETES_EMBEDDED_RESOURCE).flag();
        let meta = (place.is_root || embedded) && matches!(name, "metadata" | "kind" | "apiVersion");
        let defaults_forbidden = place.defaults_forbidden || (meta && place.is_root);
        below(&property, Place { in_meta: place.in_meta || meta, defaults_forbidden, ..inner }, causes);
    }
    below(&schema.member(JSONSchemaProps::NOT), inner, causes);
    for junctor in [JSONSchemaProps::ALL_OF, JSONSchemaProps::ONE_OF, JSONSchemaProps::ANY_OF] {
        schema.member(junctor).items().for_each(|one| below(&one, inner, causes));
    }
    below(&single(&schema.member(JSONSchemaProps::ITEMS)), inner, causes);
    extensions(schema, causes);
    list_types::list_type(schema, causes);
    expressions::words(schema, causes);
}

/// `items` as one schema.
pub(super) fn single<'a>(items: &Field<'a>) -> Field<'a> {
    if items.object().is_some() { items.clone() } else { items.nothing() }
}

fn own(schema: &Field<'_>, place: Place, causes: &mut Causes) {
    let kind = schema.member(JSONSchemaProps::TYPE);
    if !kind.is_empty() && !TYPES.contains(&kind.text()) {
        causes.not_supported(&kind, &TYPES);
    }
    if schema.member(JSONSchemaProps::DEFAULT).is_set() && place.defaults_forbidden {
        causes.forbidden(&schema.member(JSONSchemaProps::DEFAULT), "must not be set here");
    }
    for field in UNSUPPORTED.map(|member| schema.member(member)) {
        if !field.is_empty() {
            causes.forbidden(&field, "is not supported");
        }
    }
    if schema.member(JSONSchemaProps::REF).is_set() {
        causes.forbidden(&schema.member(JSONSchemaProps::REF), "is not supported");
    }
    if kind.text() == "null" {
        causes.forbidden(&kind, "type cannot be set to null, use nullable as an alternative");
    }
    if schema.member(JSONSchemaProps::ITEMS).value().is_some_and(serde_json::Value::is_array) {
        causes.forbidden(&schema.member(JSONSchemaProps::ITEMS), "items must be a schema object and not an array");
    }
    let embedded = schema.member(JSONSchemaProps::X_KUBERNETES_EMBEDDED_RESOURCE);
    if place.in_meta && embedded.flag() {
        causes.forbidden(&embedded, "must not be used inside of resource meta");
    }
}

fn extensions(schema: &Field<'_>, causes: &mut Causes) {
    let preserve = schema.member(JSONSchemaProps::X_KUBERNETES_PRESERVE_UNKNOWN_FIELDS);
    if preserve.is_set() && !preserve.flag() {
        causes.invalid(&preserve, "must be true or undefined");
    }
    let (map, kind) = (schema.member(JSONSchemaProps::X_KUBERNETES_MAP_TYPE), schema.member(JSONSchemaProps::TYPE));
    if !map.is_set() {
        return;
    }
    match kind.text() {
        "object" => {}
        "" => causes.required(&kind),
        _ => causes.invalid(&kind, "must be object if x-kubernetes-map-type is specified"),
    }
    causes.one_of(&map, &["atomic", "granular"]);
}
