//! Headers, and how they are read.

use actix_web::http::header::HeaderMap;

/// What a client asked its connection to become, where that is not what the listener was told: see `server/stream.rs`.
pub(crate) const UPGRADE_HEADER: &str = "x-gantry-upgrade";

/// A header's value; `None` if it is missing or no ASCII.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
