//! OpenAPI documents, each made when it is first asked for and kept.

use std::{
    collections::HashMap,
    io::Write as _,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use gantry_codec::openapi;
use gantry_kinds::Catalog;
use gantry_meta::Value;

/// One document in the forms it is sent in.
pub(crate) struct OpenApiDocument {
    pub json: Sendable,
    /// Version 2 alone has a message.
    pub protobuf: Option<Sendable>,
    pub hash: String,
}

/// Bytes, and the same compressed.
pub(crate) struct Sendable {
    pub plain: Bytes,
    pub gzip: Bytes,
}

impl Sendable {
    fn new(plain: Vec<u8>) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&plain).expect("a Vec takes everything");
        let gzip = encoder.finish().expect("a Vec takes everything").into();
        Self { plain: plain.into(), gzip }
    }
}

#[derive(Default)]
pub(crate) struct OpenApiDocuments(Mutex<HashMap<String, Arc<OpenApiDocument>>>);

impl OpenApiDocuments {
    /// By URL path; `None` for a path without a document.
    pub fn get(&self, catalog: &Catalog, path: &str) -> Option<Arc<OpenApiDocument>> {
        if let Some(kept) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(path) {
            return Some(kept.clone());
        }
        let made = Arc::new(made(catalog, path)?);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), made.clone());
        Some(made)
    }
}

fn made(catalog: &Catalog, path: &str) -> Option<OpenApiDocument> {
    let json = |document: &Value| Sendable::new(document.to_string().into_bytes());
    if let Some(below) = path.strip_prefix("/openapi/v3/") {
        let document = openapi::v3_document(catalog, below)?;
        return Some(OpenApiDocument { json: json(&document), protobuf: None, hash: openapi::hash(below) });
    }
    (path == "/openapi/v2").then(|| {
        let document = openapi::v2_document(catalog);
        let protobuf = Some(Sendable::new(openapi::to_protobuf(&document)));
        OpenApiDocument { json: json(&document), protobuf, hash: openapi::hash("v2") }
    })
}
