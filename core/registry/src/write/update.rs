//! PUT, and what it shares with PATCH: change what is stored, and try again when another writer was first.

use std::sync::Arc;

use gantry_kinds::{
    Members as _,
    fields::{AnyObject, meta_v1::ObjectMeta},
    path,
};
use gantry_meta::{Cause, Object, ObjectView as _, Status};
use gantry_patch::managed;
use gantry_storage::{CommitError, Expect};
use gantry_watch_cache::CachedObject;
use jiff::Timestamp;

use super::{
    MAX_RACES, Write, create,
    metadata::{self, grace_period},
    stages::{Accepted, Decoded, read_body},
};
use crate::{
    context::RequestContext,
    failures::{commit_failed, lagging},
    read,
    request::{Body, Target, Verb, WriteOptions},
    response::{ApiResponse, ObjectResponse},
    served::Served,
    state::State,
};

pub(crate) async fn update(
    state: &State,
    ctx: &RequestContext,
    served: &Arc<Served>,
    target: &Target,
    body: &Body,
    options: &WriteOptions,
) -> Result<ApiResponse, Status> {
    let mut object = read_body(ctx, (&served.resource).into(), body, options.field_validation)?;
    metadata::settle_namespace(served, target, &mut object)?;
    metadata::check_name(target, &object)?;
    let creates = served.resource.create_on_update && target.subresource.is_empty();
    let write = write_of(state, ctx, served, target, options);
    if creates && read::current(state, served, &target.namespace, &target.name).await?.is_none() {
        state.permit_also(ctx, target, Verb::Create)?;
        if !object.uid().is_empty() {
            return Err(served.conflict(&target.name, "there is no object with the uid given"));
        }
        object.metadata_mut().unset(ObjectMeta::RESOURCE_VERSION);
        return create::create_object(state, ctx, served, target, object, options).await;
    }
    let changed = change(&write, |old| {
        check_uid(served, &object, old)?;
        let pinned = check_version(served, &object, old)?;
        Ok((Decoded::for_update(&write, object.clone(), old), pinned))
    });
    Ok(changed.await?.into_response(served))
}

pub(crate) fn write_of<'a>(
    state: &'a State,
    ctx: &'a RequestContext,
    served: &'a Served,
    target: &'a Target,
    options: &'a WriteOptions,
) -> Write<'a> {
    Write {
        state,
        ctx,
        served,
        namespace: &target.namespace,
        name: &target.name,
        subresource: &target.subresource,
        options,
        now: Timestamp::now(),
    }
}

fn check_uid(served: &Served, object: &Object, old: &Object) -> Result<(), Status> {
    let (given, stored) = (object.uid(), old.uid());
    if given.is_empty() || given == stored {
        return Ok(());
    }
    let why = format!("Precondition failed: UID in precondition: {given}, UID in object meta: {stored}");
    Err(served.conflict(old.name(), &why))
}

/// Whether the write is pinned to the version read; 409 for another one, 422 where one is needed and none given.
pub(super) fn check_version(served: &Served, object: &Object, old: &Object) -> Result<bool, Status> {
    match object.resource_version() {
        "" | "0" if served.resource.unconditional_update => Ok(false),
        "" | "0" => {
            let path = path![AnyObject::METADATA, ObjectMeta::RESOURCE_VERSION].field_path();
            let cause = Cause::invalid(&path, "must be specified for an update");
            Err(Status::invalid(&served.resource.group, &served.resource.plural, object.name(), vec![cause]))
        }
        given if given == old.resource_version() => Ok(true),
        _ => Err(stale(served, old.name())),
    }
}

pub(super) fn stale(served: &Served, name: &str) -> Status {
    served.conflict(name, "the object has been modified; please apply your changes to the latest version and try again")
}

/// What a change came to.
pub(crate) enum Changed {
    Stored(Arc<CachedObject>),
    /// Nothing differs: what is stored stays as it is.
    Unchanged(Arc<CachedObject>),
    /// A dry run, or the last state of an object that this very change let go.
    Shown(Object),
}

impl Changed {
    pub fn into_response(self, served: &Served) -> ApiResponse {
        let json = match self {
            Self::Stored(object) | Self::Unchanged(object) => read::served_wire(served, &object),
            Self::Shown(object) => gantry_codec::encode(&object).into(),
        };
        ApiResponse::Object(ObjectResponse { code: 200, kind: served.gvk.clone(), json })
    }

    pub fn into_tree(self, served: &Served) -> Object {
        match self {
            Self::Stored(object) | Self::Unchanged(object) => read::served_tree(served, &object),
            Self::Shown(object) => object,
        }
    }
}

/// Applies `modify` to what is stored until it is stored. `modify` is given the current object and returns the wanted one,
/// and whether a lost race is the client's to resolve.
pub(crate) async fn change(
    write: &Write<'_>,
    mut modify: impl FnMut(&Object) -> Result<(Decoded, bool), Status>,
) -> Result<Changed, Status> {
    for _ in 0..MAX_RACES {
        let current = read::current(write.state, write.served, write.namespace, write.name).await?;
        let current = current.ok_or_else(|| write.served.not_found(write.name))?;
        let old = read::served_tree(write.served, &current);
        let (decoded, pinned) = modify(&old)?;
        let prepared = decoded.admit(write, Some(&old)).await?.prepare(write, Some(&old))?;
        let accepted = prepared.accept(write, Some(&old)).await?;
        match store(write, accepted, &old, &current).await? {
            Ok(changed) => return Ok(changed),
            Err(CommitError::Conflict { .. }) if pinned => return Err(stale(write.served, write.name)),
            Err(CommitError::Conflict { .. } | CommitError::CompanionConflict { .. }) => catch_up(write).await?,
            Err(error) => return Err(commit_failed(error)),
        }
    }
    Err(stale(write.served, write.name))
}

/// Another writer was first, perhaps through another server.
async fn catch_up(write: &Write<'_>) -> Result<(), Status> {
    write.state.cache.consistent(write.served.shard).await.map(|_| ()).map_err(|error| lagging(&error))
}

async fn store(
    write: &Write<'_>,
    accepted: Accepted,
    old: &Object,
    current: &Arc<CachedObject>,
) -> Result<Result<Changed, CommitError>, Status> {
    if managed::unchanged_but_for_times(old, accepted.object()) {
        return Ok(Ok(Changed::Unchanged(current.clone())));
    }
    if write.options.dry_run {
        let accepted = write.fill_without_claiming(accepted, Some(old)).await?;
        return Ok(Ok(Changed::Shown(accepted.into_object())));
    }
    let expect = Expect::At(current.revision());
    if lets_go(write.served, accepted.object(), old) {
        // Watchers see the object go as it was stored: with what held it.
        let removed = write.remove(old.clone(), expect, write.given_back(old)).await;
        return Ok(removed.map(|_| Changed::Shown(accepted.into_object())));
    }
    let stored = write.put_claiming(accepted, Some(old), expect).await?;
    Ok(stored.map(Changed::Stored))
}

/// True if only what this change removed kept a deleted object alive.
fn lets_go(served: &Served, new: &Object, old: &Object) -> bool {
    let waited_for = grace_period(new).unwrap_or_default() > 0;
    let had_hold = old.finalizers().next().is_some() || served.strategy.is_held(old);
    let has_hold = new.finalizers().next().is_some() || served.strategy.is_held(new);
    new.metadata().is_some() && new.is_terminating() && had_hold && !has_hold && !waited_for
}
