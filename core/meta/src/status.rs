//! `Status`: the one shape of every refusal (and of some successes) on the wire.
//!
//! Source: API conventions, "Response Status Kind". The texts are ours; reason, code, kind, name, and the causes' reason
//! and field are API and follow the reference.

use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt};

use crate::FieldPath;

/// Machine-readable reason of a [`Status`]; its wire name is the variant's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Reason {
    Unauthorized,
    Forbidden,
    NotFound,
    AlreadyExists,
    Conflict,
    Gone,
    Expired,
    Invalid,
    BadRequest,
    MethodNotAllowed,
    NotAcceptable,
    RequestEntityTooLarge,
    UnsupportedMediaType,
    InternalError,
    ServiceUnavailable,
    TooManyRequests,
    ServerTimeout,
    Timeout,
}

impl Reason {
    /// The HTTP status code that this reason is answered with.
    pub fn code(self) -> u16 {
        match self {
            Reason::BadRequest => 400,
            Reason::Unauthorized => 401,
            Reason::Forbidden => 403,
            Reason::NotFound => 404,
            Reason::MethodNotAllowed => 405,
            Reason::NotAcceptable => 406,
            Reason::AlreadyExists | Reason::Conflict => 409,
            Reason::Gone | Reason::Expired => 410,
            Reason::RequestEntityTooLarge => 413,
            Reason::UnsupportedMediaType => 415,
            Reason::Invalid => 422,
            Reason::TooManyRequests => 429,
            Reason::InternalError | Reason::ServerTimeout => 500,
            Reason::ServiceUnavailable => 503,
            Reason::Timeout => 504,
        }
    }
}

/// Why one field was refused. The wire names are the reference's `CauseType` values.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum CauseType {
    FieldValueNotFound,
    FieldValueRequired,
    FieldValueDuplicate,
    FieldValueInvalid,
    FieldValueNotSupported,
    FieldValueForbidden,
    FieldValueTooLong,
    FieldValueTooMany,
    FieldValueTypeInvalid,
    InternalError,
    FieldManagerConflict,
    UnexpectedServerResponse,
    ResourceVersionTooLarge,
    DisruptionBudget,
    NamespaceTerminating,
}

/// One reason among those that `details.causes` lists.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Cause {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<CauseType>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub message: Cow<'static, str>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
}

impl Cause {
    pub fn new(reason: CauseType, field: impl Into<String>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: Some(reason), message: message.into(), field: field.into() }
    }

    pub fn required(field: &FieldPath, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(CauseType::FieldValueRequired, field.to_string(), message)
    }

    /// `why` may begin with the value and a colon.
    pub fn invalid(field: &FieldPath, why: impl fmt::Display) -> Self {
        Self::new(CauseType::FieldValueInvalid, field.to_string(), format!("Invalid value: {why}"))
    }

    pub fn forbidden(field: &FieldPath, why: impl fmt::Display) -> Self {
        Self::new(CauseType::FieldValueForbidden, field.to_string(), format!("Forbidden: {why}"))
    }

    pub fn duplicate(field: &FieldPath, value: &str) -> Self {
        Self::new(CauseType::FieldValueDuplicate, field.to_string(), format!("Duplicate value: {value:?}"))
    }

    pub fn not_supported(field: &FieldPath, value: &str, supported: &[&str]) -> Self {
        let list = supported.iter().map(|s| format!("{s:?}")).collect::<Vec<_>>().join(", ");
        Self::new(
            CauseType::FieldValueNotSupported,
            field.to_string(),
            format!("Unsupported value: {value:?}: supported values: {list}"),
        )
    }

    pub fn too_long(field: &FieldPath, max_bytes: usize) -> Self {
        Self::new(
            CauseType::FieldValueTooLong,
            field.to_string(),
            format!("Too long: may not be more than {max_bytes} bytes"),
        )
    }

    pub fn too_many(field: &FieldPath, actual: usize, max: usize) -> Self {
        Self::new(
            CauseType::FieldValueTooMany,
            field.to_string(),
            format!("Too many: {actual}: must have at most {max} items"),
        )
    }
}

/// What a refusal is about: which object, and each thing that is wrong with it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusDetails {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The Kind for `Invalid`, the plural resource for `NotFound`, `Conflict`, `Forbidden` and `AlreadyExists`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// Also sent as the `Retry-After` header, in seconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retry_after_seconds: u32,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// The answer to a request that has no object to show: `{"kind":"Status","apiVersion":"v1",...}`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    pub code: u16,
    /// `None` is written as no `reason` at all.
    pub reason: Option<Reason>,
    pub message: String,
    /// `None` is written as no `details`; `Some(default)` as `details: {}`, which the reference does for some answers.
    pub details: Option<Box<StatusDetails>>,
    /// `metadata.continue`: where an expired list can go on, inconsistently. Empty in all other answers.
    pub continue_token: String,
}

impl Status {
    pub fn failure(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            code: reason.code(),
            reason: Some(reason),
            message: message.into(),
            details: None,
            continue_token: String::new(),
        }
    }

    /// A success that has no object to show.
    pub fn success(code: u16) -> Self {
        Self { code, reason: None, message: String::new(), details: None, continue_token: String::new() }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::failure(Reason::BadRequest, message)
    }

    /// An invariant of ours is broken. Never the answer to bad input.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::failure(Reason::InternalError, message)
    }

    pub fn not_found(group: &str, resource: &str, name: &str) -> Self {
        Self::about(Reason::NotFound, group, resource, name, "not found")
    }

    pub fn already_exists(group: &str, resource: &str, name: &str) -> Self {
        Self::about(Reason::AlreadyExists, group, resource, name, "already exists")
    }

    pub fn conflict(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let mut status = Self::about(Reason::Conflict, group, resource, name, "");
        status.message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", qualified(group, resource));
        status
    }

    /// `kind` is the Kind (not the resource), as the reference does for this reason alone.
    pub fn invalid(group: &str, kind: &str, name: &str, causes: Vec<Cause>) -> Self {
        let errors: Vec<String> = causes.iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
        let text = if errors.len() == 1 { errors[0].clone() } else { format!("[{}]", errors.join(", ")) };
        Self {
            code: 422,
            reason: Some(Reason::Invalid),
            message: format!("{} {name:?} is invalid: {text}", qualified(group, kind)),
            details: Some(Box::new(StatusDetails {
                name: name.into(),
                group: group.into(),
                kind: kind.into(),
                causes,
                ..Default::default()
            })),
            continue_token: String::new(),
        }
    }

    /// The service cannot answer now and says when to try again.
    pub fn unavailable(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        let mut status = Self::failure(Reason::ServiceUnavailable, message);
        status.details = Some(Box::new(StatusDetails { retry_after_seconds, ..Default::default() }));
        status
    }

    /// A refusal of `reason` about one named object of a resource.
    pub fn about(reason: Reason, group: &str, resource: &str, name: &str, what: &str) -> Self {
        Self {
            code: reason.code(),
            reason: Some(reason),
            message: format!("{} {name:?} {what}", qualified(group, resource)),
            details: Some(Box::new(StatusDetails {
                name: name.into(),
                group: group.into(),
                kind: resource.into(),
                ..Default::default()
            })),
            continue_token: String::new(),
        }
    }

    #[must_use]
    pub fn with_cause(mut self, cause: Cause) -> Self {
        self.details.get_or_insert_default().causes.push(cause);
        self
    }

    /// With `details: {}` on the wire.
    #[must_use]
    pub fn with_empty_details(mut self) -> Self {
        self.details = Some(Box::default());
        self
    }

    pub fn is(&self, reason: Reason) -> bool {
        self.reason == Some(reason)
    }
}

fn qualified(group: &str, name: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

#[derive(Serialize)]
struct WireMetadata<'a> {
    #[serde(rename = "continue", skip_serializing_if = "str::is_empty")]
    continue_token: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    kind: &'static str,
    api_version: &'static str,
    metadata: WireMetadata<'a>,
    status: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: &'a Option<Box<StatusDetails>>,
    /// The reference leaves the code of a plain success out.
    #[serde(skip_serializing_if = "is_ok")]
    code: u16,
}

fn is_ok(code: &u16) -> bool {
    *code == 200
}

impl Serialize for Status {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire {
            kind: "Status",
            api_version: "v1",
            metadata: WireMetadata { continue_token: &self.continue_token },
            status: if self.code < 400 { "Success" } else { "Failure" },
            message: &self.message,
            reason: self.reason,
            details: &self.details,
            code: self.code,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct In {
            /// A plain success has none.
            #[serde(default = "ok")]
            code: u16,
            #[serde(default)]
            metadata: InMetadata,
            #[serde(default)]
            reason: serde_json::Value,
            #[serde(default)]
            message: String,
            #[serde(default)]
            details: Option<Box<StatusDetails>>,
        }
        #[derive(Deserialize, Default)]
        struct InMetadata {
            #[serde(default, rename = "continue")]
            continue_token: String,
        }
        fn ok() -> u16 {
            200
        }
        let read = In::deserialize(deserializer)?;
        Ok(Self {
            code: read.code,
            reason: serde_json::from_value(read.reason).ok(),
            message: read.message,
            details: read.details,
            continue_token: read.metadata.continue_token,
        })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (HTTP {})", self.message, self.code)
    }
}

impl std::error::Error for Status {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_status_names_kind_and_causes() {
        let path = FieldPath::root().field("spec").field("replicas");
        let status = Status::invalid("apps", "Deployment", "web", vec![Cause::invalid(&path, "must not be negative")]);
        let wire = serde_json::to_value(&status).unwrap();
        assert_eq!(wire["code"], 422);
        assert_eq!(wire["details"]["kind"], "Deployment");
        assert_eq!(wire["details"]["causes"][0]["field"], "spec.replicas");
        assert_eq!(wire["details"]["causes"][0]["reason"], "FieldValueInvalid");
        assert_eq!(serde_json::from_value::<Status>(wire).unwrap(), status);
    }
}
