//! PATCH.

use std::sync::Arc;

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
    request::{Patch, Target, WriteOptions},
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
        let patched = patched(&served.resource.root, patch, old)?;
        check_identity(&patched, old)?;
        let pinned = check_version(served, &patched, old)?;
        let expected = (&served.resource).into();
        let decoded =
            gantry_codec::decode_value(expected, Value::Object(patched), strictness(options.field_validation))
                .map_err(|error| Status::from(PatchError::BadResult(error.to_string())))?;
        decoded.warnings.into_iter().for_each(|warning| ctx.warn(warning));
        Ok((Decoded::for_update(&write, decoded.object, old), pinned))
    });
    Ok(changed.await?.into_response(served))
}

/// The object with the patch applied; not yet checked in any way.
pub(crate) fn patched(ty: &gantry_kinds::Type, patch: &Patch, old: &Object) -> Result<Object, Status> {
    let patched = match patch {
        Patch::Json(operations) => gantry_patch::json::apply(old, operations),
        Patch::Merge(document) => gantry_patch::merge::apply(old, document),
        Patch::Strategic(document) => gantry_patch::strategic::apply(ty, old, document),
        Patch::Apply { .. } => {
            Err(PatchError::Malformed("an apply configuration is merged by its owner's fields".into()))
        }
    };
    Ok(patched?)
}

/// A patch is about the object of the URL (400).
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
