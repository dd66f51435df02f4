//! `x-kubernetes-list-type` and its keys.

use gantry_kinds::fields::apiextensions_v1::JSONSchemaProps;

use super::schema::single;
use crate::field::{Causes, Field};

pub(super) fn list_type(schema: &Field<'_>, causes: &mut Causes) {
    let (list, kind, keys) = (
        schema.member(JSONSchemaProps::X_KUBERNETES_LIST_TYPE),
        schema.member(JSONSchemaProps::TYPE),
        schema.member(JSONSchemaProps::X_KUBERNETES_LIST_MAP_KEYS),
    );
    let items = single(&schema.member(JSONSchemaProps::ITEMS));
    if list.is_set() && kind.text() != "array" {
        match kind.text() {
            "" => causes.required(&kind),
            _ => causes.invalid(&kind, "must be array if x-kubernetes-list-type is specified"),
        }
    } else if list.text() == "set" {
        atomic_members(&items, causes);
    }
    if list.is_set() {
        causes.one_of(&list, &["atomic", "map", "set"]);
    }
    if !keys.is_empty() && list.text() != "map" {
        match list.is_set() {
            false => causes.required(&list),
            true => causes.invalid(&list, "must be map if x-kubernetes-list-map-keys is non-empty"),
        }
    }
    if list.text() == "map" {
        map(schema, &items, &keys, causes);
    }
    if matches!(list.text(), "map" | "set") && items.member(JSONSchemaProps::NULLABLE).flag() {
        causes.forbidden(&items.member(JSONSchemaProps::NULLABLE), "cannot be nullable in a list of this type");
    }
    if list.text() == "map" {
        keys_are_there(&items, &keys, causes);
    }
}

/// Members of a set are compared as a whole.
fn atomic_members(items: &Field<'_>, causes: &mut Causes) {
    let (list, map) =
        (items.member(JSONSchemaProps::X_KUBERNETES_LIST_TYPE), items.member(JSONSchemaProps::X_KUBERNETES_MAP_TYPE));
    match items.member(JSONSchemaProps::TYPE).text() {
        "array" if list.is_set() && list.text() != "atomic" => {
            causes.invalid(&list, "must be atomic as item of a list with x-kubernetes-list-type=set");
        }
        "object" if map.text() != "atomic" => {
            causes.invalid(&map, "must be atomic as item of a list with x-kubernetes-list-type=set");
        }
        _ => {}
    }
}

fn map<'a>(schema: &Field<'a>, items: &Field<'a>, keys: &Field<'a>, causes: &mut Causes) {
    causes.require(keys);
    if !schema.member(JSONSchemaProps::ITEMS).is_set() {
        return causes.required(&schema.member(JSONSchemaProps::ITEMS));
    }
    if items.member(JSONSchemaProps::TYPE).text() != "object" {
        return causes.invalid(&items.member(JSONSchemaProps::TYPE), "must be object if the list is a map");
    }
    let mut seen: Vec<&str> = Vec::new();
    for key in keys.items() {
        match items.member(JSONSchemaProps::PROPERTIES).property(key.text()) {
            Some(property) if matches!(property.member(JSONSchemaProps::TYPE).text(), "array" | "object") => {
                causes.invalid(&property.member(JSONSchemaProps::TYPE), "must be a scalar type if the list is a map");
            }
            Some(_) => {}
            None => causes.invalid(keys, "entries must all be names of item properties"),
        }
        if seen.contains(&key.text()) {
            causes.invalid(keys, "must not contain duplicate entries");
        }
        seen.push(key.text());
    }
}

/// A key is required or has a default, and is never null.
fn keys_are_there(items: &Field<'_>, keys: &Field<'_>, causes: &mut Causes) {
    let required = |name: &str| items.member(JSONSchemaProps::REQUIRED).items().any(|one| one.text() == name);
    for key in keys.items() {
        let Some(property) = items.member(JSONSchemaProps::PROPERTIES).property(key.text()) else { continue };
        if !required(key.text()) && !property.member(JSONSchemaProps::DEFAULT).is_set() {
            causes.required(&property.member(JSONSchemaProps::DEFAULT));
        }
        if property.member(JSONSchemaProps::NULLABLE).flag() {
            causes.forbidden(&property.member(JSONSchemaProps::NULLABLE), "is a key, so it cannot be nullable");
        }
    }
}
