//! `/openapi/v3`, the documents below it, and `/openapi/v2`.

use std::time::{Duration, SystemTime};

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header as names},
};
use gantry_meta::Status;

use crate::{
    headers::header,
    openapi::{OpenApiDocument, Sendable},
    query::Query,
    respond::{self, accepts_gzip},
    state::RestState,
};

const JSON: &str = "application/json";
/// The message of gnostic, in the spelling that is answered and in the older one that many clients ask in.
const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
const PROTOBUF_OLD: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/// For how long what is asked for by its hash may be kept: a year, as upstream.
const KEPT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pub(super) fn answer(state: &RestState, request: &HttpRequest, path: &str) -> Result<HttpResponse, Status> {
    let catalog = state.executor.catalog();
    if path == "/openapi/v3" {
        // Plain text is what the reference says it is.
        let index = gantry_codec::openapi::v3_index(catalog).to_string();
        return Ok(HttpResponse::Ok().content_type(respond::PLAIN_TEXT).body(index));
    }
    let Some(document) = state.documents.openapi.get(catalog, path) else {
        let is_third = path.starts_with("/openapi/v3/");
        return Ok(if is_third { HttpResponse::NotFound().finish() } else { respond::plain_not_found() });
    };
    let query = Query::parse(request.query_string());
    Ok(found(request, &document, query.get("hash").filter(|_| path != "/openapi/v2")))
}

/// `hash`: what is asked for by its hash never changes, and may be kept by who passes it on; the document may be another one
/// by now.
fn found(request: &HttpRequest, document: &OpenApiDocument, hash: Option<&str>) -> HttpResponse {
    let Some((media_type, content)) = negotiate(header(request.headers(), "accept").unwrap_or_default(), document)
    else {
        let mut refusal = HttpResponse::NotAcceptable();
        vary(document).iter().for_each(|name| _ = refusal.append_header((names::VARY, *name)));
        return refusal.finish();
    };
    let mut response = HttpResponse::Ok();
    response.content_type(media_type);
    vary(document).iter().for_each(|name| _ = response.append_header((names::VARY, *name)));
    if hash.is_some_and(|asked| asked != document.hash) {
        let newest = format!("{}?hash={}", request.path(), document.hash);
        return response.status(StatusCode::MOVED_PERMANENTLY).insert_header((names::LOCATION, newest)).finish();
    }
    let tag = format!("\"{}\"", document.hash);
    if header(request.headers(), "if-none-match") == Some(tag.as_str()) {
        return HttpResponse::NotModified().insert_header((names::ETAG, tag)).finish();
    }
    response.insert_header((names::ETAG, tag));
    if hash.is_some() {
        response.insert_header((names::CACHE_CONTROL, "public, immutable"));
        // Without this clients that keep answers ask again each time.
        response.insert_header((names::EXPIRES, names::HttpDate::from(SystemTime::now() + KEPT)));
    }
    sent(&mut response, content, accepts_gzip(header(request.headers(), "accept-encoding")))
}

/// What an answer depends on; that of version two is compressed by who asks for it so, as the reference says.
fn vary(document: &OpenApiDocument) -> &'static [&'static str] {
    if document.protobuf.is_some() { &["Accept-Encoding", "Accept"] } else { &["Accept"] }
}

fn sent(response: &mut HttpResponseBuilder, content: &Sendable, gzip: bool) -> HttpResponse {
    if gzip {
        return response.insert_header((names::CONTENT_ENCODING, "gzip")).body(content.gzip.clone());
    }
    response.body(content.plain.clone())
}

/// The first clause of the highest quality that there is a form for; no header takes JSON.
fn negotiate<'d>(accept: &str, document: &'d OpenApiDocument) -> Option<(&'static str, &'d Sendable)> {
    let form = |media_type: &str| match media_type {
        "" | "*/*" | "application/*" | JSON => Some((JSON, &document.json)),
        PROTOBUF | PROTOBUF_OLD => document.protobuf.as_ref().map(|message| (PROTOBUF, message)),
        _ => None,
    };
    let mut clauses: Vec<(f32, &str)> = accept.split(',').map(clause).collect();
    clauses.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    clauses.into_iter().find_map(|(_, media_type)| form(media_type))
}

/// Quality and media type of one clause.
fn clause(text: &str) -> (f32, &str) {
    let mut parts = text.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    let quality = parts.find_map(|parameter| parameter.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
    (quality, media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(path: &str) -> std::sync::Arc<OpenApiDocument> {
        crate::openapi::OpenApiDocuments::default().get(gantry_kinds::catalog(), path).unwrap()
    }

    #[test]
    fn version_two_is_a_message_for_who_prefers_one_and_version_three_is_json_alone() {
        let (second, third) = (made("/openapi/v2"), made("/openapi/v3/apis/batch/v1"));
        let form = |accept: &str, of: &OpenApiDocument| negotiate(accept, of).map(|(media_type, _)| media_type);
        assert_eq!(form("", &second), Some(JSON));
        assert_eq!(form(PROTOBUF_OLD, &second), Some(PROTOBUF));
        assert_eq!(
            form("application/json;q=0.5, application/com.github.proto-openapi.spec.v2.v1.0+protobuf", &second),
            Some(PROTOBUF)
        );
        assert_eq!(form(PROTOBUF, &third), None);
        assert_eq!(form("text/html, */*;q=0.1", &third), Some(JSON));
        assert_eq!(form("text/html", &second), None);
    }
}
