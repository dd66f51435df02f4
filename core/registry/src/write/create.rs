//! POST to a collection.

use gantry_meta::{Object, ObjectView as _, Status};
use gantry_storage::{CommitError, Expect};
use jiff::Timestamp;

use super::{
    Write,
    metadata::{self, generated_base, is_generated},
    stages::{Accepted, Decoded, read_body},
};
use crate::{
    context::RequestContext,
    failures::commit_failed,
    read,
    request::{Body, Target, WriteOptions},
    response::{ApiResponse, ObjectResponse},
    served::Served,
    state::State,
};

/// A generated name that is taken is made anew this many times.
const MAX_NAMES: usize = 8;

pub(crate) async fn create(
    state: &State,
    ctx: &RequestContext,
    served: &Served,
    target: &Target,
    body: &Body,
    options: &WriteOptions,
) -> Result<ApiResponse, Status> {
    let mut object = read_body(ctx, (&served.resource).into(), body, options.field_validation)?;
    metadata::settle_namespace(served, target, &mut object)?;
    // What is only tried is compared with nothing, and what is no version cannot be meant as one.
    let states_version = object.resource_version().parse::<u64>().is_ok_and(|version| version > 0);
    if !options.dry_run && states_version {
        return Err(Status::bad_request("resourceVersion should not be set on objects to be created"));
    }
    create_object(state, ctx, served, target, object, options).await
}

/// Creates a decoded object under its own name, or one made for it.
pub(super) async fn create_object(
    state: &State,
    ctx: &RequestContext,
    served: &Served,
    target: &Target,
    object: Object,
    options: &WriteOptions,
) -> Result<ApiResponse, Status> {
    let write = Write {
        state,
        ctx,
        served,
        namespace: &target.namespace,
        name: &target.name,
        subresource: "",
        options,
        now: Timestamp::now(),
    };
    if !is_generated(&object) {
        return create_named(&write, object).await;
    }
    for _ in 1..MAX_NAMES {
        let mut named = object.clone();
        metadata::generate_name(&mut named);
        match create_named(&write, named).await {
            Err(status) if status.is(gantry_meta::Reason::AlreadyExists) => {}
            done => return done,
        }
    }
    let mut named = object;
    metadata::generate_name(&mut named);
    create_named(&write, named).await
}

async fn create_named(write: &Write<'_>, object: Object) -> Result<ApiResponse, Status> {
    create_decoded(write, Decoded::for_create(write, object)).await
}

/// Creates an object that is decoded and named.
pub(super) async fn create_decoded(write: &Write<'_>, decoded: Decoded) -> Result<ApiResponse, Status> {
    let accepted = decoded.admit(write, None).await?.prepare(write, None)?.accept(write, None).await?;
    store(write, accepted).await
}

/// Said of what is stored alone: who is refused, or only tries, has other things to read.
fn warn_if_nothing_acts(write: &Write<'_>) {
    let resource = &write.served.resource;
    if !resource.acted_on {
        let kind = &resource.kind;
        write.ctx.warn(format!("{kind} objects are stored and served, but nothing in this version acts on them yet"));
    }
}

async fn store(write: &Write<'_>, accepted: Accepted) -> Result<ApiResponse, Status> {
    let served = write.served;
    let name = accepted.object().name().to_owned();
    let prefixed = !generated_base(accepted.object()).is_empty();
    let exists = || if prefixed { served.generated_name_taken(&name) } else { served.already_exists(&name) };
    if write.options.dry_run {
        return dry_run(write, accepted, &name, exists).await;
    }
    match write.put_claiming(accepted, None, Expect::Absent).await? {
        Ok(stored) => {
            warn_if_nothing_acts(write);
            let json = read::served_wire(served, &stored);
            Ok(ApiResponse::Object(ObjectResponse { code: 201, kind: served.gvk.clone(), json }))
        }
        Err(CommitError::Conflict { .. }) => Err(exists()),
        Err(error) => Err(commit_failed(error)),
    }
}

async fn dry_run(
    write: &Write<'_>,
    accepted: Accepted,
    name: &str,
    exists: impl Fn() -> Status,
) -> Result<ApiResponse, Status> {
    if read::current(write.state, write.served, write.namespace, name).await?.is_some() {
        return Err(exists());
    }
    let accepted = write.fill_without_claiming(accepted, None).await?;
    let json = gantry_codec::encode(accepted.object()).into();
    Ok(ApiResponse::Object(ObjectResponse { code: 201, kind: write.served.gvk.clone(), json }))
}
