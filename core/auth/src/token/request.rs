//! `TokenRequest`: what a client asks for, judged, and the answer.

use gantry_meta::{Cause, FieldPath, Object, ObjectView, Status, Value, time};
use jiff::Timestamp;
use serde_json::json;

const GROUP: &str = "authentication.k8s.io";
const KIND: &str = "TokenRequest";
const DEFAULT_SECONDS: i64 = 3600;
/// Members of metadata that a client cannot set.
const WIPED: [&str; 3] = ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"];
const MIN_SECONDS: i64 = 600;
const MAX_SECONDS: i64 = 1 << 32;

/// The object that a token is to die with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BoundRef {
    /// `Pod`, `Secret` or `Node`.
    pub kind: String,
    pub name: String,
    /// Empty: whichever stands under the name. A given one that differs is a conflict (409).
    pub uid: String,
}

impl BoundRef {
    /// The resource of the kind; `None` for a kind that tokens cannot be bound to.
    pub fn resource(&self) -> Option<&'static str> {
        match &*self.kind {
            "Pod" => Some("pods"),
            "Secret" => Some("secrets"),
            "Node" => Some("nodes"),
            _ => None,
        }
    }
}

/// A judged `TokenRequest.spec`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenRequest {
    pub audiences: Vec<String>,
    pub expires_in_seconds: i64,
    pub bound_to: Option<BoundRef>,
}

/// Judges the body of `POST .../serviceaccounts/ACCOUNT/token`: 422 for bad fields, 400 for an object that cannot be bound to.
/// Empty audiences become `default_audiences`.
pub fn token_request_parse(
    body: &Object,
    namespace: &str,
    account: &str,
    default_audiences: &[String],
) -> Result<TokenRequest, Box<Status>> {
    let spec = body.get("spec").and_then(Value::as_object);
    let member = |name: &str| spec.and_then(|spec| spec.get(name)).filter(|value| !value.is_null());
    let seconds = member("expirationSeconds").and_then(Value::as_i64).unwrap_or(DEFAULT_SECONDS);
    token_request_is_about(body, namespace, account)?;
    check_seconds(seconds)?;
    let mut audiences: Vec<String> = member("audiences")
        .and_then(Value::as_array)
        .map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default();
    if audiences.is_empty() {
        audiences = default_audiences.to_vec();
    }
    let bound_to = member("boundObjectRef").and_then(Value::as_object).map(bound_ref).transpose()?;
    Ok(TokenRequest { audiences, expires_in_seconds: seconds, bound_to })
}

fn check_seconds(seconds: i64) -> Result<(), Box<Status>> {
    let path = FieldPath::of("spec.expirationSeconds");
    let why = match seconds {
        ..MIN_SECONDS => "may not specify a duration less than 10 minutes",
        _ if seconds > MAX_SECONDS => "may not specify a duration larger than 2^32 seconds",
        _ => return Ok(()),
    };
    Err(Box::new(Status::invalid(GROUP, KIND, "", vec![Cause::invalid(&path, format_args!("{seconds}: {why}"))])))
}

/// Name and namespace may be left out, but not differ from the URL's (422).
pub fn token_request_is_about(body: &Object, namespace: &str, account: &str) -> Result<(), Box<Status>> {
    for (field, given, wanted) in [("name", body.name(), account), ("namespace", body.namespace(), namespace)] {
        if !given.is_empty() && given != wanted {
            let cause = Cause::invalid(&FieldPath::of("metadata").field(field), "must be the same as in the URL");
            return Err(Box::new(Status::invalid(GROUP, KIND, account, vec![cause])));
        }
    }
    Ok(())
}

fn bound_ref(reference: &Object) -> Result<BoundRef, Box<Status>> {
    let text = |member: &str| reference.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
    let bound = BoundRef { kind: text("kind"), name: text("name"), uid: text("uid") };
    if bound.resource().is_none() || text("apiVersion") != "v1" {
        let (version, kind) = (text("apiVersion"), &bound.kind);
        let why = format!("cannot bind a token to an object of {version}/{kind}: use v1 Pod, Secret or Node");
        return Err(Box::new(Status::bad_request(why)));
    }
    Ok(bound)
}

/// Sets the time that a token lives where the body leaves it out.
pub fn fill_expiration(body: &mut Object) {
    let spec = body.entry("spec").or_insert(Value::Null);
    if spec.is_null() {
        *spec = json!({});
    }
    if let Some(spec) = spec.as_object_mut() {
        let seconds = spec.entry("expirationSeconds").or_insert(Value::Null);
        if seconds.is_null() {
            *seconds = DEFAULT_SECONDS.into();
        }
    }
}

/// The answer (201): `body` with its defaults, named after the account, the token and its end.
pub fn token_request_answer(
    body: &Object,
    request: &TokenRequest,
    account: &Object,
    token: &str,
    expires: Timestamp,
    now: Timestamp,
) -> Object {
    let bound = request.bound_to.as_ref().map(|bound| {
        let mut reference = Object::new();
        for (member, text) in [("kind", &*bound.kind), ("apiVersion", "v1"), ("name", &bound.name), ("uid", &bound.uid)]
        {
            if !text.is_empty() {
                reference.insert(member.into(), json!(text));
            }
        }
        reference
    });
    let mut metadata = body.metadata().cloned().unwrap_or_default();
    WIPED.iter().for_each(|member| _ = metadata.remove(*member));
    for (member, text) in [("name", account.name()), ("namespace", account.namespace()), ("uid", account.uid())] {
        metadata.insert(member.into(), text.into());
    }
    metadata.insert("creationTimestamp".into(), time::format_time(now).into());
    let answer = json!({
        "kind": KIND,
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": metadata,
        "spec": {
            "audiences": request.audiences, "boundObjectRef": bound, "expirationSeconds": request.expires_in_seconds,
        },
        "status": {"token": token, "expirationTimestamp": time::format_time(expires)},
    });
    match answer {
        Value::Object(answer) => answer,
        _ => unreachable!("the literal above is an object"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(spec: Value) -> Result<TokenRequest, Box<Status>> {
        let body = json!({ "spec": spec });
        token_request_parse(body.as_object().unwrap(), "ns", "robot", &["api".into()])
    }

    #[test]
    fn a_request_is_completed_with_defaults() {
        let request = parse(json!({})).unwrap();
        assert_eq!((request.expires_in_seconds, &*request.audiences[0], request.bound_to), (3600, "api", None));
    }

    #[test]
    fn odd_lives_names_and_bindings_are_refused() {
        for seconds in [0, 599, MAX_SECONDS + 1] {
            let refused = parse(json!({ "expirationSeconds": seconds })).unwrap_err();
            assert_eq!((refused.code, &*refused.details.unwrap().causes[0].field), (422, "spec.expirationSeconds"));
        }
        let refused =
            parse(json!({"boundObjectRef": {"kind": "ConfigMap", "apiVersion": "v1", "name": "x"}})).unwrap_err();
        assert_eq!(refused.code, 400);
        let body = json!({"metadata": {"name": "other"}});
        let refused = token_request_parse(body.as_object().unwrap(), "ns", "robot", &[]).unwrap_err();
        assert_eq!(refused.details.unwrap().causes[0].field, "metadata.name");
    }
}
