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
    pub json: Bytes,
    pub gzip: Bytes,
    pub hash: String,
}

#[derive(Default)]
pub(crate) struct OpenApiDocuments(Mutex<HashMap<String, Arc<OpenApiDocument>>>);

impl OpenApiDocuments {
    /// By URL path; `None` for a path without a document.
    pub fn get(&self, catalog: &Catalog, path: &str) -> Option<Arc<OpenApiDocument>> {
        if let Some(kept) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(path) {
            return Some(kept.clone());
        }
        let (document, hash) = match path.strip_prefix("/openapi/v3/") {
            Some(below) => (openapi::v3_document(catalog, below)?, openapi::hash(below)),
            None if path == "/openapi/v2" => (openapi::v2_document(catalog), openapi::hash("v2")),
            None => return None,
        };
        let made = Arc::new(made(&document, hash));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), made.clone());
        Some(made)
    }
}

fn made(document: &Value, hash: String) -> OpenApiDocument {
    let json = Bytes::from(document.to_string());
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&json).expect("a Vec takes everything");
    let gzip = encoder.finish().expect("a Vec takes everything").into();
    OpenApiDocument { json, gzip, hash }
}
