//! What the audit log says of requests that did not come to an answer of the usual kind.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use gantry_auth::{
    UserInfo,
    audit::{AuditLog, Policy},
    pki::Validity,
};
use gantry_meta::GroupVersionResource;
use gantry_registry::{ApiRequest, Body, MediaType, RequestContext, Target, WriteOptions};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{Setting, TestServer};

const LONG: Duration = Duration::from_secs(60);
const SECRETS: &str = "/api/v1/namespaces/default/secrets";

/// A server that records everything, and the file it records to.
async fn audited(folder: &Path) -> (TestServer, PathBuf) {
    let path = folder.join("audit.log");
    let policy = json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
        "rules": [{"level": "Request"}]});
    let log = AuditLog::open(Policy::from_json(policy).unwrap(), &path).unwrap();
    (TestServer::memory_in(Setting { audit: Some(Arc::new(log)), ..Setting::default() }).await, path)
}

/// The first event that is it; the log is written by a thread of its own.
async fn event(log: &Path, is_it: impl Fn(&Value) -> bool) -> Value {
    let found = async {
        loop {
            let text = std::fs::read_to_string(log).unwrap_or_default();
            let mut events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            if let Some(event) = events.find(&is_it) {
                return event;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, found).await.expect("the event comes")
}

#[tokio::test]
async fn what_the_door_refuses_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let (server, log) = audited(folder.path()).await;
    let get = |name: &str, header: &str| format!("GET {SECRETS}/{name} HTTP/1.1\r\n{header}\r\n");
    server.http1_as_nobody().exchange(&get("unknown", "Authorization: Bearer nonsense")).await;
    let unknown = event(&log, |event| event["objectRef"]["name"] == "unknown").await;
    assert_eq!((&unknown["responseStatus"]["code"], &unknown["user"]), (&json!(401), &json!({})));
    assert_eq!(unknown["requestURI"], format!("{SECRETS}/unknown"));

    let jane = server.authority.issue_client("jane", None, Validity::days(Timestamp::now(), 1)).unwrap();
    server.http1_as(Some(&jane)).exchange(&get("grasped", "Impersonate-User: root")).await;
    let grasped = event(&log, |event| event["objectRef"]["name"] == "grasped").await;
    assert_eq!((&grasped["responseStatus"]["code"], &grasped["user"]["username"]), (&json!(403), &json!("jane")));
}

#[tokio::test]
async fn a_request_that_may_not_be_is_recorded_without_what_was_sent() {
    let folder = tempfile::tempdir().unwrap();
    let (server, log) = audited(folder.path()).await;
    let api = server.anonymous_api();
    let secret = json!({"metadata": {"name": "mine"}, "data": {"word": "c3dvcmRmaXNo"}});
    assert_eq!(api.json(http::Method::POST, SECRETS, &secret).await.0, 403);
    let refused = event(&log, |event| event["verb"] == "create" && event["requestURI"] == SECRETS).await;
    assert_eq!(refused["responseStatus"]["code"], 403);
    assert!(refused.get("requestObject").is_none(), "nobody needs to read it to refuse it: {refused}");
}

#[tokio::test]
async fn a_write_whose_client_goes_away_is_recorded_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (server, log) = audited(folder.path()).await;
    let ctx = RequestContext::new("id", UserInfo::loopback(), "test", Instant::now() + LONG);
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "left"}});
    let request = ApiRequest::Create {
        target: Target::collection(&GroupVersionResource::new("", "v1", "configmaps"), "default"),
        body: Body { media_type: MediaType::Json, bytes: map.to_string().into() },
        options: WriteOptions::default(),
    };
    let mut create = Box::pin(server.executor.execute(&ctx, request));
    assert!(futures::poll!(create.as_mut()).is_pending(), "it waits for the store");
    drop(create);
    let left = event(&log, |event| event["objectRef"]["name"] == "left").await;
    assert_eq!(left["stage"], "ResponseComplete");
    assert!(left["responseStatus"]["message"].as_str().unwrap().contains("went away"), "{left}");
}

#[tokio::test]
async fn a_user_whose_name_has_other_letters_is_acted_as_and_not_left_out() {
    let server = TestServer::memory().await;
    let answer = server.http1().exchange("GET /api/v1/secrets HTTP/1.1\r\nImpersonate-User: Jürgen\r\n").await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("Jürgen"), "{answer}");
}
