//! Posts that store no object of their own, and views of objects: bindings, evictions, tokens, reviews, scales.

mod binding;
mod disruption;
mod eviction;
mod reviews;
pub(crate) mod scale;
mod token;

use std::sync::Arc;

use gantry_codec::Expected;
use gantry_kinds::{Members as _, fields::meta_v1::ObjectMeta};
use gantry_meta::{GroupVersionKind, Object, ObjectView as _, Status};

use crate::{
    context::RequestContext,
    request::{Body, Target, WriteOptions},
    response::{ApiResponse, ObjectResponse},
    served::{self, Served},
    state::State,
    write::{read_body, write_of},
};

const OTHER_NAMESPACE: &str = "the namespace of the provided object does not match the namespace sent on the request";

/// True for a create that is no create of a stored object.
pub(crate) fn is_post(served: &Served, target: &Target) -> bool {
    !target.subresource.is_empty() || !served.resource.is_stored()
}

pub(crate) async fn post(
    state: &State,
    ctx: &RequestContext,
    served: &Arc<Served>,
    target: &Target,
    body: &Body,
    options: &WriteOptions,
) -> Result<ApiResponse, Status> {
    let expected = match target.subresource.as_str() {
        "" => (&served.resource).into(),
        name => {
            let sub = served.resource.subresource(name).and_then(Expected::subresource);
            let sub = sub.ok_or_else(served::method_not_allowed)?;
            // Evictions had another version once, which clients still send.
            Expected { any_api_version: name == "eviction", ..sub }
        }
    };
    let mut object = read_body(ctx, expected, body, options.field_validation)?;
    if !served.resource.namespaced {
        object.metadata_mut().unset(ObjectMeta::NAMESPACE);
    }
    let stated = object.namespace();
    if !stated.is_empty() && !target.namespace.is_empty() && stated != target.namespace {
        return Err(Status::bad_request(OTHER_NAMESPACE));
    }
    match (&*served.resource.plural, target.subresource.as_str()) {
        ("pods", "binding") | ("bindings", "") => binding::bind(state, ctx, target, object, options).await,
        ("pods", "eviction") => eviction::evict(state, ctx, served, target, object, options).await,
        ("serviceaccounts", "token") => {
            token::record(&write_of(state, ctx, served, target, options), expected, &mut object);
            token::issue(state, ctx, served, target, &object, options).await
        }
        (_, "") => {
            let mut recorded = object.clone();
            write_of(state, ctx, served, target, options).record_shown(expected, None, &mut recorded);
            reviews::answer(state, ctx, served, target, object, &recorded)
        }
        _ => Err(served::method_not_allowed()),
    }
}

/// 201 with an object that is not stored.
fn created(kind: GroupVersionKind, object: &Object) -> ApiResponse {
    ApiResponse::Object(ObjectResponse { code: 201, kind, json: gantry_codec::encode(object).into() })
}

/// 201 with a success Status: what a post that has nothing to show answers.
fn done() -> ApiResponse {
    ApiResponse::Status(Status::success(201))
}
