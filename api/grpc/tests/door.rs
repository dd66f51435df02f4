//! The gRPC door with the real executor, over real TLS.

mod support;

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use gantry_auth::{
    audit::{AuditLog, Policy},
    pki::{CertificateAuthority, Validity},
    rbac::{self, aggregate_cluster_roles},
    token::{BoundObject, DEFAULT_ISSUER, TokenSpec},
};
use gantry_client::{Identity, connect};
use gantry_meta::{GroupVersionResource, Reason};
use gantry_registry::bootstrap;
use gantry_runtime::{
    Cache, DeleteOptions, ListOptions, ObjectSink, ObjectSource, Patch, SinkError, SourceError, WatchEvent,
    WriteTarget, inform,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use support::{Cluster, core, facts};
use tokio_util::sync::CancellationToken;

fn body(value: &Value) -> Bytes {
    value.to_string().into()
}

fn config_map(name: &str, value: &str) -> Bytes {
    body(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": value}}))
}

fn target(resource: &str, name: &str) -> WriteTarget {
    WriteTarget::new(&core(resource), "default", name)
}

fn code(error: SinkError) -> u16 {
    match error {
        SinkError::Refused(status) => status.code,
        SinkError::Unavailable(why) => panic!("unavailable: {why}"),
    }
}

#[tokio::test]
async fn an_object_is_created_read_changed_and_deleted() {
    let cluster = Cluster::start().await;
    let admin = cluster.client("admin", Some("system:masters"));
    assert!(admin.is_serving().await);
    let maps = core("configmaps");
    let made = admin.create(&target("configmaps", "a"), config_map("a", "1")).await.unwrap();
    assert_eq!((&*made.namespace, &*made.name), ("default", "a"));
    let read = admin.get(&maps, "default", "a").await.unwrap().unwrap();
    assert_eq!(read, made);
    let patch = Patch::Merge(body(&json!({"data": {"k": "2"}})));
    let patched = admin.patch(&target("configmaps", "a"), patch).await.unwrap();
    assert_ne!(patched.resource_version, made.resource_version);
    let stale = admin.update(&target("configmaps", "a"), made.json.clone()).await.unwrap_err();
    assert!(matches!(stale, SinkError::Refused(status) if status.is(Reason::Conflict)));
    let listed =
        admin.list(&maps, &ListOptions { namespace: "default".into(), ..ListOptions::default() }).await.unwrap();
    assert_eq!(listed.items, [patched]);
    admin.delete(&target("configmaps", "a"), &DeleteOptions::default()).await.unwrap();
    assert!(admin.get(&maps, "default", "a").await.unwrap().is_none());
}

#[tokio::test]
async fn many_watches_share_one_stream_and_each_sees_its_own() {
    let cluster = Cluster::start().await;
    let admin = Arc::new(cluster.client("admin", Some("system:masters")));
    let stop = CancellationToken::new();
    let follow = |resource: &str| {
        let options = ListOptions { namespace: "default".into(), ..ListOptions::default() };
        inform(admin.clone(), core(resource), options, Cache::<Value>::new(), stop.clone())
    };
    let (maps, secrets) = (follow("configmaps"), follow("secrets"));
    maps.wait_synced().await;
    secrets.wait_synced().await;
    let (mut map_events, mut secret_events) = (maps.subscribe(), secrets.subscribe());
    cluster.local.create(&target("configmaps", "m"), config_map("m", "1")).await.unwrap();
    let secret = body(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}));
    cluster.local.create(&target("secrets", "s"), secret).await.unwrap();
    assert_eq!(map_events.recv().await.unwrap().object().key.to_string(), "default/m");
    assert_eq!(secret_events.recv().await.unwrap().object().key.to_string(), "default/s");
    stop.cancel();
}

#[tokio::test]
async fn a_list_larger_than_a_message_arrives_whole() {
    let cluster = Cluster::start().await;
    let large = "x".repeat(700 << 10);
    for name in ["a", "b", "c", "d"] {
        cluster.local.create(&target("configmaps", name), config_map(name, &large)).await.unwrap();
    }
    let admin = cluster.client("admin", Some("system:masters"));
    let options = ListOptions { namespace: "default".into(), ..ListOptions::default() };
    let listed = admin.list(&core("configmaps"), &options).await.unwrap();
    let names: Vec<&str> = listed.items.iter().map(|item| &*item.name).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
    assert!(listed.items.iter().all(|item| item.json.len() > 700 << 10) && !listed.resource_version.is_empty());
}

#[tokio::test]
async fn where_no_grpc_answers_rest_is_taken() {
    let cluster = Cluster::start().await;
    let validity = Validity::days(Timestamp::now(), 1);
    let admin = cluster.authority.issue_client("admin", Some("system:masters"), validity).unwrap();
    let identity = Identity::Pem { certificate: admin.certificate_pem, key: admin.key_pem };
    let config = cluster.config().identity(identity);
    let server = config.server.clone();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ours = connect(config.clone(), Some(&server)).await.unwrap();
    assert!(ours.grpc.is_some());
    assert!(connect(config.clone(), Some(&format!("https://{nobody}"))).await.unwrap().grpc.is_none());
    assert!(connect(config, None).await.unwrap().grpc.is_none());
}

#[tokio::test]
async fn a_refused_watch_says_why_and_leaves_the_others_alone() {
    let cluster = Cluster::start().await;
    let admin = cluster.client("admin", Some("system:masters"));
    let options = ListOptions { namespace: "default".into(), ..ListOptions::default() };
    let after = admin.list(&core("configmaps"), &options).await.unwrap().resource_version;
    let mut good = admin.watch(&core("configmaps"), &options, &after).await.unwrap();
    let unknown = GroupVersionResource::new("", "v1", "nothings");
    let refused = admin.watch(&unknown, &options, &after).await.unwrap().next().await.unwrap();
    assert!(matches!(refused, Err(SourceError::Refused(status)) if status.code == 404));
    cluster.local.create(&target("configmaps", "m"), config_map("m", "1")).await.unwrap();
    loop {
        match good.next().await.unwrap().unwrap() {
            WatchEvent::Bookmark(_) => {}
            event => {
                assert!(matches!(event, WatchEvent::Added(object) if object.name == "m"));
                break;
            }
        }
    }
}

#[tokio::test]
async fn strangers_and_the_anonymous_get_nothing() {
    let cluster = Cluster::start().await;
    let get = |client: gantry_client::GrpcClient| async move {
        match client.get(&core("configmaps"), "default", "a").await {
            Err(SourceError::Refused(status)) => status.code,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(get(gantry_client::GrpcClient::new(cluster.config()).unwrap()).await, 403);
    assert_eq!(get(cluster.client("jane", None)).await, 403);
    assert_eq!(get(cluster.client_with_token("nonsense")).await, 401);
    let folder = tempfile::tempdir().unwrap();
    let other = CertificateAuthority::load_or_create(folder.path(), Timestamp::now()).unwrap();
    let forged = other.issue_client("admin", Some("system:masters"), Validity::days(Timestamp::now(), 1)).unwrap();
    assert_eq!(get(cluster.client_of(&forged)).await, 401);
}

#[tokio::test]
async fn a_service_account_token_opens_the_door_until_the_account_goes() {
    let cluster = Cluster::start().await;
    let account = body(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}}));
    cluster.local.create(&target("serviceaccounts", "robot"), account).await.unwrap();
    let request = body(&json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}));
    let token_target = target("serviceaccounts", "robot").subresource("token");
    let answer = cluster.local.create(&token_target, request).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.json).unwrap();
    let robot = cluster.client_with_token(answer["status"]["token"].as_str().unwrap());
    let whoami = GroupVersionResource::new("authentication.k8s.io", "v1", "selfsubjectreviews");
    let review = body(&json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}));
    let me = robot.create(&WriteTarget::new(&whoami, "", ""), review.clone()).await.unwrap();
    let me: Value = serde_json::from_slice(&me.json).unwrap();
    assert_eq!(me["status"]["userInfo"]["username"], "system:serviceaccount:default:robot");
    cluster.local.delete(&target("serviceaccounts", "robot"), &DeleteOptions::default()).await.unwrap();
    assert_eq!(code(robot.create(&WriteTarget::new(&whoami, "", ""), review).await.unwrap_err()), 401);
}

#[tokio::test]
async fn a_token_for_another_audience_is_refused() {
    let cluster = Cluster::start().await;
    let account = body(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}}));
    let account = cluster.local.create(&target("serviceaccounts", "robot"), account).await.unwrap();
    let mut spec = TokenSpec {
        namespace: "default".into(),
        account: BoundObject { name: "robot".into(), uid: account.uid },
        audiences: vec!["vault".into()],
        expires_in_seconds: 600,
        pod: None,
        secret: None,
        node: None,
    };
    let get = |token: String| {
        let client = cluster.client_with_token(&token);
        async move {
            match client.get(&core("configmaps"), "default", "a").await {
                Err(SourceError::Refused(status)) => status.code,
                other => panic!("{other:?}"),
            }
        }
    };
    assert_eq!(get(cluster.issuer.issue(&spec, Timestamp::now()).unwrap().0).await, 401);
    spec.audiences = vec![DEFAULT_ISSUER.into()];
    assert_eq!(get(cluster.issuer.issue(&spec, Timestamp::now()).unwrap().0).await, 403, "known, but may not");
    let long_ago = Timestamp::now() - jiff::SignedDuration::from_hours(1);
    assert_eq!(get(cluster.issuer.issue(&spec, long_ago).unwrap().0).await, 401, "expired");
}

#[tokio::test]
async fn a_node_reports_its_pods_and_its_lease_in_one_message() {
    let cluster = Cluster::start().await;
    let account = body(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}));
    cluster.local.create(&target("serviceaccounts", "default"), account).await.unwrap();
    for (name, node) in [("mine", "n1"), ("other", "n2")] {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"nodeName": node, "containers": [{"name": "c", "image": "example.com/app:1"}]}});
        cluster.local.create(&target("pods", name), body(&pod)).await.unwrap();
    }
    let certificate = cluster.authority.issue_node("n1", &[], Validity::days(Timestamp::now(), 1)).unwrap();
    let node = cluster.client_of(&certificate);
    let patch = |name: &str| {
        let running = Patch::Strategic(body(&json!({"status": {"phase": "Running"}})));
        (target("pods", name).subresource("status"), running)
    };
    for _ in 0..2 {
        let results = node.report(vec![patch("mine"), patch("other")], Some(("n1", 40))).await.unwrap();
        let codes: Vec<u16> = results.into_iter().map(|result| result.map_or_else(code, |_| 200)).collect();
        assert_eq!(codes, [200, 403, 200], "its own pod, another's, the lease (made, then renewed)");
    }
    let theirs = node.report(vec![], Some(("n2", 40))).await.unwrap().remove(0);
    assert_eq!(code(theirs.unwrap_err()), 403);
}

#[tokio::test]
async fn bootstrap_objects_are_made_once_and_put_back() {
    let cluster = Cluster::start().await;
    let (local, facts) = (&cluster.local, facts(&cluster.authority));
    assert_eq!(bootstrap::reconcile(local, local, &facts).await.unwrap(), 0, "the first pass made everything");
    let roles = GroupVersionResource::new("rbac.authorization.k8s.io", "v1", "clusterroles");
    let view = WriteTarget::new(&roles, "", "system:discovery");
    local.patch(&view, Patch::Merge(body(&json!({"rules": []})))).await.unwrap();
    let priority = GroupVersionResource::new("flowcontrol.apiserver.k8s.io", "v1", "flowschemas");
    local.delete(&WriteTarget::new(&priority, "", "probes"), &DeleteOptions::default()).await.unwrap();
    assert_eq!(bootstrap::reconcile(local, local, &facts).await.unwrap(), 2);
    let role = local.get(&roles, "", "system:discovery").await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&role.json).contains("/openapi"));
}

#[tokio::test]
async fn an_aggregated_role_follows_its_parts() {
    let cluster = Cluster::start().await;
    let local = Arc::new(cluster.local.clone());
    tokio::spawn(aggregate_cluster_roles(local.clone(), local.clone(), cluster.stop.clone()));
    let roles = GroupVersionResource::new(rbac::GROUP, "v1", "clusterroles");
    let cache =
        inform(local.clone(), roles.clone(), ListOptions::default(), Cache::<Value>::new(), cluster.stop.clone());
    cache.wait_synced().await;
    let mut events = cache.subscribe();
    let part = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "gadgets", "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
        "rules": [{"verbs": ["get"], "apiGroups": ["example.com"], "resources": ["gadgets"]}]});
    let target = WriteTarget::new(&roles, "", "gadgets");
    local.create(&target, body(&part)).await.unwrap();
    let mut until = async |wanted: bool| loop {
        let event = events.recv().await.unwrap();
        let view = event.object();
        if &*view.key.name == "view" && view["rules"].to_string().contains("gadgets") == wanted {
            break;
        }
    };
    until(true).await;
    local.delete(&target, &DeleteOptions::default()).await.unwrap();
    until(false).await;
}

#[tokio::test]
async fn stopping_the_server_ends_its_watches() {
    let cluster = Cluster::start().await;
    let admin = cluster.client("admin", Some("system:masters"));
    let options = ListOptions::default();
    let after = admin.list(&core("configmaps"), &options).await.unwrap().resource_version;
    let mut watch = admin.watch(&core("configmaps"), &options, &after).await.unwrap();
    cluster.local.create(&target("configmaps", "m"), config_map("m", "1")).await.unwrap();
    while !matches!(watch.next().await.unwrap().unwrap(), WatchEvent::Added(_)) {}
    cluster.stop.cancel();
    cluster.served.await.unwrap();
    while let Some(Ok(_)) = watch.next().await {}
}

#[tokio::test]
async fn a_call_with_bad_credentials_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let policy = json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata"}]});
    let log = Arc::new(AuditLog::open(Policy::from_json(policy).unwrap(), &path).unwrap());
    let cluster = Cluster::recording(Some(log)).await;
    let stranger = cluster.client_with_token("nonsense");
    assert_eq!(code(stranger.create(&target("secrets", "unknown"), body(&json!({}))).await.unwrap_err()), 401);
    let recorded = || {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let mut events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.find(|event| event["responseStatus"]["code"] == 401)
    };
    // The log is written by a thread of its own.
    let event = tokio::time::timeout(std::time::Duration::from_secs(60), async {
        loop {
            match recorded() {
                Some(event) => return event,
                None => tokio::task::yield_now().await,
            }
        }
    });
    let event = event.await.expect("the event comes");
    assert_eq!((&event["verb"], &event["user"]), (&json!("create"), &json!({})));
    assert_eq!(event["objectRef"]["resource"], "secrets");
    assert_eq!(event["requestURI"], "/api/v1/namespaces/default/secrets");
}
