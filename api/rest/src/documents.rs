//! Documents that are the same for everybody, made once.

use std::sync::Arc;

use actix_web::HttpResponse;
use bytes::Bytes;
use gantry_codec::discovery;
use gantry_kinds::Catalog;
use gantry_meta::Value;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{config::RestConfig, openapi::OpenApiDocuments, respond, version::VERSION};

pub(crate) struct Documents {
    pub core_versions: Value,
    pub groups: Value,
    /// With their ETags.
    pub aggregated_core: (Bytes, String),
    pub aggregated_groups: (Bytes, String),
    pub version: Value,
    /// `/`: what else there is.
    pub paths: Value,
    pub jwks: Value,
    pub openid_configuration: Value,
    pub openapi: OpenApiDocuments,
    docs: Arc<utoipa_swagger_ui::Config<'static>>,
}

impl Documents {
    pub fn new(catalog: &Catalog, config: &RestConfig) -> Self {
        Self {
            core_versions: discovery::api_versions(&config.advertised),
            groups: discovery::api_group_list(catalog),
            aggregated_core: tagged(&discovery::aggregated(catalog, true)),
            aggregated_groups: tagged(&discovery::aggregated(catalog, false)),
            version: VERSION.clone(),
            paths: paths(catalog),
            jwks: config.jwks.clone(),
            openid_configuration: config.openid_configuration.clone(),
            openapi: OpenApiDocuments::default(),
            // Without it browsers would ask a server on the Internet to judge the document.
            docs: Arc::new(utoipa_swagger_ui::Config::new(["/openapi/v2"]).validator_url("none")),
        }
    }

    /// A page to read the API on, and its parts.
    pub fn docs_page(&self, path: &str) -> HttpResponse {
        if path == "/docs" {
            return HttpResponse::MovedPermanently().insert_header(("location", "/docs/")).finish();
        }
        let file = path.strip_prefix("/docs/").unwrap_or_default();
        match utoipa_swagger_ui::serve(file, self.docs.clone()) {
            Ok(Some(file)) => HttpResponse::Ok().content_type(file.content_type).body(file.bytes.into_owned()),
            Ok(None) | Err(_) => respond::plain_not_found(),
        }
    }
}

fn tagged(document: &Value) -> (Bytes, String) {
    let body = Bytes::from(document.to_string());
    let tag = Sha256::digest(&body).iter().map(|byte| format!("{byte:02X}")).collect::<String>();
    (body, format!("\"{tag}\""))
}

fn paths(catalog: &Catalog) -> Value {
    let mut paths: Vec<String> = ["/.well-known/openid-configuration", "/api", "/api/v1", "/apis", "/apis/"]
        .into_iter()
        .chain(["/docs/", "/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/openid/v1/jwks"])
        .chain(["/readyz", "/version"])
        .map(str::to_owned)
        .collect();
    for group in catalog.groups().iter().filter(|group| !group.name.is_empty()) {
        paths.push(format!("/apis/{}", group.name));
        paths.extend(group.versions.iter().map(|version| format!("/apis/{}/{}", group.name, version.name)));
    }
    paths.sort();
    json!({ "paths": paths })
}
