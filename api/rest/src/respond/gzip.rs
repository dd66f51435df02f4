//! Large answers are compressed where the client takes it.

use std::io::Write as _;

use actix_web::{HttpResponse, HttpResponseBuilder, http::header};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

/// Smaller answers cost more to compress than to send.
pub(super) const MIN_BYTES: usize = 128 << 10;

/// Compresses for speed: what is gained by more is lost in time.
pub(super) fn body(response: &mut HttpResponseBuilder, body: Bytes, accepted: bool) -> HttpResponse {
    if !accepted || body.len() < MIN_BYTES {
        return response.body(body);
    }
    response.insert_header((header::CONTENT_ENCODING, "gzip"));
    response.insert_header((header::VARY, "Accept-Encoding"));
    response.body(compressed(&body))
}

fn compressed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).expect("a Vec takes everything");
    encoder.finish().expect("a Vec takes everything")
}

/// True if the `Accept-Encoding` header takes gzip.
pub(crate) fn accepts(header: Option<&str>) -> bool {
    let takes = |coding: &str| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim() == "gzip" && !quality.replace(' ', "").starts_with("q=0")
    };
    header.is_some_and(|header| header.split(',').any(takes))
}
