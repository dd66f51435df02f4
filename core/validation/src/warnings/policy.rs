//! Quotas, accounts, admission and definitions.

use gantry_kinds::fields::{
    AnyObject,
    apiextensions_v1::{
        CustomResourceDefinition, CustomResourceDefinitionSpec as Spec, CustomResourceDefinitionVersion,
        CustomResourceValidation, JSONSchemaProps,
    },
    core_v1::{ResourceQuota, ResourceQuotaSpec},
    meta_v1::ObjectMeta,
};

use super::{Found, Written, annotation};
use crate::{field::Field, rules::resources::amount};

const MOUNTABLE_SECRETS: &str = "kubernetes.io/enforce-mountable-secrets";
/// Names of what is read from files of the API server, where that is on.
const STATIC_SUFFIX: &str = ".static.k8s.io";

/// A new quota that allows more to be asked for than to be had.
pub(super) fn quota(written: Written<'_>, found: &mut Found) {
    if !written.is_new() {
        return;
    }
    let hard = written.new.member(ResourceQuota::SPEC).member(ResourceQuotaSpec::HARD);
    for (requests, bare, limits) in [
        ("requests.cpu", Some("cpu"), "limits.cpu"),
        ("requests.memory", Some("memory"), "limits.memory"),
        ("requests.storage", None, "limits.storage"),
        ("requests.ephemeral-storage", None, "limits.ephemeral-storage"),
    ] {
        let mut asked = std::iter::once(requests).chain(bare).map(|name| (name, hard.entry(name)));
        let Some((name, field)) = asked.find(|(_, field)| field.is_set()) else { continue };
        let limit = hard.entry(limits);
        if let (Some(request), Some(most)) = (amount(&field), amount(&limit))
            && request > most
        {
            found.push(format!(
                "ResourceQuota {name} ({}) should be less than {limits} ({})",
                field.text(),
                limit.text()
            ));
        }
    }
}

/// Said once, when the annotation is new.
pub(super) fn service_account(written: Written<'_>, found: &mut Found) {
    let annotation = |root| annotation(root, MOUNTABLE_SECRETS);
    let (now, before) = (annotation(written.new), written.old.is_some_and(|old| annotation(old).is_set()));
    if now.is_set() && !before {
        found.at(&now, "deprecated in v1.32+; keep secrets apart by namespaces");
    }
}

pub(super) fn admission(written: Written<'_>, found: &mut Found) {
    let name = written.new.member(AnyObject::METADATA).member(ObjectMeta::NAME);
    if name.text().ends_with(STATIC_SUFFIX) {
        found.at(&name, format_args!("names that end with {STATIC_SUFFIX:?} are kept for configuration in files"));
    }
}

/// Formats of texts and numbers that a schema may name; others are not checked. Dashes do not count.
const TEXT_FORMATS: [&str; 26] = [
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
    "datetime",
    "k8sshortname",
    "k8slongname",
];

/// Formats that nothing knows, those aside that the definition had before.
pub(super) fn definition(written: Written<'_>, found: &mut Found) {
    let versions = |root: crate::field::Root<'_>| {
        let mut unknown = Vec::new();
        for version in root.member(CustomResourceDefinition::SPEC).member(Spec::VERSIONS).items() {
            unknown_formats(
                &version
                    .member(CustomResourceDefinitionVersion::SCHEMA)
                    .member(CustomResourceValidation::OPEN_APIV3_SCHEMA),
                &mut unknown,
            );
        }
        unknown
    };
    let before = written.old.map(versions).unwrap_or_default();
    for format in versions(written.new).into_iter().filter(|format| !before.contains(format)) {
        found.push(format!("unrecognized format {format:?}"));
    }
}

fn unknown_formats(schema: &Field<'_>, unknown: &mut Vec<String>) {
    let format = schema.member(JSONSchemaProps::FORMAT);
    if !format.is_empty() && !is_known_format(schema.member(JSONSchemaProps::TYPE).text(), format.text()) {
        unknown.push(format.text().to_owned());
    }
    for one in [
        JSONSchemaProps::ITEMS,
        JSONSchemaProps::NOT,
        JSONSchemaProps::ADDITIONAL_PROPERTIES,
        JSONSchemaProps::ADDITIONAL_ITEMS,
    ] {
        let inner = schema.member(one);
        if inner.object().is_some() {
            unknown_formats(&inner, unknown);
        }
        inner.items().for_each(|schema| unknown_formats(&schema, unknown));
    }
    for list in [JSONSchemaProps::ALL_OF, JSONSchemaProps::ANY_OF, JSONSchemaProps::ONE_OF] {
        schema.member(list).items().for_each(|schema| unknown_formats(&schema, unknown));
    }
    for map in [
        JSONSchemaProps::PROPERTIES,
        JSONSchemaProps::PATTERN_PROPERTIES,
        JSONSchemaProps::DEFINITIONS,
        JSONSchemaProps::DEPENDENCIES,
    ] {
        schema.member(map).entries().for_each(|(_, schema)| unknown_formats(&schema, unknown));
    }
}

fn is_known_format(schema_type: &str, format: &str) -> bool {
    match schema_type {
        "" | "string" => TEXT_FORMATS.contains(&&*format.replace('-', "")),
        "integer" => matches!(format, "int32" | "int64"),
        "number" => matches!(format, "float" | "double"),
        _ => false,
    }
}
