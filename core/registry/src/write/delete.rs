//! DELETE: now, after a grace period, or once nothing holds the object any more.

use std::sync::Arc;

use gantry_admission::Operation;
use gantry_kinds::{Members as _, fields::meta_v1::ObjectMeta};
use gantry_meta::{Object, ObjectView as _, Reason, Status, StatusDetails};
use gantry_storage::{CommitError, Expect};
use gantry_watch_cache::CachedObject;
use jiff::{SignedDuration, Timestamp};

use super::{
    MAX_RACES, Write,
    commit::Along,
    metadata::{self, grace_period},
    stages::Accepted,
};
use crate::{
    context::RequestContext,
    failures::{commit_failed, lagging},
    read,
    request::{DeleteOptions, Propagation, Target, WriteOptions},
    response::{ApiResponse, ObjectResponse},
    served::Served,
    state::State,
};

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

pub(crate) async fn delete(
    state: &State,
    ctx: &RequestContext,
    served: &Arc<Served>,
    target: &Target,
    options: &DeleteOptions,
) -> Result<ApiResponse, Status> {
    let deletion = delete_object(state, ctx, served, &target.namespace, &target.name, options).await?;
    Ok(deletion.into_response(served, options))
}

/// What a deletion came to.
pub(crate) enum Deletion {
    /// Gone; its last state.
    Gone(Object),
    /// Marked, and held by a finalizer or a grace period.
    Held(Object),
}

impl Deletion {
    fn into_response(self, served: &Served, options: &DeleteOptions) -> ApiResponse {
        let code = if matches!(self, Self::Held(_)) && options.asks_to_cascade { 202 } else { 200 };
        match self {
            Self::Gone(last) if !served.strategy.returns_deleted_object() => ApiResponse::Status(gone(served, &last)),
            Self::Gone(object) | Self::Held(object) => ApiResponse::Object(ObjectResponse {
                code,
                kind: served.gvk.clone(),
                json: gantry_codec::encode(&object).into(),
            }),
        }
    }
}

/// The success Status that names what is gone.
fn gone(served: &Served, last: &Object) -> Status {
    let mut status = Status::failure(Reason::NotFound, "");
    (status.code, status.reason) = (200, None);
    status.details = Some(Box::new(StatusDetails {
        name: last.name().to_owned(),
        group: served.resource.group.to_string(),
        kind: served.resource.plural.to_string(),
        uid: last.uid().to_owned(),
        ..StatusDetails::default()
    }));
    status
}

/// A client that does not say what becomes of dependents may not expect it.
pub(super) fn warn_about_dependents(ctx: &RequestContext, served: &Served, options: &DeleteOptions) {
    if let (None, Some(warning)) = (options.propagation, served.strategy.deletion_warning()) {
        ctx.warn(warning);
    }
}

pub(crate) async fn delete_object(
    state: &State,
    ctx: &RequestContext,
    served: &Served,
    namespace: &str,
    name: &str,
    options: &DeleteOptions,
) -> Result<Deletion, Status> {
    let write_options = WriteOptions { dry_run: options.dry_run, ..WriteOptions::default() };
    let now = Timestamp::now();
    let write = Write { state, ctx, served, namespace, name, subresource: "", options: &write_options, now };
    warn_about_dependents(ctx, served, options);
    for _ in 0..MAX_RACES {
        let current = read::current(state, served, namespace, name).await?;
        let current = current.ok_or_else(|| served.not_found(name))?;
        let old = read::served_tree(served, &current);
        check_preconditions(served, options, &old)?;
        let attributes = write.attributes(Operation::Delete, name);
        state.admission.mutate(&attributes, None, Some(&old)).await?;
        state.admission.validate(&attributes, None, Some(&old)).await?;
        match attempt(&write, options, &old, &current).await? {
            Ok(deletion) => return Ok(deletion),
            Err(CommitError::Conflict { .. } | CommitError::CompanionConflict { .. }) => {
                state.cache.consistent(served.shard).await.map_err(|error| lagging(&error))?;
            }
            Err(error) => return Err(commit_failed(error)),
        }
    }
    Err(super::update::stale(served, name))
}

/// The details of this conflict name the Kind, unlike those of others; a namespace's do not.
pub(crate) fn check_preconditions(served: &Served, options: &DeleteOptions, old: &Object) -> Result<(), Status> {
    let wanted = &options.preconditions;
    let pairs = [
        ("UID", wanted.uid.as_deref(), old.uid()),
        ("ResourceVersion", wanted.resource_version.as_deref(), old.resource_version()),
    ];
    for (what, wanted, stored) in pairs {
        if let Some(wanted) = wanted.filter(|wanted| *wanted != stored) {
            let why =
                format!("the {what} in the precondition ({wanted}) does not match the {what} in record ({stored})");
            let kind =
                if served.strategy.names_itself_in_plural() { &served.resource.plural } else { &served.resource.kind };
            return Err(Status::conflict(served.strategy.named_group(&served.resource.group), kind, old.name(), &why));
        }
    }
    Ok(())
}

async fn attempt(
    write: &Write<'_>,
    options: &DeleteOptions,
    old: &Object,
    current: &CachedObject,
) -> Result<Result<Deletion, CommitError>, Status> {
    let served = write.served;
    let mut next = old.clone();
    if old.is_terminating() && (served.strategy.is_held(old) || waits_on(served, options, old)) {
        // Whoever empties it, or ends it, was told with the first deletion.
        return Ok(Ok(Deletion::Held(next)));
    }
    set_finalizers(served, options, &mut next);
    let held = next.finalizers().next().is_some() || served.strategy.is_held(&next);
    let grace = grace_seconds(served, options, old);
    let expect = Expect::At(current.revision());
    if !held && grace == 0 {
        let last = last_state(served, old, next, write.now);
        return remove(write, last, expect).await;
    }
    mark(served, &mut next, old, write.now, grace);
    if next == *old || write.options.dry_run {
        return Ok(Ok(Deletion::Held(next)));
    }
    let stored = write.put(Accepted::by_server(next), expect, Along::default()).await;
    Ok(stored.map(|object| Deletion::Held(read::served_tree(served, &object))))
}

async fn remove(write: &Write<'_>, last: Object, expect: Expect) -> Result<Result<Deletion, CommitError>, Status> {
    if write.options.dry_run {
        return Ok(Ok(Deletion::Gone(last)));
    }
    let along = write.given_back(&last);
    let removed = write.remove(last, expect, along).await;
    Ok(removed.map(|object| Deletion::Gone(read::served_tree(write.served, &object))))
}

/// What a client asks for; less than none is hardly any.
fn asked_grace(options: &DeleteOptions) -> Option<i64> {
    options.grace_period_seconds.map(|seconds| if seconds < 0 { 1 } else { seconds })
}

/// What a deletion that has begun gives the object, if its kind knows grace.
fn begun(served: &Served, old: &Object) -> Option<i64> {
    let graceful = old.is_terminating() && served.strategy.grace_seconds(old, None).is_some();
    graceful.then(|| grace_period(old).unwrap_or_default())
}

/// Whether a deletion that has begun goes on as it is: it can only be made shorter, and until its time has come nothing else of
/// it changes.
fn waits_on(served: &Served, options: &DeleteOptions, old: &Object) -> bool {
    begun(served, old).is_some_and(|begun| begun > 0 && asked_grace(options).is_none_or(|asked| asked >= begun))
}

/// What is left to wait for.
fn grace_seconds(served: &Served, options: &DeleteOptions, old: &Object) -> i64 {
    let asked = asked_grace(options);
    match begun(served, old) {
        Some(begun) => asked.map_or(begun, |asked| asked.min(begun)),
        None => served.strategy.grace_seconds(old, asked).unwrap_or_default(),
    }
}

/// Kinds with a grace period show the last deletion's marks; others go as they stood.
fn last_state(served: &Served, old: &Object, mut last: Object, now: Timestamp) -> Object {
    if served.strategy.grace_seconds(&last, None).is_none() {
        return old.clone();
    }
    if last.is_terminating() {
        last.metadata_mut().set(ObjectMeta::DELETION_GRACE_PERIOD_SECONDS, 0);
    } else {
        metadata::mark_deleting(&mut last, now, 0);
    }
    last
}

fn mark(served: &Served, next: &mut Object, old: &Object, now: Timestamp, grace: i64) {
    if !old.is_terminating() {
        metadata::mark_deleting(next, end_of_grace(now, grace), grace);
        served.strategy.mark_deleting(next);
        return;
    }
    if let Some(before) = grace_period(old).filter(|before| grace < *before) {
        // The time counts from when the deletion began.
        let end = gantry_meta::time::parse_time(old.meta_str("deletionTimestamp"));
        let began = end.and_then(|end| end.checked_sub(SignedDuration::from_secs(before)).ok()).unwrap_or(now);
        let metadata = next.metadata_mut();
        metadata.set(ObjectMeta::DELETION_TIMESTAMP, gantry_meta::time::format_time(end_of_grace(began, grace)));
        metadata.set(ObjectMeta::DELETION_GRACE_PERIOD_SECONDS, grace);
    }
}

/// Grace is whatever number of seconds a client sends: the end of time is late enough.
fn end_of_grace(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

/// The policy becomes a finalizer that the garbage collector works off.
fn set_finalizers(served: &Served, options: &DeleteOptions, object: &mut Object) {
    let before: Vec<String> = object.finalizers().map(str::to_owned).collect();
    let has = |finalizer: &str| before.iter().any(|f| f == finalizer);
    let (orphan, foreground) = match options.propagation {
        _ if !served.strategy.has_dependents() => (false, false),
        Some(Propagation::Orphan) => (true, false),
        Some(Propagation::Foreground) => (false, true),
        Some(Propagation::Background) => (false, false),
        // What an earlier deletion or the object's maker asked for stays.
        None if has(ORPHAN) || has(FOREGROUND) => (has(ORPHAN), has(FOREGROUND)),
        None => (served.strategy.propagation() == Propagation::Orphan, false),
    };
    let mut after: Vec<String> = before.iter().filter(|f| *f != ORPHAN && *f != FOREGROUND).cloned().collect();
    if orphan {
        after.push(ORPHAN.into());
    }
    if foreground {
        after.push(FOREGROUND.into());
    }
    // What is there already stays in its order.
    if after.len() == before.len() && after.iter().all(|finalizer| before.contains(finalizer)) {
        return;
    }
    let metadata = object.metadata_mut();
    if after.is_empty() {
        metadata.unset(ObjectMeta::FINALIZERS);
    } else {
        metadata.set(ObjectMeta::FINALIZERS, after);
    }
}
