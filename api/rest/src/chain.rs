//! The way of every request: id, authentication, impersonation, route, handler, answer, measure.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    HttpRequest, HttpResponse,
    body::{BodySize, MessageBody},
    http::{
        Method,
        header::{self, HeaderName, HeaderValue},
    },
    web,
};
use gantry_auth::{
    Attributes, UserInfo,
    authenticate::{Credentials, Peer},
    impersonation::Wanted,
};
use gantry_meta::Status;
use gantry_registry::{Origin, RequestContext, Verb, request_span};
use tracing::Instrument;

use crate::{
    duration, handlers,
    headers::header,
    metrics::Labels,
    query::Query,
    respond,
    route::{Document, Route, route},
    socket_token,
    state::RestState,
    warnings,
};

/// Requests that are no watch or stream end after this at the latest.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");
const WARNING: HeaderName = HeaderName::from_static("warning");

pub(crate) async fn entry(
    request: HttpRequest,
    mut payload: web::Payload,
    state: web::Data<RestState>,
) -> HttpResponse {
    let started = Instant::now();
    let route = route(state.executor.catalog(), request.method(), request.uri());
    if route.is_malformed() {
        return respond::malformed();
    }
    let labels = Labels::of(&route, request.method());
    let in_flight = state.metrics.begin(&labels);
    let ctx = match identify(&state, &request, &route, started) {
        Ok(ctx) => ctx,
        Err(refusal) => {
            if request.method() != Method::GET {
                handlers::discard(&mut payload).await;
            }
            let mut response = respond::status(&refusal, &request);
            forbid_caching(&mut response);
            in_flight.end(response.status().as_u16(), body_bytes(&response), started.elapsed());
            return response;
        }
    };
    let span = request_span(request.method().as_str(), request.path());
    span.record("audit.id", &*ctx.request_id);
    let answered = handlers::handle(&state, &ctx, &request, payload, route, &labels).instrument(span.clone()).await;
    let mut response = answered.unwrap_or_else(|refusal| respond::status(&refusal, &request));
    // OpenTelemetry has no unsigned attributes: they would arrive as text.
    span.record("http.response.status_code", i64::from(response.status().as_u16()));
    add_headers(&ctx, &mut response);
    in_flight.end(response.status().as_u16(), body_bytes(&response), started.elapsed());
    response
}

fn body_bytes(response: &HttpResponse) -> Option<u64> {
    match response.body().size() {
        BodySize::Sized(bytes) => Some(bytes),
        BodySize::None => Some(0),
        BodySize::Stream => None,
    }
}

/// Who asks, and until when. A refusal is recorded here: nobody behind us sees the request.
fn identify(
    state: &RestState,
    request: &HttpRequest,
    route: &Route,
    started: Instant,
) -> Result<RequestContext, Status> {
    let time = time_allowed(request, route);
    let identified = time.clone().and_then(|_| authenticate(state, request));
    let (user, refusal) = match identified {
        Ok(user) => (user, None),
        Err(refusal) => (UserInfo::new("", &[]), Some(refusal)),
    };
    let ctx = context(state, request, user, started + time.unwrap_or(REQUEST_TIMEOUT));
    let attributes = route.attributes(&ctx.user, request.path());
    match refusal.map_or_else(|| acting_user(state, request, &attributes), Err) {
        Ok(None) => Ok(ctx),
        Ok(Some(acting)) => Ok(ctx.acting_as(acting)),
        Err(refusal) => {
            state.executor.audit_refused(&ctx, &attributes, &refusal);
            Err(*refusal)
        }
    }
}

fn authenticate(state: &RestState, request: &HttpRequest) -> Result<UserInfo, Box<Status>> {
    let headers = request.headers();
    let of_socket = socket_token::authorization(headers);
    let authorization = header(headers, "authorization").or(of_socket.as_deref());
    let credentials = Credentials { peer: &peer_of(request), authorization };
    state.executor.authenticator().authenticate(credentials, jiff::Timestamp::now())
}

/// The judged certificate of a request's connection.
fn peer_of(request: &HttpRequest) -> Arc<Peer> {
    request.conn_data::<Arc<Peer>>().cloned().unwrap_or_default()
}

fn context(state: &RestState, request: &HttpRequest, user: UserInfo, deadline: Instant) -> RequestContext {
    let agent = request.headers().get("user-agent");
    let user_agent = agent.map(|agent| String::from_utf8_lossy(agent.as_bytes())).unwrap_or_default();
    let id = uuid::Uuid::new_v4().to_string();
    let ctx = RequestContext::new(id, user, &user_agent, deadline);
    if !state.executor.is_audited() {
        return ctx;
    }
    let address = request.peer_addr().map(|peer| peer.ip());
    // HTTP/2 says the server's name with it.
    let uri = request.uri().path_and_query().map_or("/", |at| at.as_str()).to_owned();
    ctx.with_origin(Origin { uri: Some(uri), address, impersonator: None })
}

/// Whom the request is made in the name of, if `attributes.user` asks and may act as them.
fn acting_user(
    state: &RestState,
    request: &HttpRequest,
    attributes: &Attributes<'_>,
) -> Result<Option<UserInfo>, Box<Status>> {
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let Some(wanted) = Wanted::from_headers(headers)? else { return Ok(None) };
    let authorizer = &**state.executor.authorizer();
    state.impersonator.impersonate(authorizer, &wanted, attributes).map(Some)
}

/// `?timeout=30s` shortens the time that a request may take, but for those that last; 400 for one that is no duration.
fn time_allowed(request: &HttpRequest, route: &Route) -> Result<Duration, Box<Status>> {
    let query = request.query_string();
    if !query.contains("timeout=") || route.lasts() {
        return Ok(REQUEST_TIMEOUT);
    }
    let text = Query::parse(query).text("timeout");
    if text.is_empty() {
        return Ok(REQUEST_TIMEOUT);
    }
    let seconds = duration::seconds(&text)
        .ok_or_else(|| Status::bad_request(format!("invalid timeout specified in the request URL: {text:?}")))?;
    let asked = Some(seconds).filter(|seconds| *seconds > 0.0).and_then(|s| Duration::try_from_secs_f64(s).ok());
    Ok(asked.map_or(REQUEST_TIMEOUT, |asked| asked.min(REQUEST_TIMEOUT)))
}

fn add_headers(ctx: &RequestContext, response: &mut HttpResponse) {
    forbid_caching(response);
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&ctx.request_id) {
        headers.insert(AUDIT_ID, id);
    }
    for warning in warnings::headers(ctx.take_warnings()) {
        headers.append(WARNING, warning);
    }
}

/// Nothing is kept by who passes it on, unless its handler said otherwise.
fn forbid_caching(response: &mut HttpResponse) {
    let headers = response.headers_mut();
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    }
}

impl Route {
    /// A path that leads nowhere, whoever asks.
    fn is_malformed(&self) -> bool {
        matches!(self, Self::Path { document: Document::Malformed, .. })
    }

    /// Watches, and what leads on to a node, pod or service.
    fn lasts(&self) -> bool {
        matches!(self, Self::Resource(found) if found.connect || found.verb == Verb::Watch)
    }

    /// What impersonation decides on.
    pub fn attributes<'a>(&'a self, user: &'a gantry_auth::UserInfo, path: &'a str) -> Attributes<'a> {
        match self {
            Self::Resource(resource) => {
                let target = &resource.target;
                Attributes::resource(user, resource.verb.as_str(), target.group(), &target.resource.resource)
                    .at(&target.namespace, &target.name)
                    .subresource(&target.subresource)
            }
            Self::Path { verb, .. } => Attributes::path(user, verb, path),
        }
    }
}
