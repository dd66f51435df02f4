//! Onward connections of connect verbs: to kubelets, pods and services, byte for byte.

mod dial;
mod plain;
mod upgrade;

pub use dial::{Dial, DialError, NodeDialer, Wire};

pub(crate) use plain::forward;
pub(crate) use upgrade::{forward_upgrade, wanted_upgrade};

use actix_web::http::header::HeaderMap;
use gantry_meta::Status;
use gantry_registry::ConnectTo;

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
const OURS: &[&str] = &["authorization", "host", "content-length", crate::server::UPGRADE_HEADER];

fn passes(name: &str) -> bool {
    !HOP_BY_HOP.contains(&name) && !OURS.contains(&name) && !name.starts_with("impersonate-")
}

/// The headers that go on to the far end.
fn onward(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).filter(|(name, _)| passes(name))
}

fn unreachable(to: &ConnectTo, error: &dyn std::fmt::Display) -> Status {
    Status::unavailable(format!("error trying to reach {}:{}: {error}", to.host, to.port), 1)
}
