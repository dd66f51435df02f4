//! Onward connections of connect verbs: to kubelets, pods and services, byte for byte.

mod dial;
mod links;
mod plain;
mod upgrade;

pub use dial::{Dial, DialError, NodeDialer, OwnNetwork, PodNetwork, Wire};

pub(crate) use plain::{Refusals, forward, forward_to_socket};
pub(crate) use upgrade::{forward_upgrade, wanted_upgrade};

use std::borrow::Cow;

use actix_web::http::header::HeaderMap;
use gantry_meta::{Reason, Status};
use gantry_registry::ConnectTo;
use http_body_util::{BodyExt as _, Limited};

use crate::{headers::UPGRADE_HEADER, socket_token};

/// Headers between two hops, which are not passed on.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Proof of identity to this server is no other's business.
const OURS: &[&str] = &["authorization", "host", "content-length", UPGRADE_HEADER];

/// A refusal longer than this is cut.
const REFUSAL_MAX_BYTES: usize = 64 << 10;

fn passes(name: &str) -> bool {
    !HOP_BY_HOP.contains(&name) && !OURS.contains(&name) && !name.starts_with("impersonate-")
}

/// The headers that go on to the far end; of the protocols offered for a WebSocket, those that are no token.
fn onward(headers: &HeaderMap) -> impl Iterator<Item = (&str, Cow<'_, [u8]>)> {
    let all = headers.iter().filter(|(name, _)| passes(name.as_str()));
    all.filter_map(|(name, value)| match name.as_str() {
        socket_token::PROTOCOLS => {
            let kept = socket_token::protocols(value.to_str().ok()?).collect::<Vec<_>>().join(", ");
            (!kept.is_empty()).then(|| (socket_token::PROTOCOLS, Cow::Owned(kept.into_bytes())))
        }
        name => Some((name, Cow::Borrowed(value.as_bytes()))),
    })
}

fn unreachable(to: &ConnectTo, error: &dyn std::fmt::Display) -> Status {
    Status::unavailable(format!("error trying to reach {}:{}: {error}", to.host, to.port), 1)
}

/// What the far end said instead of doing what it was asked: its own Status, or its words behind `prefix` in one.
async fn refusal(answer: hyper::Response<hyper::body::Incoming>, prefix: &str) -> Status {
    let code = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), REFUSAL_MAX_BYTES).collect().await;
    let bytes = body.map(|body| body.to_bytes()).unwrap_or_default();
    if let Ok(status) = serde_json::from_slice::<Status>(&bytes)
        && status.code >= 400
    {
        return status;
    }
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    let mut status = Status::failure(Reason::InternalError, format!("{prefix}{text}"));
    status.code = if code >= 400 { code } else { 502 };
    status.reason = match code {
        400 => Some(Reason::BadRequest),
        404 => Some(Reason::NotFound),
        _ => None,
    };
    status
}
