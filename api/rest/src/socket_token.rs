//! Bearer tokens of browsers. They cannot set headers on a WebSocket, so the token comes as one of the protocols offered, in
//! base64url, beside the protocol that is meant.

use actix_web::http::header::HeaderMap;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::headers::header;

pub(crate) const PROTOCOLS: &str = "sec-websocket-protocol";
const TOKEN: &str = "base64url.bearer.authorization.k8s.io.";

fn offered(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|protocol| !protocol.is_empty())
}

/// What the Authorization header would say. A token that cannot be read is given on as it is, to be refused.
pub(crate) fn authorization(headers: &HeaderMap) -> Option<String> {
    let encoded = offered(header(headers, PROTOCOLS)?).find_map(|protocol| protocol.strip_prefix(TOKEN))?;
    let decoded = URL_SAFE_NO_PAD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    Some(format!("Bearer {}", decoded.as_deref().unwrap_or(encoded)))
}

/// The protocols offered that are no token.
pub(crate) fn protocols(value: &str) -> impl Iterator<Item = &str> {
    offered(value).filter(|protocol| !protocol.starts_with(TOKEN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_among_the_protocols_is_read_and_not_passed_on() {
        let value = format!("v5.channel.k8s.io, {TOKEN}{}", URL_SAFE_NO_PAD.encode("a.b.c"));
        let mut headers = HeaderMap::new();
        assert_eq!(authorization(&headers), None);
        headers.insert(PROTOCOLS.parse().unwrap(), value.parse().unwrap());
        assert_eq!(authorization(&headers).as_deref(), Some("Bearer a.b.c"));
        assert_eq!(protocols(&value).collect::<Vec<_>>(), ["v5.channel.k8s.io"]);
    }
}
