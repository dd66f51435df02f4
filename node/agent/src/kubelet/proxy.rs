//! exec, attach and port-forward: the runtime's streaming server does the work. SPDY is passed through to it as it is,
//! WebSockets are translated.

use std::path::PathBuf;

use axum::{
    extract::{Path, RawQuery, Request, State},
    response::{IntoResponse, Response},
};
use gantry_cri::{CriError, api};
use http::{HeaderValue, StatusCode};
use jiff::{SignedDuration, Timestamp};

use super::{
    KubeletState, remote_command,
    routes::container_id,
    stream_query::StreamQuery,
    tunnel,
    upgrade::{self, Wanted},
};
use crate::pod::labels;

/// A container that was started no longer ago than this may have been waited for by whoever attaches to it.
const JUST_STARTED: SignedDuration = SignedDuration::from_secs(5);

type Names = (String, String, String);
type NamesWithUid = (String, String, String, String);

pub async fn exec(
    State(state): State<KubeletState>,
    Path((namespace, pod, container)): Path<Names>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    let query = StreamQuery::parse(query.as_deref().unwrap_or_default());
    let id = match find(&state, &namespace, &pod, &container).await {
        Ok(id) => id,
        Err(message) => return (StatusCode::NOT_FOUND, message).into_response(),
    };
    let url = state.node.runtime.exec(query.exec(id)).await;
    remote(url, request, query, None).await
}

pub async fn exec_by_uid(
    state: State<KubeletState>,
    Path((namespace, pod, _, container)): Path<NamesWithUid>,
    query: RawQuery,
    request: Request,
) -> Response {
    exec(state, Path((namespace, pod, container)), query, request).await
}

pub async fn attach(
    State(state): State<KubeletState>,
    Path((namespace, pod, container)): Path<Names>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    let query = StreamQuery::parse(query.as_deref().unwrap_or_default());
    let id = match find(&state, &namespace, &pod, &container).await {
        Ok(id) => id,
        Err(message) => return (StatusCode::NOT_FOUND, message).into_response(),
    };
    let missed = missed_log(&state, &id).await;
    let url = state.node.runtime.attach(query.attach(id)).await;
    remote(url, request, query, missed).await
}

/// The log of a container that has just started. `kubectl run -i` attaches as soon as it sees the pod run; what a short
/// command wrote until then is only there.
async fn missed_log(state: &KubeletState, id: &str) -> Option<PathBuf> {
    let status = state.node.runtime.container_status(id).await.ok()?;
    let started = Timestamp::from_nanosecond(status.started_at.into()).ok()?;
    (Timestamp::now().duration_since(started) < JUST_STARTED).then(|| status.log_path.into())
}

pub async fn attach_by_uid(
    state: State<KubeletState>,
    Path((namespace, pod, _, container)): Path<NamesWithUid>,
    query: RawQuery,
    request: Request,
) -> Response {
    attach(state, Path((namespace, pod, container)), query, request).await
}

pub async fn port_forward(
    State(state): State<KubeletState>,
    Path((namespace, pod)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    let query = StreamQuery::parse(query.as_deref().unwrap_or_default());
    let Some(sandbox) = sandbox(&state, &namespace, &pod).await else {
        return (StatusCode::NOT_FOUND, format!("pod {pod:?} has no sandbox")).into_response();
    };
    let url = state.node.runtime.port_forward(&sandbox, query.ports.clone()).await;
    forward(url, request).await
}

pub async fn port_forward_by_uid(
    state: State<KubeletState>,
    Path((namespace, pod, _)): Path<Names>,
    query: RawQuery,
    request: Request,
) -> Response {
    port_forward(state, Path((namespace, pod)), query, request).await
}

/// A running container's id. The error says what is missing.
async fn find(state: &KubeletState, namespace: &str, pod: &str, container: &str) -> Result<String, String> {
    let desired = state.pods.find(namespace, pod).await.ok_or_else(|| format!("pod {pod:?} not found"))?;
    let status = desired.status.clone().unwrap_or_default();
    container_id(&status, container, false).ok_or_else(|| format!("container {container:?} not found in pod {pod:?}"))
}

async fn sandbox(state: &KubeletState, namespace: &str, pod: &str) -> Option<String> {
    let desired = state.pods.find(namespace, pod).await?;
    let label_selector = [(labels::POD_UID.to_owned(), desired.uid.clone())].into();
    let ready = api::PodSandboxStateValue { state: api::PodSandboxState::SandboxReady as i32 };
    let filter = api::PodSandboxFilter { label_selector, state: Some(ready), ..Default::default() };
    let found = state.node.runtime.list_pod_sandbox(Some(filter)).await.ok()?;
    found.into_iter().max_by_key(|sandbox| sandbox.created_at).map(|sandbox| sandbox.id)
}

fn runtime_failure(error: &CriError) -> Response {
    let code = if error.is_not_found() { StatusCode::NOT_FOUND } else { StatusCode::INTERNAL_SERVER_ERROR };
    (code, error.to_string()).into_response()
}

fn no_upgrade(known: &str) -> Response {
    (StatusCode::BAD_REQUEST, format!("you must specify an Upgrade header: SPDY/3.1, or WebSocket with {known}"))
        .into_response()
}

/// exec and attach.
async fn remote(
    url: Result<String, CriError>,
    request: Request,
    query: StreamQuery,
    missed: Option<PathBuf>,
) -> Response {
    let url = match url {
        Ok(url) => url,
        Err(error) => return runtime_failure(&error),
    };
    let known = remote_command::PROTOCOLS.join(" or ");
    match upgrade::wanted(request.headers()) {
        Some(Wanted::Spdy { protocols }) => {
            upgrade::pass_through(&url, request, &protocols).await.unwrap_or_else(IntoResponse::into_response)
        }
        Some(Wanted::WebSocket { key, protocols }) => {
            match remote_command::PROTOCOLS.into_iter().find(|known| protocols.iter().any(|p| p == known)) {
                Some(protocol) => translated(&url, request, &key, protocol, (query, missed)).await,
                None => no_upgrade(&known),
            }
        }
        None => no_upgrade(&known),
    }
}

async fn translated(
    url: &str,
    request: Request,
    key: &HeaderValue,
    protocol: &'static str,
    (query, missed): (StreamQuery, Option<PathBuf>),
) -> Response {
    let wanted = [HeaderValue::from_static(remote_command::UPSTREAM_PROTOCOL)];
    let upstream = match upgrade::connect(url, &wanted).await {
        Ok(upstream) => upstream,
        Err(error) => return error.into_response(),
    };
    tokio::spawn(async move {
        let Some(client) = upgrade::on_upgrade(request).await else { return };
        if let Err(error) = remote_command::translate(client, upstream.connection, protocol, &query, missed).await {
            tracing::debug!(%error, "an exec or attach ended");
        }
    });
    upgrade::accept_websocket(key, protocol)
}

async fn forward(url: Result<String, CriError>, request: Request) -> Response {
    let url = match url {
        Ok(url) => url,
        Err(error) => return runtime_failure(&error),
    };
    match upgrade::wanted(request.headers()) {
        Some(Wanted::Spdy { protocols }) => {
            upgrade::pass_through(&url, request, &protocols).await.unwrap_or_else(IntoResponse::into_response)
        }
        Some(Wanted::WebSocket { key, protocols }) if protocols.iter().any(|p| p == tunnel::PROTOCOL) => {
            tunnelled(&url, request, &key).await
        }
        _ => no_upgrade(tunnel::PROTOCOL),
    }
}

async fn tunnelled(url: &str, request: Request, key: &HeaderValue) -> Response {
    let upstream = match upgrade::connect(url, &[HeaderValue::from_static(tunnel::INNER_PROTOCOL)]).await {
        Ok(upstream) => upstream,
        Err(error) => return error.into_response(),
    };
    tokio::spawn(async move {
        let Some(client) = upgrade::on_upgrade(request).await else { return };
        if let Err(error) = tunnel::tunnel(client, upstream.connection).await {
            tracing::debug!(%error, "a port-forward ended");
        }
    });
    upgrade::accept_websocket(key, tunnel::PROTOCOL)
}
