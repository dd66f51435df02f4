//! PATCH with a configuration: server-side apply.

use std::sync::Arc;

use bytes::Bytes;
use gantry_codec::Format;
use gantry_kinds::{
    Members as _,
    fields::{AnyObject, meta_v1::ObjectMeta},
};
use gantry_meta::{Object, ObjectView as _, Status, Value};

use super::{
    create, metadata,
    stages::Decoded,
    update::{self, change, write_of},
};
use crate::{
    context::RequestContext,
    read,
    request::{FieldValidation, Target, Verb, WriteOptions},
    response::ApiResponse,
    served::Served,
    state::State,
};

/// A configuration as sent: YAML or JSON.
pub(crate) struct Applied<'a> {
    pub body: &'a Bytes,
    pub force: bool,
}

pub(super) async fn apply(
    state: &State,
    ctx: &RequestContext,
    served: &Arc<Served>,
    target: &Target,
    applied: &Applied<'_>,
    options: &WriteOptions,
) -> Result<ApiResponse, Status> {
    let expected = (&*served.gvk.kind, &*served.gvk.api_version());
    let mut config = read_config(ctx, expected, applied.body, options.field_validation)?;
    if config.member(AnyObject::METADATA).is_some_and(|metadata| !metadata.is_object()) {
        return Err(Status::bad_request("the metadata of an apply configuration must be an object"));
    }
    if !served.resource.namespaced {
        config.object_mut(AnyObject::METADATA).map(|metadata| metadata.unset(ObjectMeta::NAMESPACE));
    }
    let names_itself = config.metadata().is_some_and(|metadata| metadata.contains_key(ObjectMeta::NAME.as_str()));
    let exists = read::current(state, served, &target.namespace, &target.name).await?.is_some();
    if exists && !names_itself {
        config.metadata_mut().set(ObjectMeta::NAME, target.name.clone());
    }
    metadata::check_name(target, &config)?;
    // Only checked: what the manager states, and what is noted of it, stays as it was sent.
    metadata::check_namespace(served, target, &config)?;
    let write = write_of(state, ctx, served, target, options);
    if !exists {
        let creates = target.subresource.is_empty() || served.strategy.applied_status_creates();
        if !creates {
            return Err(served.not_found(&target.name));
        }
        if !config.uid().is_empty() {
            return Err(served.conflict(&target.name, "there is no object with the uid given"));
        }
        state.permit_also(ctx, target, Verb::Create)?;
        let decoded = Decoded::for_apply(&write, None, &config, applied.force)?;
        return create::create_decoded(&write, decoded).await;
    }
    let changed = change(&write, |old| {
        // An object without a version takes the stored one's.
        let pinned = !config.resource_version().is_empty() && update::check_version(served, &config, old)?;
        Ok((Decoded::for_apply(&write, Some(old), &config, applied.force)?, pinned))
    });
    Ok(changed.await?.into_response(served))
}

/// The configuration's tree; of the kind and version expected (400), with repeated names as the client's strictness says.
pub(crate) fn read_config(
    ctx: &RequestContext,
    expected: (&str, &str),
    body: &[u8],
    validation: FieldValidation,
) -> Result<Object, Status> {
    let (value, repeated) = match plain_json(body) {
        Some(value) => (value, Vec::new()),
        None => gantry_codec::parse_untyped(body, Format::Yaml)?,
    };
    if validation == FieldValidation::Strict && !repeated.is_empty() {
        return Err(Status::bad_request(format!("strict decoding error: {}", repeated.join(", "))));
    }
    let Value::Object(config) = value else {
        return Err(Status::bad_request("an apply configuration must be an object"));
    };
    if (config.kind(), config.api_version()) != expected {
        let (kind, version) = (config.kind(), config.api_version());
        let why = format!("the configuration is a {version} {kind}, expected {} {}", expected.1, expected.0);
        return Err(Status::bad_request(why));
    }
    if validation == FieldValidation::Warn {
        repeated.into_iter().for_each(|warning| ctx.warn(warning));
    }
    Ok(config)
}

/// JSON is YAML too, and most configurations come as JSON, which is read in a fraction of the time. What the two read differently,
/// or might complain of, is left to YAML: tabs, halves of surrogate pairs, repeated names, and numbers that are no 64-bit integers.
fn plain_json(body: &[u8]) -> Option<Value> {
    let is_alike = body.first() == Some(&b'{') && !body.contains(&b'\t') && !body.windows(3).any(is_surrogate_escape);
    let (value, repeated) = is_alike.then(|| gantry_codec::parse_untyped(body, Format::Json).ok()).flatten()?;
    (repeated.is_empty() && !has_other_numbers(&value)).then_some(value)
}

fn is_surrogate_escape(three: &[u8]) -> bool {
    three.eq_ignore_ascii_case(br"\ud")
}

fn has_other_numbers(value: &Value) -> bool {
    match value {
        Value::Number(number) => !number.is_i64(),
        Value::Array(items) => items.iter().any(has_other_numbers),
        Value::Object(members) => members.values().any(has_other_numbers),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_as_json_is_what_yaml_reads() {
        let body = br#"{"apiVersion":"v1","data":{"a":"on\n\u003c<","n":null,"yes":"1"},"list":[1,-2,true,9223372036854775807]}"#;
        let (from_yaml, _) = gantry_codec::parse_untyped(body, Format::Yaml).unwrap();
        assert_eq!(plain_json(body).unwrap(), from_yaml);
    }

    #[test]
    fn what_json_and_yaml_may_read_differently_is_not_taken_for_json() {
        let other: [&[u8]; 8] = [
            b"a: 1",
            b"{a: 1}",
            b"{\t\"a\":1}",
            br#"{"a":1.0}"#,
            br#"{"a":[1e3]}"#,
            br#"{"a":1,"a":1}"#,
            br#"{"a":"\uD83D\uDE00"}"#,
            br#"{"a":1} {}"#,
        ];
        for body in other {
            assert!(plain_json(body).is_none(), "{}", String::from_utf8_lossy(body));
        }
    }
}
