//! What each route does.

mod body;
mod connect;
mod discovery;
mod health;
mod openapi;
mod options;
mod resource;

pub(crate) use body::discard;

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use gantry_meta::Status;
use gantry_registry::RequestContext;

use crate::{
    metrics::Labels,
    respond::{self, Offer, Wish},
    route::{Document, Refused, Route},
    state::RestState,
};

pub(crate) async fn handle(
    state: &RestState,
    ctx: &RequestContext,
    request: &HttpRequest,
    payload: web::Payload,
    route: Route,
    labels: &Labels,
) -> Result<HttpResponse, Status> {
    match route {
        Route::Resource(found) => resource::handle(state, ctx, request, payload, found, labels).await,
        Route::Path { verb, document } => {
            let entry = state.executor.audit_path(ctx, &verb, request.path());
            let answer = path(state, ctx, request, &verb, &document);
            if let Some(entry) = entry {
                entry.complete(answer.as_ref().map_or_else(|status| status.code, |answer| answer.status().as_u16()));
            }
            answer
        }
    }
}

fn path(
    state: &RestState,
    ctx: &RequestContext,
    request: &HttpRequest,
    verb: &str,
    document: &Document,
) -> Result<HttpResponse, Status> {
    state.executor.authorise_path(ctx, verb, request.path())?;
    let read = request.method() == Method::GET;
    match document {
        Document::Other | Document::Malformed => other(state, request),
        // Groups are told of whatever the method, but for the one that tells of them.
        Document::Group(name) if !read && name == "apiregistration.k8s.io" => Err(Refused::Method.status()),
        Document::Groups | Document::Group(_) => discovery::document(state, request, document),
        // What is not there takes no method at all.
        Document::GroupVersion { group, version } if state.executor.catalog().version(group, version).is_none() => {
            discovery::document(state, request, document)
        }
        _ if !read => Err(Refused::Method.status()),
        discovered => discovery::document(state, request, discovered),
    }
}

const JSON: &str = "application/json";

/// Paths outside of `/api` and `/apis`. Most are answered whatever the method, as the reference answers them.
fn other(state: &RestState, request: &HttpRequest) -> Result<HttpResponse, Status> {
    let path = request.path();
    let get = request.method() == Method::GET;
    match path {
        _ if health::is_health(path) => Ok(health::answer(state, request)),
        "/version" | "/version/" | "/openid/v1/jwks" | "/.well-known/openid-configuration" if !get => {
            Err(Refused::Method.status())
        }
        "/version" | "/version/" => {
            let wish = Wish::of(request, Offer::Document(JSON), "")?;
            Ok(respond::document(&state.documents.version, Wish { pretty: true, ..wish }))
        }
        "/openid/v1/jwks" => discovery::jwks(state, request),
        "/.well-known/openid-configuration" => {
            Wish::of(request, Offer::Document(JSON), "")?;
            let mut response = HttpResponse::Ok();
            response.content_type(JSON).insert_header(discovery::KEPT_AN_HOUR);
            Ok(response.body(state.documents.openid_configuration.to_string()))
        }
        "/metrics" => Ok(HttpResponse::Ok()
            .content_type("text/plain; version=0.0.4; charset=utf-8; escaping=underscores")
            .body(state.metrics.text())),
        _ if path.starts_with("/openapi/") => openapi::answer(state, request, path),
        _ if get && (path == "/docs" || path.starts_with("/docs/")) => Ok(state.documents.docs_page(path)),
        // Whatever the client takes.
        "/" | "/index.html" => Ok(respond::document(&state.documents.paths, Wish { pretty: true, ..Wish::default() })),
        _ => Ok(respond::plain_not_found()),
    }
}
