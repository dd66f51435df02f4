//! Versions of a custom resource, and what they have alike.

use gantry_kinds::{
    FieldName,
    fields::apiextensions_v1::{
        CustomResourceColumnDefinition, CustomResourceDefinitionSpec as Spec, CustomResourceDefinitionVersion,
        CustomResourceSubresourceScale, CustomResourceSubresources, CustomResourceValidation, JSONSchemaProps,
        SelectableField,
    },
};

use super::schema;
use crate::{
    field::{Causes, Field},
    names::dns_1035_label,
};

const WARNING_MAX_BYTES: usize = 256;
const SELECTABLE_MAX: usize = 8;
const COLUMN_TYPES: [&str; 5] = ["integer", "number", "string", "boolean", "date"];
const COLUMN_FORMATS: [&str; 10] =
    ["int32", "int64", "float", "double", "byte", "date", "date-time", "password", "name", ""];

/// Each version, but for what all have alike.
pub(super) fn versions(spec: &Field<'_>, causes: &mut Causes) {
    let versions = spec.member(Spec::VERSIONS);
    for version in versions.items() {
        let root =
            version.member(CustomResourceDefinitionVersion::SCHEMA).member(CustomResourceValidation::OPEN_APIV3_SCHEMA);
        if !root.is_set() {
            causes.required(&root);
        }
    }
    let apart = |member: FieldName| !is_alike(spec, member);
    let mut seen: Vec<&str> = Vec::new();
    let mut unique = true;
    for version in versions.items() {
        let name = version.member(CustomResourceDefinitionVersion::NAME);
        unique &= !seen.contains(&name.text());
        seen.push(name.text());
        if !dns_1035_label(name.text()).is_empty() {
            causes.invalid(&name, "must be a DNS label that starts with a letter");
        }
        deprecation(&version, causes);
        if apart(CustomResourceDefinitionVersion::SCHEMA) {
            let status = version
                .member(CustomResourceDefinitionVersion::SUBRESOURCES)
                .member(CustomResourceSubresources::STATUS)
                .is_set();
            schema::root(
                &version
                    .member(CustomResourceDefinitionVersion::SCHEMA)
                    .member(CustomResourceValidation::OPEN_APIV3_SCHEMA),
                status,
                causes,
            );
        }
        if apart(CustomResourceDefinitionVersion::SUBRESOURCES) {
            subresources(&version.member(CustomResourceDefinitionVersion::SUBRESOURCES), causes);
        }
        if apart(CustomResourceDefinitionVersion::ADDITIONAL_PRINTER_COLUMNS) {
            version
                .member(CustomResourceDefinitionVersion::ADDITIONAL_PRINTER_COLUMNS)
                .items()
                .for_each(|one| column(&one, causes));
        }
        if apart(CustomResourceDefinitionVersion::SELECTABLE_FIELDS) {
            let selectable = version.member(CustomResourceDefinitionVersion::SELECTABLE_FIELDS);
            if !selectable.is_empty() && !apart(CustomResourceDefinitionVersion::SCHEMA) {
                causes.invalid(&selectable, "may only be set when the version has a schema of its own");
            } else {
                selectable_fields(&selectable, &version, causes);
            }
        }
    }
    if !unique {
        causes.invalid(&versions, "must contain unique version names");
    }
    if versions.items().filter(|version| version.member(CustomResourceDefinitionVersion::STORAGE).flag()).count() != 1 {
        causes.invalid(&versions, "must have exactly one version marked as storage version");
    }
    if let Some(first) =
        versions.items().next().filter(|first| !first.member(CustomResourceDefinitionVersion::NAME).is_empty())
        && !dns_1035_label(first.member(CustomResourceDefinitionVersion::NAME).text()).is_empty()
    {
        let name = first.member(CustomResourceDefinitionVersion::NAME).reported_at(&spec.untyped_member("version"));
        causes.invalid(&name, "must be a DNS label that starts with a letter");
    }
}

/// What all versions have alike, reported at the top.
pub(super) fn alike(spec: &Field<'_>, causes: &mut Causes) {
    let Some(first) = spec.member(Spec::VERSIONS).items().next() else { return };
    let hoisted = |member: FieldName| is_alike(spec, member).then(|| first.member(member));
    if let Some(validation) = hoisted(CustomResourceDefinitionVersion::SCHEMA) {
        let status = spec.member(Spec::VERSIONS).items().any(|one| {
            one.member(CustomResourceDefinitionVersion::SUBRESOURCES)
                .member(CustomResourceSubresources::STATUS)
                .is_set()
        });
        let top = validation.reported_at(&spec.untyped_member("validation"));
        schema::root(&top.member(CustomResourceValidation::OPEN_APIV3_SCHEMA), status, causes);
    }
    if let Some(own) = hoisted(CustomResourceDefinitionVersion::SUBRESOURCES) {
        subresources(&own.reported_at(&spec.member(CustomResourceDefinitionVersion::SUBRESOURCES)), causes);
    }
    if let Some(own) = hoisted(CustomResourceDefinitionVersion::ADDITIONAL_PRINTER_COLUMNS) {
        let top = own.reported_at(&spec.member(CustomResourceDefinitionVersion::ADDITIONAL_PRINTER_COLUMNS));
        top.items().for_each(|one| column(&one, causes));
    }
    if let Some(own) = hoisted(CustomResourceDefinitionVersion::SELECTABLE_FIELDS) {
        selectable_fields(
            &own.reported_at(&spec.member(CustomResourceDefinitionVersion::SELECTABLE_FIELDS)),
            &first,
            causes,
        );
    }
}

/// True if a schema of a version has a default somewhere.
pub(super) fn have_defaults(spec: &Field<'_>) -> bool {
    fn has_default(schema: &Field<'_>) -> bool {
        let (more, items) = (
            schema.member(JSONSchemaProps::ADDITIONAL_PROPERTIES),
            schema::single(&schema.member(JSONSchemaProps::ITEMS)),
        );
        schema.member(JSONSchemaProps::DEFAULT).is_set()
            || [more, items].iter().any(|one| one.object().is_some() && has_default(one))
            || schema.member(JSONSchemaProps::PROPERTIES).entries().any(|(_, property)| has_default(&property))
    }
    spec.member(Spec::VERSIONS).items().any(|version| {
        has_default(
            &version
                .member(CustomResourceDefinitionVersion::SCHEMA)
                .member(CustomResourceValidation::OPEN_APIV3_SCHEMA),
        )
    })
}

/// True if a member is given and the same in all versions.
fn is_alike(spec: &Field<'_>, member: FieldName) -> bool {
    let mut values = spec.member(Spec::VERSIONS).items().map(|version| version.member(member));
    values.next().is_some_and(|first| !first.is_empty() && values.all(|other| other.value() == first.value()))
}

fn deprecation(version: &Field<'_>, causes: &mut Causes) {
    let warning = version.member(CustomResourceDefinitionVersion::DEPRECATION_WARNING);
    if !warning.is_set() {
        return;
    }
    if !version.member(CustomResourceDefinitionVersion::DEPRECATED).flag() {
        return causes.invalid(&warning, "can only be set for deprecated versions");
    }
    if warning.text().len() > WARNING_MAX_BYTES {
        causes.invalid(&warning, "must be <= 256 characters long");
    }
    if warning.is_empty() {
        causes.invalid(&warning, "must not be an empty string");
    }
    if warning.text().chars().any(char::is_control) {
        causes.invalid(&warning, "must only contain printable UTF-8 characters");
    }
}

fn subresources(subresources: &Field<'_>, causes: &mut Causes) {
    let scale = subresources.member(CustomResourceSubresources::SCALE);
    if !scale.is_set() {
        return;
    }
    for (member, roots) in [
        (CustomResourceSubresourceScale::SPEC_REPLICAS_PATH, &[".spec."][..]),
        (CustomResourceSubresourceScale::STATUS_REPLICAS_PATH, &[".status."][..]),
    ] {
        if causes.require(&scale.member(member)) {
            path(&scale.member(member), roots, causes);
        }
    }
    if !scale.member(CustomResourceSubresourceScale::LABEL_SELECTOR_PATH).is_empty() {
        path(&scale.member(CustomResourceSubresourceScale::LABEL_SELECTOR_PATH), &[".spec.", ".status."], causes);
    }
}

/// A path in dots below one of `roots`.
fn path(path: &Field<'_>, roots: &[&str], causes: &mut Causes) {
    if !path.text().starts_with('.') {
        causes.invalid(path, "must be a simple json path starting with .");
    } else if !roots.iter().any(|root| path.text().starts_with(root)) {
        causes.invalid(path, "should be a json path under .spec or .status");
    }
}

fn column(column: &Field<'_>, causes: &mut Causes) {
    causes.require(&column.member(CustomResourceColumnDefinition::NAME));
    let (kind, format) =
        (column.member(CustomResourceColumnDefinition::TYPE), column.member(CustomResourceColumnDefinition::FORMAT));
    if causes.require(&kind) && !COLUMN_TYPES.contains(&kind.text()) {
        causes.invalid(&kind, "must be one of boolean,date,integer,number,string");
    }
    if !COLUMN_FORMATS.contains(&format.text()) {
        causes.invalid(&format, "must be a known format");
    }
    let path = column.member_as(CustomResourceColumnDefinition::JSON_PATH, "JSONPath");
    if causes.require(&path) && !path.text().starts_with('.') {
        causes.invalid(&path, "must be a simple json path starting with .");
    }
}

fn selectable_fields(fields: &Field<'_>, version: &Field<'_>, causes: &mut Causes) {
    let root =
        version.member(CustomResourceDefinitionVersion::SCHEMA).member(CustomResourceValidation::OPEN_APIV3_SCHEMA);
    if !fields.is_empty() && !root.is_set() {
        return causes.invalid(fields, "may only be set when there is a schema");
    }
    let mut seen: Vec<&str> = Vec::new();
    for field in fields.items() {
        let path = field.member(SelectableField::JSON_PATH);
        if !causes.require(&path) {
            continue;
        }
        let found = path.text().strip_prefix('.').and_then(|names| {
            names.split('.').try_fold(root.clone(), |at, name| at.member(JSONSchemaProps::PROPERTIES).property(name))
        });
        let Some(found) = found else {
            causes.invalid(&path, "is an invalid path");
            continue;
        };
        if path.text() == ".metadata" || path.text().starts_with(".metadata.") {
            causes.invalid(&path, "must not point to fields in metadata");
        }
        if !matches!(found.member(JSONSchemaProps::TYPE).text(), "string" | "boolean" | "integer") {
            causes.invalid(&path, "must point to a field of type string, boolean or integer");
        }
        if seen.contains(&path.text()) {
            causes.duplicate(&path);
        } else {
            seen.push(path.text());
        }
    }
    if seen.len() > SELECTABLE_MAX {
        causes.too_many(fields, SELECTABLE_MAX);
    }
}
