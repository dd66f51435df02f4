//! Answers: bytes in the form and encoding that the client takes.

mod accept;
mod gzip;
mod list;
mod object;
mod records;
mod view;
mod watch;
mod watch_socket;

pub(crate) use accept::{Accepted, Encoding, Form, Offer, aggregated_discovery, negotiate, negotiate_error};
pub(crate) use gzip::accepts as accepts_gzip;
pub(crate) use list::list;
pub(crate) use object::object;
pub(crate) use view::View;
pub(crate) use watch::{EventWriter, watch};
pub(crate) use watch_socket::{Handshake, Socket, open_socket, watch_socket};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};
use gantry_meta::{Status, Value};

use crate::{headers, query::Query};

pub(crate) const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

/// What an answer may depend on besides what is answered.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wish<'a> {
    pub accepted: Accepted,
    /// Indent JSON.
    pub pretty: bool,
    pub gzip: bool,
    /// `?includeObject=` of tables.
    pub include_object: &'a str,
}

impl<'a> Wish<'a> {
    /// `offer` says what there is to choose from.
    pub fn of(request: &HttpRequest, offer: Offer, include_object: &'a str) -> Result<Self, Status> {
        let headers = request.headers();
        let accepted = negotiate(headers::header(headers, "accept"), offer)?;
        Ok(Self {
            accepted,
            pretty: accepted.pretty || is_for_people(request),
            gzip: accepts_gzip(headers::header(headers, header::ACCEPT_ENCODING.as_str())),
            include_object,
        })
    }
}

/// A failure (or a success without an object), in the encoding that the client takes.
pub(crate) fn status(status: &Status, request: &HttpRequest) -> HttpResponse {
    let accepted = negotiate_error(headers::header(request.headers(), "accept"));
    status_in(status, accepted.encoding, accepted.pretty || is_for_people(request))
}

/// True if JSON is to be indented: the query says so, or it says nothing and the client is one that people read from.
pub(crate) fn is_for_people(request: &HttpRequest) -> bool {
    let query = Query::parse(request.query_string());
    if let Some(said) = query.get("pretty").filter(|said| !said.is_empty()) {
        return matches!(said, "1" | "t" | "T" | "true" | "TRUE" | "True");
    }
    let agent = headers::header(request.headers(), "user-agent").unwrap_or_default();
    ["curl", "Wget", "Mozilla/5.0"].iter().any(|name| agent.starts_with(name))
}

pub(crate) fn status_in(status: &Status, encoding: Encoding, pretty: bool) -> HttpResponse {
    let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(code);
    if let Some(seconds) = status.details.as_ref().map(|details| details.retry_after_seconds).filter(|s| *s > 0) {
        response.insert_header((header::RETRY_AFTER, seconds));
    }
    let json = serde_json::to_vec(status).expect("a Status can always be written");
    response.content_type(encoding.content_type()).body(encoded(&json, encoding, pretty))
}

/// 404 as the reference answers for paths that nothing is served under.
pub(crate) fn plain_not_found() -> HttpResponse {
    let mut response = HttpResponse::NotFound();
    response.content_type(PLAIN_TEXT).insert_header(("x-content-type-options", "nosniff"));
    response.body("404 page not found\n")
}

/// 400 for a URL that cannot be read; who writes such ones is not listened to any further.
pub(crate) fn malformed() -> HttpResponse {
    HttpResponse::BadRequest().force_close().content_type(PLAIN_TEXT).body("400 Bad Request")
}

/// A document that is no object: discovery, version.
pub(crate) fn document(document: &Value, wish: Wish<'_>) -> HttpResponse {
    let json = serde_json::to_vec(document).expect("a tree can always be written");
    let encoding = wish.accepted.encoding;
    let body = encoded(&json, encoding, wish.pretty);
    gzip::body(HttpResponse::Ok().content_type(encoding.content_type()), body.into(), wish.gzip)
}

/// JSON bytes in another encoding. JSON that is not indented is a line.
pub(crate) fn encoded(json: &[u8], encoding: Encoding, pretty: bool) -> Vec<u8> {
    match encoding {
        Encoding::Json if pretty => gantry_codec::pretty(json),
        Encoding::Json => [json, b"\n"].concat(),
        Encoding::Protobuf => gantry_codec::to_protobuf(json).expect("what is answered is of a built-in kind"),
        Encoding::Yaml => {
            let value: Value = serde_json::from_slice(json).expect("what is answered was written as JSON");
            gantry_codec::to_yaml(&value).into_bytes()
        }
    }
}
