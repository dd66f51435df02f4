//! PATCH.

use std::sync::Arc;

use gantry_codec::{DecodeError, Expected, Format};
use gantry_kinds::{Members as _, fields::AnyObject};
use gantry_meta::{Object, ObjectView as _, Status, Value};
use gantry_patch::PatchError;

use super::{
    apply::{self, Applied},
    metadata,
    stages::{Decoded, strictness},
    update::{self, change, stale, write_of},
};
use crate::{
    context::RequestContext,
    read,
    request::{FieldValidation, Patch, Target, WriteOptions},
    response::ApiResponse,
    served::Served,
    state::State,
};

pub(crate) async fn patch(
    state: &State,
    ctx: &RequestContext,
    served: &Arc<Served>,
    target: &Target,
    patch: &Patch,
    options: &WriteOptions,
) -> Result<ApiResponse, Status> {
    if let Patch::Apply { body, force } = patch {
        let applied = Applied { body, force: *force };
        return apply::apply(state, ctx, served, target, &applied, options).await;
    }
    if read::current(state, served, &target.namespace, &target.name).await?.is_none() {
        return Err(served.not_found(&target.name));
    }
    let write = write_of(state, ctx, served, target, options);
    let changed = change(&write, |old| {
        let patched = patched(&served.resource.root, patch, old, options.field_validation)?;
        let mut new = decode(ctx, (&served.resource).into(), patched, options.field_validation)?;
        metadata::settle_namespace(served, target, &mut new)?;
        metadata::check_name(target, &new)?;
        let pinned = if served.resource.unconditional_update {
            check_version(served, &new, old)?
        } else {
            update::check_version(served, &new, old)?
        };
        Ok((Decoded::for_update(&write, new, old), pinned))
    });
    Ok(changed.await?.into_response(served))
}

/// The object with a patch applied, not yet checked in any way.
pub(crate) struct Patched {
    pub object: Value,
    /// One text for each name that stands twice in the patch, and each member of an operation that none has.
    repeated: Vec<String>,
    /// What it is stands fast, whatever it says of its kind: a strategic merge patch is of a type from the start.
    typed: bool,
}

pub(crate) fn patched(
    ty: &gantry_kinds::Type,
    patch: &Patch,
    old: &Object,
    validation: FieldValidation,
) -> Result<Patched, Status> {
    let (Patch::Json(body) | Patch::Merge(body) | Patch::Strategic(body) | Patch::Apply { body, .. }) = patch;
    let undecodable = |error: DecodeError| PatchError::Malformed(format!("error decoding patch: {error}"));
    let (mut document, mut repeated) = gantry_codec::parse_untyped(body, Format::Json).map_err(undecodable)?;
    if matches!(patch, Patch::Merge(_)) && document.is_array() && validation != FieldValidation::Ignore {
        // Who cares for its fields has it read as an object first.
        return Err(PatchError::Malformed("error decoding patch: a merge patch is an object".into()).into());
    }
    if let Patch::Json(_) = patch {
        repeated.extend(gantry_patch::json::unknown_members(&document));
    }
    let object = match patch {
        Patch::Json(_) => gantry_patch::json::apply(old, document)?,
        Patch::Merge(_) => gantry_patch::merge::apply(old, &document)?,
        Patch::Strategic(_) => {
            settle_whole_numbers(&mut document);
            Value::Object(gantry_patch::strategic::apply(ty, old, &document)?)
        }
        Patch::Apply { .. } => {
            let why = "an apply configuration is merged by its owner's fields";
            return Err(PatchError::Malformed(why.into()).into());
        }
    };
    Ok(Patched { object, repeated, typed: matches!(patch, Patch::Strategic(_)) })
}

/// A strategic merge patch is read for what its numbers come to, not for how they are written: `1.0` and `1e2` are whole.
fn settle_whole_numbers(value: &mut Value) {
    /// Up to here every whole number has a float of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) if number.is_f64() => {
            let whole = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= EXACT);
            if let Some(float) = whole {
                *value = Value::from(float as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(settle_whole_numbers),
        Value::Object(members) => members.values_mut().for_each(settle_whole_numbers),
        _ => {}
    }
}

/// Reads what a patch made as an object of its kind. What is wrong with it is wrong with the patch (422).
pub(crate) fn decode(
    ctx: &RequestContext,
    expected: Expected<'_>,
    patched: Patched,
    validation: FieldValidation,
) -> Result<Object, Status> {
    let bad = |why: String| Status::from(PatchError::BadResult(why));
    let Patched { object: mut patched, repeated, typed } = patched;
    if let (true, Value::Object(object)) = (typed, &mut patched) {
        let is_text = |value: &Value| value.is_null() || value.is_string();
        object.retain(|name, value| !says_kind(name) || !is_text(value));
    } else if patched
        .as_object()
        .is_none_or(|patched| patched.member(AnyObject::API_VERSION).is_none_or(|version| version == ""))
    {
        let names_another = |kind: &Value| !kind.is_null() && kind != "" && kind != expected.kind;
        return Err(match patched.get("kind").is_some_and(names_another) {
            true => bad(format!("the patched object is no {} any more", expected.kind)),
            false => of_no_version(ctx, &patched, validation),
        });
    }
    if validation == FieldValidation::Strict && !repeated.is_empty() {
        return Err(bad(DecodeError::Strict(repeated).to_string()));
    }
    let decoded = gantry_codec::decode_value(expected, patched, strictness(validation));
    let decoded = decoded.map_err(|error| bad(error.to_string()))?;
    let repeated = repeated.into_iter().filter(|_| validation == FieldValidation::Warn);
    repeated.chain(decoded.warnings).for_each(|warning| ctx.warn(warning));
    Ok(decoded.object)
}

/// Kind and version say what an object is, and are no fields of its type.
fn says_kind(member: &str) -> bool {
    [AnyObject::KIND, AnyObject::API_VERSION].iter().any(|name| name.as_str() == member)
}

/// What is of no version has no known fields, and so no name (400).
fn of_no_version(ctx: &RequestContext, patched: &Value, validation: FieldValidation) -> Status {
    let Value::Object(members) = patched else {
        return PatchError::BadResult("the patched object has no kind or no apiVersion".into()).into();
    };
    let unknown: Vec<String> =
        members.keys().filter(|name| !says_kind(name)).map(|name| format!("unknown field {name:?}")).collect();
    match validation {
        FieldValidation::Strict if !unknown.is_empty() => {
            return PatchError::BadResult(DecodeError::Strict(unknown).to_string()).into();
        }
        FieldValidation::Warn => unknown.into_iter().for_each(|warning| ctx.warn(warning)),
        FieldValidation::Strict | FieldValidation::Ignore => {}
    }
    Status::bad_request("name must be provided")
}

/// A resourceVersion in the patch that is another one than is stored is a conflict; none, or "0", is no condition.
fn check_version(served: &Served, patched: &Object, old: &Object) -> Result<bool, Status> {
    match patched.resource_version() {
        "" | "0" => Ok(false),
        given if given == old.resource_version() => Ok(false),
        _ => Err(stale(served, old.name())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whole_numbers_are_whole_however_they_are_written() {
        let mut patch = json!({"spec": {"replicas": 2.0, "limits": [1e2, 0.5, -3.0, 1e300, "4.0"]}});
        settle_whole_numbers(&mut patch);
        assert_eq!(patch, json!({"spec": {"replicas": 2, "limits": [100, 0.5, -3, 1e300, "4.0"]}}));
    }
}
