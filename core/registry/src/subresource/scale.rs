//! `scale`: the number of replicas of a workload, seen and changed as autoscaling/v1 Scale.

use std::sync::Arc;

use gantry_codec::{Expected, Strictness};
use gantry_kinds::{
    FieldName, Members as _, ScaleFields, Shape, Text, Type,
    fields::{
        autoscaling_v1::{Scale, ScaleSpec, ScaleStatus},
        meta_v1::ObjectMeta,
    },
    object, path,
};
use gantry_meta::{Cause, GroupVersionKind, LabelSelector, Object, ObjectView as _, Status, Value};
use gantry_patch::managed;

use crate::{
    context::RequestContext,
    read,
    request::{Body, GetOptions, Patch, Target, WriteOptions},
    response::{ApiResponse, ObjectResponse},
    served::{self, Served},
    state::State,
    write::{self, Applied, Decoded, Write, read_body},
};

const KIND: &str = "Scale";
const GROUP: &str = "autoscaling";

/// True for a request about the scale of a workload.
pub(crate) fn is_scale(target: &Target) -> bool {
    target.subresource == "scale"
}

pub(crate) async fn get(
    state: &State,
    served: &Served,
    target: &Target,
    options: &GetOptions,
) -> Result<ApiResponse, Status> {
    let object = read::fresh(state, served, target, options).await?;
    shown(served, &read::served_tree(served, &object))
}

fn shown(served: &Served, object: &Object) -> Result<ApiResponse, Status> {
    let json = gantry_codec::encode(&scale_of(served, fields(served)?, object)).into();
    Ok(ApiResponse::Object(ObjectResponse { code: 200, kind: GroupVersionKind::new(GROUP, "v1", KIND), json }))
}

pub(crate) async fn update(
    state: &State,
    ctx: &RequestContext,
    served: &Arc<Served>,
    target: &Target,
    body: &Body,
    options: &WriteOptions,
) -> Result<ApiResponse, Status> {
    let scale = read_body(ctx, expected(served)?, body, options.field_validation)?;
    let pinned = !matches!(scale.resource_version(), "" | "0");
    let write = write::write_of(state, ctx, served, target, options);
    change(&write, target, Replaces { all: true, pinned }, |current| {
        let mut scale = scale.clone();
        write.record_shown(expected(served)?, Some(current), &mut scale);
        Ok(scale)
    })
    .await
}

pub(crate) async fn patch(
    state: &State,
    ctx: &RequestContext,
    served: &Arc<Served>,
    target: &Target,
    patch: &Patch,
    options: &WriteOptions,
) -> Result<ApiResponse, Status> {
    if let Patch::Apply { body, force } = patch {
        return apply(state, ctx, served, target, &Applied { body, force: *force }, options).await;
    }
    if read::current(state, served, &target.namespace, &target.name).await?.is_none() {
        return Err(served.not_found(&target.name));
    }
    let expected = expected(served)?;
    // A patch is made anew from what another writer left; only a version that it names itself can conflict.
    let write = write::write_of(state, ctx, served, target, options);
    change(&write, target, Replaces { all: false, pinned: false }, |current| {
        let patched = write::patched(expected.ty, patch, current, options.field_validation)?;
        let mut scale = write::decode(ctx, expected, patched, options.field_validation)?;
        write.record_shown(expected, Some(current), &mut scale);
        Ok(scale)
    })
    .await
}

fn expected(served: &Served) -> Result<Expected<'_>, Status> {
    let scale = served.resource.subresource("scale").and_then(Expected::subresource);
    scale.ok_or_else(served::unknown)
}

/// Where the workload has what its scale shows.
fn fields(served: &Served) -> Result<&ScaleFields, Status> {
    let scale = served.resource.subresource("scale").and_then(|scale| scale.scale.as_ref());
    scale.ok_or_else(served::unknown)
}

/// Applies a Scale: its manager comes to own the replicas of the workload, and nothing else.
async fn apply(
    state: &State,
    ctx: &RequestContext,
    served: &Arc<Served>,
    target: &Target,
    applied: &Applied<'_>,
    options: &WriteOptions,
) -> Result<ApiResponse, Status> {
    let expected = expected(served)?;
    let mut config = write::read_config(ctx, (KIND, expected.api_version), applied.body, options.field_validation)?;
    if config.name().is_empty() {
        config.metadata_mut().set(ObjectMeta::NAME, target.name.clone());
    }
    let pinned = !matches!(config.resource_version(), "" | "0");
    let write = write::write_of(state, ctx, served, target, options);
    change(&write, target, Replaces { all: false, pinned }, |current| {
        let scale = write.apply_shown(expected, current, &config, applied.force)?;
        let decoded = gantry_codec::decode_value(expected, Value::Object(scale), Strictness::Ignore);
        Ok(decoded.map_err(|error| Status::bad_request(error.to_string()))?.object)
    })
    .await
}

/// A scale is about the workload of the URL (400), and about that very one where it says so (409).
fn check_identity(
    served: &Served,
    target: &Target,
    scale: &Object,
    old: &Object,
    replaces: bool,
) -> Result<(), Status> {
    if scale.name() != target.name {
        return Err(Status::bad_request("the name of the object does not match the name on the URL"));
    }
    if !scale.namespace().is_empty() && scale.namespace() != target.namespace {
        return Err(Status::bad_request("the namespace of the object does not match the namespace on the URL"));
    }
    if !scale.uid().is_empty() && scale.uid() != old.uid() {
        let why =
            format!("the UID in the precondition ({}) does not match the UID in record ({})", scale.uid(), old.uid());
        // A replacement's uid is a condition of its own, and judged of the workload.
        let below = if replaces { "" } else { "/scale" };
        let resource = format!("{}{below}", served.resource.plural);
        return Err(Status::conflict(&served.resource.group, &resource, old.name(), &why));
    }
    let version = scale.resource_version();
    if !matches!(version, "" | "0") && version != old.resource_version() {
        return Err(served.conflict(old.name(), "the object has been modified; please try again"));
    }
    Ok(())
}

/// How a scale is written.
#[derive(Clone, Copy)]
struct Replaces {
    /// By another one, as opposed to a patch.
    all: bool,
    /// A lost race is the client's to resolve.
    pinned: bool,
}

/// Sets the replicas that `wanted`, made from the current scale with its record, asks for.
async fn change(
    write: &Write<'_>,
    target: &Target,
    Replaces { all: replaces, pinned }: Replaces,
    wanted: impl Fn(&Object) -> Result<Object, Status>,
) -> Result<ApiResponse, Status> {
    let served = write.served;
    let (fields, scale_version) = (fields(served)?, expected(served)?.api_version);
    let scaled = managed::Scaled { api_version: &served.gvk.api_version(), replicas: &fields.replicas };
    let changed = write::change(write, |old| {
        let mut current = scale_of(served, fields, old);
        scaled.show(old, &mut current, scale_version);
        let scale = wanted(&current)?;
        check_identity(served, target, &scale, old, replaces)?;
        let replicas = replicas_of(&scale);
        check_replicas(replicas, old.name())?;
        let mut new = old.clone();
        set(&mut new, &fields.replicas, replicas.into());
        scaled.bring_back(&scale, &mut new);
        Ok((Decoded::recorded(write, new, old), pinned))
    });
    shown(served, &changed.await?.into_tree(served))
}

fn replicas_of(scale: &Object) -> i64 {
    scale.object(Scale::SPEC).and_then(|spec| spec.int(ScaleSpec::REPLICAS)).unwrap_or_default()
}

fn check_replicas(replicas: i64, name: &str) -> Result<(), Status> {
    if replicas >= 0 {
        return Ok(());
    }
    let path = path![Scale::SPEC, ScaleSpec::REPLICAS].field_path();
    let cause = Cause::invalid(&path, "must be greater than or equal to 0");
    Err(Status::invalid(GROUP, KIND, name, vec![cause]))
}

/// What a scale repeats of the metadata of its workload.
const REPEATED: [FieldName; 5] = [
    ObjectMeta::NAME,
    ObjectMeta::NAMESPACE,
    ObjectMeta::UID,
    ObjectMeta::RESOURCE_VERSION,
    ObjectMeta::CREATION_TIMESTAMP,
];

fn scale_of(served: &Served, fields: &ScaleFields, object: &Object) -> Object {
    let mut metadata = Object::new();
    for member in REPEATED {
        if let Some(value) = object.metadata().and_then(|metadata| metadata.member(member)) {
            metadata.set(member, value.clone());
        }
    }
    let number = |of: &[Text]| look_up(object, of).and_then(Value::as_i64).unwrap_or_default();
    let mut spec = Object::new();
    let mut status = object! { ScaleStatus::REPLICAS => number(&fields.status_replicas) };
    if number(&fields.replicas) != 0 {
        spec.set(ScaleSpec::REPLICAS, number(&fields.replicas));
    }
    let selector = look_up(object, &fields.selector).and_then(Value::as_object);
    let selector = selector.map(|selector| selector_text(is_map(&served.resource.root, &fields.selector), selector));
    if let Some(selector) = selector.filter(|text| !text.is_empty()) {
        status.set(ScaleStatus::SELECTOR, selector);
    }
    object! {
        Scale::KIND => KIND,
        Scale::API_VERSION => "autoscaling/v1",
        Scale::METADATA => metadata,
        Scale::SPEC => spec,
        Scale::STATUS => status,
    }
}

fn look_up<'o>(object: &'o Object, field: &[Text]) -> Option<&'o Value> {
    let [name, rest @ ..] = field else { return None };
    let value = object.get(&**name)?;
    if rest.is_empty() { Some(value) } else { look_up(value.as_object()?, rest) }
}

/// Sets a field, and makes the structs that lead to it.
fn set(object: &mut Object, field: &[Text], value: Value) {
    let [name, rest @ ..] = field else { return };
    if rest.is_empty() {
        object.insert((**name).into(), value);
    } else if let Some(object) = object.entry(&**name).or_insert_with(|| Object::new().into()).as_object_mut() {
        set(object, rest, value);
    }
}

/// True if the field is a map of labels, as opposed to a label selector.
fn is_map(ty: &Type, field: &[Text]) -> bool {
    let [name, rest @ ..] = field else { return false };
    let shape = ty.field(name).map(|field| &field.shape);
    match rest {
        [] => shape.is_some_and(|shape| shape.map_value().is_some()),
        _ => shape.and_then(Shape::as_struct).is_some_and(|ty| is_map(ty, rest)),
    }
}

fn selector_text(is_map: bool, selector: &Object) -> String {
    if is_map {
        let equalities = selector.iter().map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()));
        return LabelSelector::from_equalities(equalities).to_string();
    }
    LabelSelector::from_object(selector).map(|selector| selector.to_string()).unwrap_or_default()
}
