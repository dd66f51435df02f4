//! Reading a request's body, within limits.

use std::time::Duration;

use actix_web::{HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use gantry_meta::{Reason, Status};
use gantry_registry::{Body, MediaType, Patch};

use crate::{headers::header, proxy};

/// A body of exactly this size is read, one byte more is 413.
pub(crate) const BODY_MAX_BYTES: usize = 3 << 20;
/// Of a body that is too large, or of somebody unknown, this much is taken and thrown away: a client that still sends when
/// its stream is reset may never read why. Whoever sends more than that is cut off.
const DISCARD_MAX_BYTES: usize = 4 * BODY_MAX_BYTES;
const DISCARD_PATIENCE: Duration = Duration::from_secs(1);

pub(super) async fn read(request: &HttpRequest, mut payload: web::Payload) -> Result<Bytes, Status> {
    let mut first: Option<Bytes> = None;
    let mut all = BytesMut::new();
    let end = length_beside_upgrade(request);
    while end.is_none_or(|end| all.len() + first.as_ref().map_or(0, Bytes::len) < end)
        && let Some(chunk) = payload.next().await
    {
        let chunk = chunk.map_err(|error| Status::bad_request(format!("the body cannot be read: {error}")))?;
        let length = all.len() + first.as_ref().map_or(0, Bytes::len) + chunk.len();
        if length > BODY_MAX_BYTES {
            discard(&mut payload).await;
            let message = format!("Request entity too large: limit is {BODY_MAX_BYTES}");
            return Err(Status::failure(Reason::RequestEntityTooLarge, message));
        }
        // Most bodies come in one piece, which needs no copy.
        match (first.take(), all.is_empty()) {
            (None, true) => first = Some(chunk),
            (Some(before), _) => {
                all.extend_from_slice(&before);
                all.extend_from_slice(&chunk);
            }
            (None, false) => all.extend_from_slice(&chunk),
        }
    }
    Ok(first.unwrap_or_else(|| all.freeze()))
}

/// Where a body ends that asks to upgrade what cannot be upgraded: its connection goes on behind it for ever.
fn length_beside_upgrade(request: &HttpRequest) -> Option<usize> {
    proxy::wanted_upgrade(request)?;
    Some(header(request.headers(), "content-length").and_then(|length| length.parse().ok()).unwrap_or(0))
}

pub(crate) async fn discard(payload: &mut web::Payload) {
    let taking = async {
        let mut taken = 0;
        while taken < DISCARD_MAX_BYTES
            && let Some(Ok(chunk)) = payload.next().await
        {
            taken += chunk.len();
        }
    };
    // Who is slower than that is cut off as well.
    let _ = tokio::time::timeout(DISCARD_PATIENCE, taking).await;
}

/// `type/subtype` of the Content-Type header, in lower case; empty if there is none.
fn media_type(request: &HttpRequest) -> String {
    let value = header(request.headers(), "content-type").unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// False for a header with a parameter that is no `name=value`: who reads objects does not guess. (Patches do.)
fn is_well_formed(content_type: &str) -> bool {
    let mut parts = content_type.split(';');
    let named = parts.next().is_some_and(|media_type| content_type.is_empty() || !media_type.trim().is_empty());
    let parameter = |text: &str| {
        let pair = text.split_once('=');
        pair.is_some_and(|(name, value)| !name.trim().is_empty() && !value.trim().is_empty())
    };
    let mut rest = parts.peekable();
    named
        && std::iter::from_fn(|| rest.next().map(|text| (text, rest.peek().is_none())))
            .all(|(text, last)| parameter(text) || (last && text.trim().is_empty()))
}

const OBJECT_TYPES: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// How a body to create or replace with is written; 415 if nobody can read it.
pub(super) fn object_type(request: &HttpRequest) -> Result<MediaType, Status> {
    let well_formed = is_well_formed(header(request.headers(), "content-type").unwrap_or_default());
    match media_type(request).as_str() {
        _ if !well_formed => Err(unsupported(OBJECT_TYPES)),
        "" | "application/json" => Ok(MediaType::Json),
        "application/yaml" => Ok(MediaType::Yaml),
        "application/vnd.kubernetes.protobuf" => Ok(MediaType::Protobuf),
        _ => Err(unsupported(OBJECT_TYPES)),
    }
}

/// What kind of patch the body is; 415 with empty details for none. In these names, upstream tells cases apart.
pub(super) fn patch_type(request: &HttpRequest) -> Result<fn(Bytes, bool) -> Patch, Status> {
    let given = header(request.headers(), "content-type").unwrap_or_default();
    match given.split_once(';').map_or(given, |(media_type, _)| media_type) {
        "application/json-patch+json" => Ok(|body, _| Patch::Json(body)),
        "application/merge-patch+json" => Ok(|body, _| Patch::Merge(body)),
        "application/strategic-merge-patch+json" => Ok(|body, _| Patch::Strategic(body)),
        "application/apply-patch+yaml" => Ok(|body, force| Patch::Apply { body, force }),
        _ => {
            let accepted = "application/json-patch+json, application/merge-patch+json, \
                            application/strategic-merge-patch+json, application/apply-patch+yaml";
            Err(unsupported(accepted).with_empty_details())
        }
    }
}

fn unsupported(accepted: &str) -> Status {
    let message = format!("the body of the request was in an unknown format - accepted media types: {accepted}");
    Status::failure(Reason::UnsupportedMediaType, message)
}

pub(super) fn object(media_type: MediaType, bytes: Bytes) -> Body {
    Body { media_type, bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_type_has_a_name_and_parameters_with_values() {
        for good in ["", "application/json", "application/yaml; charset=utf-8", "application/json;", "a/b;c=d;e=f"] {
            assert!(is_well_formed(good), "{good:?}");
        }
        for bad in [";", "application/json; x", "application/json;=y", "a/b;c=d;e", ";a=b", "a/b;;c=d"] {
            assert!(!is_well_formed(bad), "{bad:?}");
        }
    }
}
