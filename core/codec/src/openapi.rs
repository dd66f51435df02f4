//! The OpenAPI documents: version 3 per group and version, version 2 for everything, both made from the field tables.
//!
//! A document is made when it is asked for; callers keep the bytes. Its hash depends on the catalogue and on this crate, so
//! the index can name all hashes without making a single document.

mod description;
mod operation;
mod parameters;
mod paths;
mod protobuf;
mod render;
mod schema;

use gantry_kinds::{Catalog, Group, Version};
use gantry_meta::{Object, Value};
use operation::PathItem;
use schema::{Dialect, Schemas};
use serde_json::json;

/// Raise it with every change to what this module writes: clients keep documents by their hash.
const GENERATION: u32 = 2;

/// One document of version 3, by its path below `/openapi/v3/`.
enum Document<'a> {
    /// A path outside the groups: `api`, `apis`, `version` ...
    Fixed(paths::Fixed),
    Group(&'a Group),
    Version(&'a Group, &'a Version),
}

/// `/openapi/v3`: where each document is, with a hash that changes when the document may have changed.
pub fn v3_index(catalog: &Catalog) -> Value {
    let entries = documents(catalog).into_iter().map(|(path, _)| {
        let url = format!("/openapi/v3/{path}?hash={}", hash(&path));
        (path, json!({ "serverRelativeURL": url }))
    });
    json!({"paths": entries.collect::<Object>()})
}

/// A document of version 2 as the protobuf message `openapi.v2.Document`.
pub fn to_protobuf(document: &Value) -> Vec<u8> {
    protobuf::document(document)
}

/// The hash of a document, also its ETag: upper-case hexadecimal.
pub fn hash(path: &str) -> String {
    // FNV-1a: the hash tells versions apart, it protects nothing.
    let seed = gantry_kinds::TABLES_FINGERPRINT ^ u64::from(GENERATION);
    let digest = path
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325 ^ seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{digest:016X}{seed:016X}")
}

/// A document of version 3 by its path below `/openapi/v3/`: `api/v1`, `apis/apps/v1`, `version`. Unknown: `None` (404).
pub fn v3_document(catalog: &Catalog, path: &str) -> Option<Value> {
    let (_, document) = documents(catalog).into_iter().find(|(p, _)| p == path)?;
    let items = items(&document);
    let mut schemas = Schemas::new(catalog, Dialect::V3);
    let paths = render::paths(&items, &mut schemas);
    let mut rendered = json!({"openapi": "3.0.0", "info": info(), "paths": paths});
    let mut components = json!({"securitySchemes": {"BearerToken": bearer()}});
    let schemas = schemas.into_object();
    if !schemas.is_empty() {
        components["schemas"] = Value::Object(schemas);
    }
    rendered["components"] = components;
    Some(rendered)
}

/// Every document by the name of the file it is published under: `v2.json`, `v3/apis__apps__v1.json` ...
pub fn published(catalog: &Catalog) -> impl Iterator<Item = (String, Value)> + '_ {
    let v3 = documents(catalog).into_iter().filter_map(|(path, _)| {
        let document = v3_document(catalog, &path)?;
        Some((format!("v3/{}.json", path.trim_start_matches('.').replace('/', "__")), document))
    });
    std::iter::once(("v2.json".to_owned(), v2_document(catalog))).chain(v3)
}

/// `/openapi/v2`: everything in one document.
pub fn v2_document(catalog: &Catalog) -> Value {
    let mut schemas = Schemas::new(catalog, Dialect::V2);
    let items: Vec<PathItem> = documents(catalog).iter().flat_map(|(_, document)| items(document)).collect();
    let paths = render::paths(&items, &mut schemas);
    json!({
        "swagger": "2.0",
        "info": info(),
        "paths": paths,
        "definitions": schemas.into_object(),
        "parameters": parameters::shared(),
        "securityDefinitions": {"BearerToken": bearer()},
        "security": [{"BearerToken": []}],
    })
}

fn info() -> Value {
    json!({"title": "Gantry, the Kubernetes API", "version": gantry_kinds::FOLLOWED_VERSION})
}

fn bearer() -> Value {
    json!({"type": "apiKey", "name": "authorization", "in": "header", "description": "A bearer token."})
}

fn documents(catalog: &Catalog) -> Vec<(String, Document<'_>)> {
    let mut all: Vec<(String, Document<'_>)> =
        paths::FIXED.iter().map(|fixed| (fixed.document.to_owned(), Document::Fixed(*fixed))).collect();
    for group in catalog.groups() {
        if !group.name.is_empty() {
            all.push((format!("apis/{}", group.name), Document::Group(group)));
        }
        for version in &group.versions {
            let root = paths::root(group, version);
            all.push((root.trim_start_matches('/').to_owned(), Document::Version(group, version)));
        }
    }
    all
}

fn items(document: &Document<'_>) -> Vec<PathItem> {
    match document {
        Document::Fixed(fixed) => vec![paths::fixed(fixed)],
        Document::Group(group) => vec![paths::group(group)],
        Document::Version(group, version) => paths::version(group, version),
    }
}

#[cfg(test)]
mod tests;
