//! Discovery, OpenAPI and the issuer's documents.

use actix_web::{HttpRequest, HttpResponse};
use gantry_codec::discovery;
use gantry_meta::{Reason, Status, Value};

use super::document_wish;
use crate::{
    chain::header,
    respond::{self, Offer},
    route::{Document, Refused},
    state::RestState,
};

pub(super) fn document(state: &RestState, request: &HttpRequest, document: &Document) -> Result<HttpResponse, Status> {
    let catalog = state.executor.catalog();
    let documents = &state.documents;
    let aggregated = || respond::wants_aggregated_discovery(header(request.headers(), "accept"));
    let plain = |value: &Value| Ok(respond::document(value, document_wish(request, Offer::Discovery)?));
    match document {
        Document::CoreVersions if aggregated() => Ok(aggregate(&documents.aggregated_core)),
        Document::Groups if aggregated() => Ok(aggregate(&documents.aggregated_groups)),
        Document::CoreVersions => plain(&documents.core_versions),
        Document::Groups => plain(&documents.groups),
        Document::Group(name) => match catalog.group(name).filter(|group| !group.name.is_empty()) {
            Some(group) => plain(&discovery::api_group(group)),
            None => Ok(respond::plain_not_found()),
        },
        Document::GroupVersion { group, version } => {
            let Some(found) = catalog.group(group) else { return Ok(respond::plain_not_found()) };
            let version = catalog.version(group, version).ok_or_else(|| Refused::Unknown.status())?;
            plain(&discovery::api_resource_list(found, version))
        }
        Document::Other => Ok(respond::plain_not_found()),
    }
}

fn aggregate(document: &(bytes::Bytes, String)) -> HttpResponse {
    let (body, etag) = document;
    HttpResponse::Ok()
        .content_type(discovery::AGGREGATED_MEDIA_TYPE)
        .insert_header(("etag", etag.as_str()))
        .insert_header(("vary", "Accept"))
        .body(body.clone())
}

/// The signing keys. Asked for as plain JSON they are not acceptable, as in the reference.
pub(super) fn jwks(state: &RestState, request: &HttpRequest) -> Result<HttpResponse, Status> {
    const TYPE: &str = "application/jwk-set+json";
    let accept = header(request.headers(), "accept").unwrap_or_default();
    let takes = |clause: &str| matches!(clause.split(';').next().unwrap_or_default().trim(), "" | "*/*" | TYPE);
    if !accept.split(',').any(takes) {
        let message = format!("only {TYPE} is served here");
        return Err(Status::failure(Reason::NotAcceptable, message));
    }
    Ok(HttpResponse::Ok().content_type(TYPE).body(state.documents.jwks.to_string()))
}

/// `/openapi/v3`, the documents below it, and `/openapi/v2`.
pub(super) fn openapi(state: &RestState, request: &HttpRequest, path: &str) -> Result<HttpResponse, Status> {
    let catalog = state.executor.catalog();
    let path = path.trim_end_matches('/');
    if path == "/openapi/v3" {
        // Plain text is what the reference says it is.
        let index = gantry_codec::openapi::v3_index(catalog).to_string();
        return Ok(HttpResponse::Ok().content_type(respond::PLAIN_TEXT).body(index));
    }
    let Some(document) = state.documents.openapi.get(catalog, path) else { return Ok(respond::plain_not_found()) };
    let tag = format!("\"{}\"", document.hash);
    if header(request.headers(), "if-none-match") == Some(tag.as_str()) {
        return Ok(HttpResponse::NotModified().insert_header(("etag", tag)).finish());
    }
    let gzip = respond::accepts_gzip(header(request.headers(), "accept-encoding"));
    let mut response = HttpResponse::Ok();
    response.content_type("application/json").insert_header(("etag", tag)).insert_header(("vary", "Accept"));
    if gzip {
        response.insert_header(("content-encoding", "gzip"));
        return Ok(response.body(document.gzip.clone()));
    }
    Ok(response.body(document.json.clone()))
}
