//! Decoding of request bodies and of patched objects.

mod members;
mod path;
mod protobuf;
mod repeated;
mod scalar;
mod seed;
mod text;
mod tree;

use crate::{DecodeError, canonical, problems::Problems, yaml};
use gantry_kinds::{Resource, Subresource, Type};
use gantry_meta::{Object, Value};
use seed::Seed;
use serde::de::DeserializeSeed;
use serde_json::error::Category;

/// How the body is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    Json,
    Yaml,
    /// The message of the kind in the envelope that begins with `k8s` and a zero byte.
    Protobuf,
}

/// What happens to unknown and repeated fields (`fieldValidation`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Strictness {
    /// Dropped silently.
    Ignore,
    /// Dropped, each with a warning.
    Warn,
    /// Refused.
    Strict,
}

/// The kind that a body must be of. `kind` and `apiVersion` may be absent from it.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub ty: &'a Type,
    pub api_version: &'a str,
    pub kind: &'a str,
    /// `DeleteOptions` are taken with any group version that knows them.
    pub any_api_version: bool,
}

impl<'a> From<&'a Resource> for Expected<'a> {
    fn from(resource: &'a Resource) -> Self {
        Self { ty: &resource.root, api_version: &resource.api_version, kind: &resource.kind, any_api_version: false }
    }
}

impl<'a> Expected<'a> {
    /// What a subresource takes; `None` for connect verbs, whose options are query parameters.
    pub fn subresource(subresource: &'a Subresource) -> Option<Self> {
        let ty = subresource.root.as_ref()?;
        Some(Self { ty, api_version: &subresource.api_version, kind: &subresource.kind, any_api_version: false })
    }

    fn unfit(self, cause: DecodeError) -> DecodeError {
        let version = self.api_version.rsplit('/').next().unwrap_or_default().to_owned();
        DecodeError::Unfit { kind: self.kind.to_owned(), version, cause: Box::new(cause) }
    }
}

/// A canonical object and the texts of the Warning headers its body earned.
#[derive(Clone, PartialEq, Debug)]
pub struct Decoded {
    pub object: Object,
    pub warnings: Vec<String>,
}

/// Decodes a body. An empty YAML body counts as an empty object, an empty JSON body is an error.
pub fn decode(
    expected: Expected<'_>,
    body: &[u8],
    format: Format,
    strictness: Strictness,
) -> Result<Decoded, DecodeError> {
    read(expected, body, format, strictness).map_err(|cause| match cause {
        DecodeError::Type(_) | DecodeError::Strict(_) => expected.unfit(cause),
        other => other,
    })
}

fn read(expected: Expected<'_>, body: &[u8], format: Format, strictness: Strictness) -> Result<Decoded, DecodeError> {
    let mut problems = Problems::default();
    let object = match format {
        Format::Json => typed_json(expected.ty, body, &mut problems)?,
        Format::Yaml => {
            let value = yaml::from_yaml(body, &mut problems)?;
            if strictness == Strictness::Strict {
                problems.gather(yaml::repeated_keys);
            }
            typed(expected.ty, value, &mut problems)?
        }
        Format::Protobuf => protobuf::enveloped(expected.ty, body, &mut problems)?,
    };
    finish(expected, object, problems, strictness)
}

/// Decodes a tree, for example the result of a patch.
pub fn decode_value(expected: Expected<'_>, value: Value, strictness: Strictness) -> Result<Decoded, DecodeError> {
    let mut problems = Problems::default();
    let object = typed(expected.ty, value, &mut problems)?;
    finish(expected, object, problems, strictness)
}

/// Reads an object that this crate wrote. Its text is checked to be text once, and not each member's by itself.
///
/// # Errors
/// If it is not one JSON object.
pub fn parse_stored(stored: &[u8]) -> Result<Object, DecodeError> {
    let text = str::from_utf8(stored).map_err(|error| DecodeError::Syntax(error.to_string()))?;
    serde_json::from_str(text).map_err(|error| DecodeError::Syntax(error.to_string()))
}

/// Parses JSON without a type: patches. Repeated names are warnings, the last one counts.
pub fn parse_json(body: &[u8]) -> Result<Value, DecodeError> {
    parse_untyped(body, Format::Json).map(|(value, _)| value)
}

/// Parses a body without a type, and says which names are repeated.
pub fn parse_untyped(body: &[u8], format: Format) -> Result<(Value, Vec<String>), DecodeError> {
    let mut problems = Problems::default();
    let value = match format {
        Format::Yaml => yaml::from_yaml(body, &mut problems)?,
        Format::Json => with_json(body, |json| Seed::raw(&mut problems).deserialize(json))?.unwrap_or(Value::Null),
        Format::Protobuf => return Err(DecodeError::Syntax("protobuf cannot be read without a type".to_owned())),
    };
    Ok((value, problems.into_texts()))
}

fn typed_json(ty: &Type, body: &[u8], problems: &mut Problems) -> Result<Object, DecodeError> {
    let value = with_json(body, |json| Seed::root(ty, problems).deserialize(json))?;
    as_object(ty, value)
}

fn typed(ty: &Type, mut value: Value, problems: &mut Problems) -> Result<Object, DecodeError> {
    tree::settle_root(ty, &mut value, problems).map_err(|e| DecodeError::Type(e.to_string()))?;
    as_object(ty, Some(value).filter(|value| !value.is_null()))
}

/// `null` counts as an object without members.
fn as_object(ty: &Type, value: Option<Value>) -> Result<Object, DecodeError> {
    match value {
        Some(Value::Object(object)) => Ok(object),
        None => {
            let mut object = Object::new();
            canonical::fill(ty, &mut object);
            Ok(object)
        }
        Some(_) => Err(DecodeError::Syntax("expected an object".to_owned())),
    }
}

type JsonReader<'de> = serde_json::Deserializer<serde_json::de::StrRead<'de>>;

fn with_json<T>(
    body: &[u8],
    read: impl FnOnce(&mut JsonReader<'_>) -> Result<T, serde_json::Error>,
) -> Result<T, DecodeError> {
    text::check_depth(body)?;
    let body = text::readable(body);
    let mut json = serde_json::Deserializer::from_str(&body);
    let value = read(&mut json).and_then(|value| json.end().map(|()| value));
    value.map_err(|e| match e.classify() {
        Category::Data => DecodeError::Type(e.to_string()),
        _ => DecodeError::Syntax(e.to_string()),
    })
}

fn finish(
    expected: Expected<'_>,
    mut object: Object,
    problems: Problems,
    strictness: Strictness,
) -> Result<Decoded, DecodeError> {
    settle_kind(expected, &mut object)?;
    let warnings = problems.into_texts();
    match strictness {
        Strictness::Strict if !warnings.is_empty() => Err(DecodeError::Strict(warnings)),
        Strictness::Ignore => Ok(Decoded { object, warnings: Vec::new() }),
        _ => Ok(Decoded { object, warnings }),
    }
}

/// Fills in `kind` and `apiVersion`; refuses others than those expected.
fn settle_kind(expected: Expected<'_>, object: &mut Object) -> Result<(), DecodeError> {
    let given = |member: &str, expected: &str| {
        object.get(member).and_then(Value::as_str).filter(|s| !s.is_empty()).unwrap_or(expected).to_owned()
    };
    let (kind, api_version) = (given("kind", expected.kind), given("apiVersion", expected.api_version));
    if kind != expected.kind || (api_version != expected.api_version && !expected.any_api_version) {
        let wanted = format!("{} {}", expected.api_version, expected.kind);
        return Err(DecodeError::WrongKind { found: format!("{api_version} {kind}"), expected: wanted });
    }
    object.insert("kind".to_owned(), Value::String(kind));
    object.insert("apiVersion".to_owned(), Value::String(api_version));
    Ok(())
}

#[cfg(test)]
mod tests;
