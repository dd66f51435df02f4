//! Connect verbs: where the transport is to send a stream or a proxied request, and as what.

mod kubelet;
mod proxy;

use std::sync::Arc;

use gantry_admission::{Attributes, Operation};
use gantry_meta::{Object, Status};

use crate::{
    context::RequestContext,
    read,
    request::{Connect, Target},
    response::ApiResponse,
    served::{self, Served},
    state::State,
};

pub(crate) async fn locate(
    state: &State,
    ctx: &RequestContext,
    served: &Arc<Served>,
    target: &Target,
    connect: &Connect,
) -> Result<ApiResponse, Status> {
    let attributes = Attributes {
        operation: Operation::Connect,
        resource: &served.gvr,
        subresource: &target.subresource,
        namespace: &target.namespace,
        name: &target.name,
        user: &ctx.user,
        dry_run: false,
    };
    state.admission.mutate(&attributes, None, None).await?;
    state.admission.validate(&attributes, None, None).await?;
    match (&*served.resource.plural, target.subresource.as_str()) {
        ("pods", "log") => kubelet::log(state, served, target, connect).await,
        ("pods", "exec") => kubelet::exec(state, served, target, connect, "exec").await,
        ("pods", "attach") => kubelet::exec(state, served, target, connect, "attach").await,
        ("pods", "portforward") => kubelet::port_forward(state, served, target, connect).await,
        ("pods", "proxy") => proxy::pod(state, served, target, connect).await,
        ("services", "proxy") => proxy::service(state, served, target, connect).await,
        ("nodes", "proxy") => proxy::node(state, served, target, connect).await,
        _ => Err(served::method_not_allowed()),
    }
}

/// The object of a connect verb; 404 if it is not there.
async fn object(state: &State, served: &Served, namespace: &str, name: &str) -> Result<Object, Status> {
    let found = read::current(state, served, namespace, name).await?;
    found.map(|object| read::served_tree(served, &object)).ok_or_else(|| served.not_found(name))
}
