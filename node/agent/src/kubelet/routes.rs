//! Paths of the kubelet API, and who may use them.

use axum::{
    Extension, Router,
    body::Body,
    extract::{Path, Query, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use http::{StatusCode, header};
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use serde_json::json;

use super::{ClientCertificate, KubeletState, logs, proxy, stats};

/// All paths, behind authorisation. `/healthz` needs it too, as upstream.
pub fn router(state: KubeletState) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/pods", get(pods))
        .route("/containerLogs/{namespace}/{pod}/{container}", get(container_logs))
        .route("/exec/{namespace}/{pod}/{container}", any(proxy::exec))
        .route("/exec/{namespace}/{pod}/{uid}/{container}", any(proxy::exec_by_uid))
        .route("/attach/{namespace}/{pod}/{container}", any(proxy::attach))
        .route("/attach/{namespace}/{pod}/{uid}/{container}", any(proxy::attach_by_uid))
        .route("/portForward/{namespace}/{pod}", any(proxy::port_forward))
        .route("/portForward/{namespace}/{pod}/{uid}", any(proxy::port_forward_by_uid))
        .route("/stats/summary", get(stats::summary))
        .route("/metrics/resource", get(stats::resource_metrics))
        .route("/configz", get(configz))
        .layer(middleware::from_fn_with_state(state.clone(), authorise))
        .with_state(state)
}

/// The `nodes` subresource that a path stands for.
fn subresource(path: &str) -> &'static str {
    match path.split('/').nth(1).unwrap_or_default() {
        "stats" => "stats",
        "metrics" => "metrics",
        "logs" => "log",
        "healthz" => "healthz",
        "configz" => "configz",
        "pods" => "pods",
        _ => "proxy",
    }
}

async fn authorise(
    State(state): State<KubeletState>,
    Extension(certificate): Extension<ClientCertificate>,
    request: Request,
    next: Next,
) -> Response {
    let verb = match request.method().as_str() {
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "get",
    };
    let token = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = token.and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned);
    if certificate.0.is_none() && token.is_none() {
        return (StatusCode::UNAUTHORIZED, "Unauthorized").into_response();
    }
    let subresource = subresource(request.uri().path());
    let allowed = state.authorizer.allows(certificate.0.as_deref(), token.as_deref(), verb, subresource).await;
    if !allowed {
        let message = format!("Forbidden (verb={verb}, resource=nodes, subresource={subresource})");
        return (StatusCode::FORBIDDEN, message).into_response();
    }
    next.run(request).await
}

/// The pods of this node as the API server knows them.
async fn pods(State(state): State<KubeletState>) -> Response {
    let items: Vec<Pod> = state.pods.desired().list().iter().map(|cached| cached.content.clone()).collect();
    let list = json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items});
    ([(header::CONTENT_TYPE, "application/json")], list.to_string()).into_response()
}

async fn configz(State(state): State<KubeletState>) -> Response {
    let config = &state.node.config;
    let body = json!({"kubeletconfig": {
        "clusterDNS": config.cluster_dns, "clusterDomain": config.cluster_domain, "maxPods": config.max_pods,
        "port": config.kubelet_port, "cgroupRoot": config.cgroup_root,
    }});
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// A container's id by the pod's last known status.
pub fn container_id(status: &PodStatus, container: &str, previous: bool) -> Option<String> {
    let found = crate::pod::status::container_statuses(status).find(|status| status.name == container)?;
    let id = if previous {
        found.last_state.as_ref()?.terminated.as_ref()?.container_id.clone()
    } else {
        let waits = found.state.as_ref().is_some_and(|state| state.waiting.is_some());
        let ended = found.last_state.as_ref().and_then(|state| state.terminated.as_ref());
        if waits && ended.is_some() { ended?.container_id.clone() } else { found.container_id.clone() }
    };
    id?.strip_prefix("containerd://").map(str::to_owned)
}

async fn container_logs(
    State(state): State<KubeletState>,
    Path((namespace, pod, container)): Path<(String, String, String)>,
    Query(query): Query<logs::LogQuery>,
) -> Response {
    let Some(desired) = state.pods.find(&namespace, &pod).await else {
        return (StatusCode::NOT_FOUND, format!("pod {pod:?} not found")).into_response();
    };
    let options = match query.options() {
        Ok(options) => options,
        Err(message) => return (StatusCode::BAD_REQUEST, message).into_response(),
    };
    let status = desired.status.clone().unwrap_or_default();
    let id = container_id(&status, &container, options.previous);
    let Some(id) = id else { return logs::not_available(&namespace, &pod, &container, &status, options.previous) };
    let exits = state.node.exits.subscribe();
    match state.node.runtime.container_status(&id).await {
        Ok(found) => {
            let body = logs::stream(state.node.runtime.clone(), exits, found, options);
            ([(header::CONTENT_TYPE, "text/plain")], Body::from_stream(body)).into_response()
        }
        Err(error) => {
            let message = format!("container {container:?} in pod {pod:?} is not available: {error}");
            (StatusCode::BAD_REQUEST, message).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_in_back_off_shows_the_log_of_its_last_run() {
        let status: PodStatus = serde_json::from_str(
            r#"{"containerStatuses":[{"name":"a","image":"","imageID":"","ready":false,"restartCount":1,
            "containerID":"containerd://new","state":{"waiting":{"reason":"CrashLoopBackOff"}},
            "lastState":{"terminated":{"exitCode":1,"containerID":"containerd://old"}}}]}"#,
        )
        .expect("a status");
        assert_eq!(container_id(&status, "a", false).as_deref(), Some("old"));
        assert_eq!(container_id(&status, "a", true).as_deref(), Some("old"));
        assert_eq!(container_id(&status, "b", false), None);
    }
}
