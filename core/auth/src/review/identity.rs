//! Who am I, and whose token is this.

use gantry_meta::{Object, Status, Value, time};
use jiff::Timestamp;
use serde_json::json;

use super::{AUTHENTICATION, answer};
use crate::{Authenticator, UserInfo};

/// `SelfSubjectReview`: the user as the server sees them.
pub fn self_subject_review(mut body: Object, user: &UserInfo, now: Timestamp) -> Object {
    body.remove("spec");
    let metadata = json!({ "creationTimestamp": time::format_time(now) });
    answer(&mut body, "SelfSubjectReview", AUTHENTICATION, metadata, None, json!({ "userInfo": user.to_json() }))
}

/// `TokenReview`: whose token it is, for which of the audiences asked for. An empty token is 400.
pub fn token_review(mut body: Object, authenticator: &Authenticator, now: Timestamp) -> Result<Object, Box<Status>> {
    let spec = body.get("spec").and_then(Value::as_object);
    let token = spec.and_then(|spec| spec.get("token")).and_then(Value::as_str).unwrap_or_default();
    if token.is_empty() {
        return Err(Box::new(Status::bad_request("token is required for TokenReview in authentication")));
    }
    let asked: Vec<String> = spec
        .and_then(|spec| spec.get("audiences"))
        .and_then(Value::as_array)
        .map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default();
    let audiences = if asked.is_empty() { authenticator.audiences() } else { &asked };
    let status = match authenticator.token_user(token, audiences, now) {
        Some(found) => json!({"authenticated": true, "user": found.user.to_json(), "audiences": found.audiences}),
        None => json!({"user": {}, "error": "the token is not valid for any of the audiences"}),
    };
    let metadata = body.remove("metadata").unwrap_or_else(|| json!({}));
    Ok(answer(&mut body, "TokenReview", AUTHENTICATION, metadata, None, status))
}
