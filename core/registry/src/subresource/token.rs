//! Tokens of service accounts.

use gantry_admission::{Attributes, Operation};
use gantry_auth::token::{self, BoundObject, BoundRef, TokenSpec};
use gantry_codec::Expected;
use gantry_kinds::{
    Members as _,
    fields::core_v1::{Pod, PodSpec},
    path,
};
use gantry_meta::{GroupVersionKind, Object, ObjectView as _, Status};
use jiff::Timestamp;

use super::created;
use crate::{
    context::RequestContext,
    read,
    request::{Target, WriteOptions},
    response::ApiResponse,
    served::{self, Served},
    state::State,
    write::Write,
};

pub(super) async fn issue(
    state: &State,
    ctx: &RequestContext,
    served: &Served,
    target: &Target,
    body: &Object,
    options: &WriteOptions,
) -> Result<ApiResponse, Status> {
    let (namespace, name) = (&*target.namespace, &*target.name);
    token::token_request_is_about(body, namespace, name).map_err(|s| *s)?;
    let account = find(state, served, namespace, name).await?;
    if !body.uid().is_empty() && body.uid() != account.uid() {
        let why = format!("the uid {} is not that of the service account", body.uid());
        return Err(Status::conflict("authentication.k8s.io", "TokenRequest", name, &why));
    }
    let request = token::token_request_parse(body, namespace, name, &state.tokens.audiences).map_err(|s| *s)?;
    let attributes = Attributes {
        operation: Operation::Create,
        resource: &served.gvr,
        subresource: "token",
        namespace,
        name,
        user: &ctx.user,
        dry_run: options.dry_run,
    };
    let mut admitted = body.clone();
    state.admission.mutate(&attributes, Some(&mut admitted), None).await?;
    state.admission.validate(&attributes, Some(&admitted), None).await?;
    let mut spec = TokenSpec {
        namespace: namespace.to_owned(),
        account: bound(&account),
        audiences: request.audiences.clone(),
        expires_in_seconds: request.expires_in_seconds,
        pod: None,
        secret: None,
        node: None,
    };
    if let Some(reference) = &request.bound_to {
        bind(state, namespace, name, reference, &mut spec).await?;
    }
    let now = Timestamp::now();
    let (token, expires) =
        state.tokens.issuer.issue(&spec, now).map_err(|error| Status::internal(format!("signing a token: {error}")))?;
    let answer = token::token_request_answer(body, &request, &account, &token, expires, now);
    Ok(created(GroupVersionKind::new("authentication.k8s.io", "v1", "TokenRequest"), &answer))
}

/// Notes who asked for what, defaults included, as the answer shows it.
pub(super) fn record(write: &Write<'_>, expected: Expected<'_>, body: &mut Object) {
    token::fill_expiration(body);
    write.record_shown(expected, None, body);
}

async fn find(state: &State, served: &Served, namespace: &str, name: &str) -> Result<Object, Status> {
    let found = read::current(state, served, namespace, name).await?;
    found.map(|object| read::served_tree(served, &object)).ok_or_else(|| served.not_found(name))
}

fn bound(object: &Object) -> BoundObject {
    BoundObject { name: object.name().to_owned(), uid: object.uid().to_owned() }
}

/// The token is to die with the object that it names; a pod's brings its node along.
async fn bind(
    state: &State,
    namespace: &str,
    account: &str,
    reference: &BoundRef,
    spec: &mut TokenSpec,
) -> Result<(), Status> {
    let resource = reference.resource().ok_or_else(|| Status::bad_request("tokens cannot be bound to this kind"))?;
    let served =
        state.served.preferred("", resource).ok_or_else(|| Status::internal("a core resource is not served"))?;
    if reference.name.is_empty() {
        return Err(served::nameless());
    }
    let object = find(state, served, namespace, &reference.name).await?;
    if !reference.uid.is_empty() && reference.uid != object.uid() {
        return Err(served.conflict(&reference.name, "the uid in the bound object reference does not match"));
    }
    match resource {
        "pods" => {
            if object.text_at(path![Pod::SPEC, PodSpec::SERVICE_ACCOUNT_NAME]) != account {
                return Err(Status::bad_request("cannot bind a token to a pod of another service account"));
            }
            let node = object.text_at(path![Pod::SPEC, PodSpec::NODE_NAME]);
            if let (false, Some(nodes)) = (node.is_empty(), state.served.preferred("", "nodes")) {
                let found = read::current(state, nodes, "", node).await?;
                let uid = found.map(|n| n.uid().to_owned()).unwrap_or_default();
                spec.node = Some(BoundObject { name: node.to_owned(), uid });
            }
            spec.pod = Some(bound(&object));
        }
        "secrets" => spec.secret = Some(bound(&object)),
        _ => spec.node = Some(bound(&object)),
    }
    Ok(())
}
