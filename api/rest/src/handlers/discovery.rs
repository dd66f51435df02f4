//! Discovery and the issuer's documents.

use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use gantry_codec::discovery;
use gantry_meta::{Status, Value};

use crate::{
    headers::header,
    respond::{self, Encoding, Offer, Wish},
    route::{Document, Refused},
    state::RestState,
};

/// The issuer's documents may be kept by who passes them on.
pub(super) const KEPT_AN_HOUR: (&str, &str) = ("cache-control", "public, max-age=3600");

pub(super) fn document(state: &RestState, request: &HttpRequest, document: &Document) -> Result<HttpResponse, Status> {
    let catalog = state.executor.catalog();
    let documents = &state.documents;
    let aggregated = respond::aggregated_discovery(header(request.headers(), "accept"));
    let offer = match document {
        Document::Groups | Document::Group(_) => Offer::Groups,
        _ => Offer::Discovery,
    };
    let plain = |value: &Value| Ok(respond::document(value, Wish::of(request, offer, "")?));
    match (document, aggregated) {
        (Document::CoreVersions, Some(encoding)) => {
            return Ok(aggregate(request, &documents.aggregated_core, encoding));
        }
        (Document::Groups, Some(encoding)) => return Ok(aggregate(request, &documents.aggregated_groups, encoding)),
        _ => {}
    }
    match document {
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
        Document::Other | Document::Malformed => Ok(respond::plain_not_found()),
    }
}

/// The tag is the content's, whatever the encoding.
fn aggregate(request: &HttpRequest, document: &(Bytes, String), encoding: Encoding) -> HttpResponse {
    let (body, etag) = document;
    if header(request.headers(), "if-none-match") == Some(etag) {
        return HttpResponse::NotModified()
            .insert_header(("etag", etag.as_str()))
            .insert_header(("vary", "Accept"))
            .finish();
    }
    HttpResponse::Ok()
        .content_type(format!("{}{}", encoding.content_type(), discovery::AGGREGATED_FORM))
        .insert_header(("etag", etag.as_str()))
        .insert_header(("vary", "Accept"))
        .insert_header(("cache-control", "public"))
        .body(match encoding {
            Encoding::Json => body.clone(),
            other => respond::encoded(body, other, false).into(),
        })
}

/// The signing keys. Asked for as plain JSON they are not acceptable, as in the reference.
pub(super) fn jwks(state: &RestState, request: &HttpRequest) -> Result<HttpResponse, Status> {
    const TYPE: &str = "application/jwk-set+json";
    Wish::of(request, Offer::Document(TYPE), "")?;
    let mut response = HttpResponse::Ok();
    response.content_type(TYPE).insert_header(KEPT_AN_HOUR);
    Ok(response.body(state.documents.jwks.to_string()))
}
