//! Requests on resources: read what is asked, have it run, answer.

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use gantry_codec::{Expected, Format, Strictness};
use gantry_kinds::{Catalog, Resource};
use gantry_meta::Status;
use gantry_registry::{ApiRequest, ApiResponse, DeleteOptions, MediaType, RequestContext, Target, Verb};

use super::{body, connect, options};
use crate::{
    metrics::Labels,
    query::{self, Query},
    respond::{self, Handshake, Offer, Socket, Wish},
    route::{Refused, ResourceRoute},
    state::RestState,
};

pub(super) async fn handle(
    state: &RestState,
    ctx: &RequestContext,
    request: &HttpRequest,
    payload: web::Payload,
    found: ResourceRoute,
    labels: &Labels,
) -> Result<HttpResponse, Status> {
    if let Some(refused) = found.refused {
        return refuse(state, ctx, found, refused).await;
    }
    if found.connect {
        return connect::handle(state, ctx, request, payload, found, labels).await;
    }
    let resource = resource_of(state.executor.catalog(), &found.target);
    let query = Query::parse(request.query_string());
    let (target, verb) = (found.target.clone(), found.verb);
    let wish = match wish(request, &query, verb, (resource, &target.subresource)) {
        Ok(wish) => wish,
        Err(refusal) => return unacceptable(state, ctx, target, verb, refusal).await,
    };
    if verb == Verb::Watch
        && let Some(handshake) = Handshake::of(request)?
    {
        let asked = ApiRequest::Watch { target, options: query::list_options(&query)? };
        let answer = state.executor.execute(ctx, asked).await?;
        let ApiResponse::Watch(watch) = answer else {
            return Err(Status::internal("a watch was answered with something else"));
        };
        let (socket, counted) = (Socket { handshake, payload }, state.metrics.long_running(labels));
        return respond::watch_socket(watch, resource, wish, socket, counted, state.shutdown.clone());
    }
    let read = match read(request, payload, found, &query).await {
        Ok(read) => read,
        Err(refusal) => return unacceptable(state, ctx, target, verb, refusal).await,
    };
    let answer = state.executor.execute(ctx, read).await?;
    respond(state, answer, resource, &target, wish, labels)
}

fn resource_of<'a>(catalog: &'a Catalog, target: &Target) -> &'a Resource {
    let gvr = &target.resource;
    let found = catalog.resource(&gvr.group, &gvr.version, &gvr.resource);
    found.expect("routes to unknown resources are refused before")
}

/// 403 if the user may not even ask, else the refusal itself.
async fn unacceptable(
    state: &RestState,
    ctx: &RequestContext,
    target: Target,
    verb: Verb,
    refusal: Status,
) -> Result<HttpResponse, Status> {
    let asked = ApiRequest::Unacceptable { target, verb, refusal: Box::new(refusal) };
    match state.executor.execute(ctx, asked).await {
        Err(refusal) => Err(refusal),
        Ok(_) => Err(Status::internal("a refused request was answered")),
    }
}

async fn refuse(
    state: &RestState,
    ctx: &RequestContext,
    found: ResourceRoute,
    refused: Refused,
) -> Result<HttpResponse, Status> {
    let answer = unacceptable(state, ctx, found.target, found.verb, refused.status()).await;
    match answer {
        Err(status) if refused == Refused::UnknownGroup && status.code == 404 => Ok(respond::plain_not_found()),
        other => other,
    }
}

/// What is answered and forgotten (reviews, tokens, bindings, evictions) has no rows.
fn has_tables(resource: &Resource, subresource: &str) -> bool {
    match resource.subresource(subresource) {
        Some(subresource) => subresource.has_verb("get"),
        None => resource.has_verb("list"),
    }
}

fn wish<'a>(
    request: &HttpRequest,
    query: &'a Query<'_>,
    verb: Verb,
    (resource, subresource): (&Resource, &str),
) -> Result<Wish<'a>, Status> {
    let offer = match verb {
        Verb::Watch => Offer::Watch,
        Verb::List | Verb::DeleteCollection => Offer::Many,
        _ if has_tables(resource, subresource) => Offer::One,
        _ => Offer::Untabled,
    };
    Wish::of(request, offer, query.get("includeObject").unwrap_or_default())
}

async fn read(
    request: &HttpRequest,
    payload: web::Payload,
    found: ResourceRoute,
    query: &Query<'_>,
) -> Result<ApiRequest, Status> {
    let target = found.target;
    // Before anything is refused: a client whose stream ends while it still sends may never see the answer.
    let bytes = match found.verb {
        Verb::Get | Verb::List | Verb::Watch => Bytes::new(),
        Verb::Create | Verb::Update | Verb::Patch | Verb::Delete | Verb::DeleteCollection => {
            body::read(request, payload).await?
        }
    };
    Ok(match found.verb {
        Verb::Get => ApiRequest::Get { target, options: query::get_options(query) },
        Verb::List => ApiRequest::List { target, options: query::list_options(query)? },
        Verb::Watch => ApiRequest::Watch { target, options: query::list_options(query)? },
        Verb::Create => {
            let media_type = body::object_type(request)?;
            let options = options::write(query, "CreateOptions", options::Kind::Object)?;
            ApiRequest::Create { target, body: body::object(media_type, bytes), options }
        }
        Verb::Update => {
            let media_type = body::object_type(request)?;
            let options = options::write(query, "UpdateOptions", options::Kind::Object)?;
            ApiRequest::Update { target, body: body::object(media_type, bytes), options }
        }
        Verb::Patch => {
            let make = body::patch_type(request)?;
            let patch = make(bytes, query.flag("force"));
            let kind = match patch {
                gantry_registry::Patch::Apply { .. } => options::Kind::Apply,
                _ => options::Kind::Patch,
            };
            let options = options::write(query, "PatchOptions", kind)?;
            ApiRequest::Patch { target, patch, options }
        }
        Verb::Delete => ApiRequest::Delete { target, options: delete_options(request, query, &bytes)? },
        Verb::DeleteCollection => {
            let list = query::list_options(query)?;
            ApiRequest::DeleteCollection { target, options: delete_options(request, query, &bytes)?, list }
        }
    })
}

/// A body replaces the query's options altogether.
fn delete_options(request: &HttpRequest, query: &Query<'_>, bytes: &Bytes) -> Result<DeleteOptions, Status> {
    if bytes.is_empty() {
        return query::delete_options(query);
    }
    let format = match body::object_type(request)? {
        MediaType::Json => Format::Json,
        MediaType::Yaml => Format::Yaml,
        MediaType::Protobuf => Format::Protobuf,
    };
    let ty = gantry_kinds::catalog().type_of_kind("", "v1", DeleteOptions::KIND);
    let ty = ty.ok_or_else(|| Status::internal("DeleteOptions has no field table"))?;
    let expected = Expected { ty, api_version: "v1", kind: DeleteOptions::KIND, any_api_version: true };
    let decoded = gantry_codec::decode(expected, bytes, format, Strictness::Ignore)?;
    DeleteOptions::from_object(&decoded.object)
}

fn respond(
    state: &RestState,
    answer: ApiResponse,
    resource: &Resource,
    target: &Target,
    wish: Wish<'_>,
    labels: &Labels,
) -> Result<HttpResponse, Status> {
    match answer {
        ApiResponse::Object(object) => respond::object(&object, resource, &target.subresource, wish),
        ApiResponse::List(list) => respond::list(list, resource, wish),
        ApiResponse::Watch(watch) => {
            let counted = state.metrics.long_running(labels);
            respond::watch(watch, resource, wish, counted, state.shutdown.clone())
        }
        ApiResponse::Status(status) => Ok(respond::status_in(&status, wish.accepted.encoding, wish.pretty)),
        ApiResponse::NoContent => Ok(HttpResponse::NoContent().finish()),
        ApiResponse::Connect(_) => Err(Status::internal("a request on a resource was answered with a connection")),
    }
}
