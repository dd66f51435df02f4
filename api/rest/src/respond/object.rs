//! One object.

use actix_web::{HttpResponse, http::StatusCode};
use gantry_kinds::Resource;
use gantry_meta::Status;
use gantry_registry::ObjectResponse;

use super::{View, Wish, encoded, gzip, view};

/// `resource` and `subresource` say which columns a table has.
pub(crate) fn object(
    answer: &ObjectResponse,
    resource: &Resource,
    subresource: &str,
    wish: Wish<'_>,
) -> Result<HttpResponse, Status> {
    let code = StatusCode::from_u16(answer.code).unwrap_or(StatusCode::OK);
    let encoding = wish.accepted.encoding;
    let mut response = HttpResponse::build(code);
    response.content_type(encoding.content_type());
    let body = match View::new(wish.accepted.form, resource, subresource, wish.include_object)? {
        Some(view) => {
            let shown = view.one(&view::tree(&answer.json), true);
            let json = serde_json::to_vec(&shown).expect("a tree can always be written");
            encoded(&json, encoding, wish.pretty).into()
        }
        None => encoded(&answer.json, encoding, wish.pretty).into(),
    };
    Ok(gzip::body(&mut response, body, wish.gzip))
}
