//! PATCH.

use std::sync::Arc;

use gantry_codec::{DecodeError, Expected, Format};
use gantry_meta::{Object, ObjectView as _, Status, Value};
use gantry_patch::PatchError;

use super::{
    apply::{self, Applied},
    stages::{Decoded, strictness},
    update::{change, stale, write_of},
};
use crate::{
    context::RequestContext,
    executor::State,
    read,
    request::{FieldValidation, Patch, Target, WriteOptions},
    response::ApiResponse,
    served::Served,
    subresource,
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
        return match target.subresource.as_str() {
            "scale" => subresource::scale_apply(state, ctx, served, target, &applied, options).await,
            _ => apply::apply(state, ctx, served, target, &applied, options).await,
        };
    }
    if read::current(state, served, &target.namespace, &target.name).await?.is_none() {
        return Err(served.not_found(&target.name));
    }
    if target.subresource == "scale" {
        return subresource::scale_patch(state, ctx, served, target, patch, options).await;
    }
    let write = write_of(state, ctx, served, target, options);
    let changed = change(&write, |old| {
        let Patched { object, repeated } = patched(&served.resource.root, patch, old)?;
        let mut new = decode(ctx, (&served.resource).into(), object, repeated, options.field_validation)?;
        if !served.resource.namespaced {
            new.metadata_mut().remove("namespace");
        }
        check_identity(&new, old)?;
        let pinned = check_version(served, &new, old)?;
        Ok((Decoded::for_update(&write, new, old), pinned))
    });
    Ok(changed.await?.into_response(served))
}

/// The object with a patch applied, not yet checked in any way.
pub(crate) struct Patched {
    pub object: Value,
    /// One text for each name that stands twice in the patch.
    pub repeated: Vec<String>,
}

pub(crate) fn patched(ty: &gantry_kinds::Type, patch: &Patch, old: &Object) -> Result<Patched, Status> {
    let (Patch::Json(body) | Patch::Merge(body) | Patch::Strategic(body) | Patch::Apply { body, .. }) = patch;
    let undecodable = |error: DecodeError| PatchError::Malformed(format!("error decoding patch: {error}"));
    let (document, repeated) = gantry_codec::parse_untyped(body, Format::Json).map_err(undecodable)?;
    let object = match patch {
        Patch::Json(_) => gantry_patch::json::apply(old, document)?,
        Patch::Merge(_) => gantry_patch::merge::apply(old, document)?,
        Patch::Strategic(_) => Value::Object(gantry_patch::strategic::apply(ty, old, document)?),
        Patch::Apply { .. } => {
            let why = "an apply configuration is merged by its owner's fields";
            return Err(PatchError::Malformed(why.into()).into());
        }
    };
    Ok(Patched { object, repeated })
}

/// Reads what a patch made as an object of its kind. What is wrong with it is wrong with the patch (422).
pub(crate) fn decode(
    ctx: &RequestContext,
    expected: Expected<'_>,
    patched: Value,
    repeated: Vec<String>,
    validation: FieldValidation,
) -> Result<Object, Status> {
    let bad = |why: String| Status::from(PatchError::BadResult(why));
    let stated = |member: &str| patched.get(member).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    if !stated("kind") || !stated("apiVersion") {
        // What is of no kind is read as nothing, unless every member has to be known.
        return Err(match patched {
            Value::Object(_) if validation != FieldValidation::Strict => Status::bad_request("name must be provided"),
            _ => bad("the patched object has no kind or no apiVersion".into()),
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

/// A patch is about the object of the URL (400). A version may be any text: what is none matches nothing.
fn check_identity(patched: &Object, old: &Object) -> Result<(), Status> {
    for (what, given, stored) in
        [("name", patched.name(), old.name()), ("namespace", patched.namespace(), old.namespace())]
    {
        if given != stored {
            let why = format!("the {what} of the object ({given}) does not match the {what} on the URL ({stored})");
            return Err(Status::bad_request(why));
        }
    }
    Ok(())
}

/// A resourceVersion in the patch that is another one than is stored is a conflict; none, or "0", is no condition.
fn check_version(served: &Served, patched: &Object, old: &Object) -> Result<bool, Status> {
    match patched.resource_version() {
        "" | "0" => Ok(false),
        given if given == old.resource_version() => Ok(false),
        _ => Err(stale(served, old.name())),
    }
}
