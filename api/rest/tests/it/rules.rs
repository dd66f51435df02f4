//! Rules of the API that clients rely on, each seen over the wire.

use bytes::Bytes;
use gantry_client::RawRequest;
use http::Method;
use serde_json::{Value, json};

use crate::support::TestServer;

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const APPLY: &str = "application/apply-patch+yaml";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

fn deployment(replicas: u32) -> Value {
    json!({"metadata": {"name": "web"}, "spec": {"replicas": replicas, "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
}

fn scale(replicas: u32) -> Value {
    json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": replicas}})
}

#[tokio::test]
async fn a_scale_is_applied_and_its_manager_owns_the_replicas_alone() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    api.json(Method::POST, DEPLOYMENTS, &deployment(1)).await;
    let path = format!("{DEPLOYMENTS}/web/scale");
    let (code, conflict) = api.patch(&format!("{path}?fieldManager=scaler"), APPLY, &scale(3)).await;
    assert_eq!((code, &conflict["details"]["causes"][0]["field"]), (409, &json!(".spec.replicas")));
    let (code, scaled) = api.patch(&format!("{path}?fieldManager=scaler&force=true"), APPLY, &scale(3)).await;
    assert_eq!((code, &scaled["kind"], &scaled["spec"]["replicas"]), (200, &json!("Scale"), &json!(3)));
    let (_, web) = api.get(&format!("{DEPLOYMENTS}/web")).await;
    let entries = web["metadata"]["managedFields"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["manager"] == "scaler").unwrap();
    assert_eq!((&entry["operation"], &entry["subresource"]), (&json!("Apply"), &json!("scale")));
    assert_eq!(entry["fieldsV1"], json!({"f:spec": {"f:replicas": {}}}));
    assert_eq!(web["metadata"]["generation"], 2);
    let wrong = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}});
    assert_eq!(api.patch(&format!("{path}?fieldManager=scaler"), APPLY, &wrong).await.0, 400);
    let (code, _) = api.patch(&format!("{DEPLOYMENTS}/none/scale?fieldManager=s"), APPLY, &scale(1)).await;
    assert_eq!(code, 404);
}

#[tokio::test]
async fn a_scale_is_about_the_workload_of_the_url() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    api.json(Method::POST, DEPLOYMENTS, &deployment(1)).await;
    let path = format!("{DEPLOYMENTS}/web/scale");
    for (metadata, code) in [
        (json!({"name": "web"}), 200),
        (json!({"name": "other"}), 400),
        (json!({"name": "web", "namespace": "other"}), 400),
        (json!({"name": "web", "uid": "another"}), 409),
        (json!({"name": "web", "resourceVersion": "1"}), 409),
    ] {
        let body = json!({"metadata": metadata, "spec": {"replicas": 2}});
        assert_eq!(api.json(Method::PUT, &path, &body).await.0, code, "{metadata}");
    }
    let (_, refused) = api.patch(&path, "application/merge-patch+json", &json!({"metadata": {"uid": "another"}})).await;
    assert_eq!(refused["details"]["kind"], "deployments/scale");
}

#[tokio::test]
async fn many_patches_of_one_scale_all_get_through() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    api.json(Method::POST, DEPLOYMENTS, &deployment(1)).await;
    let patches = (2..26).map(|n| {
        let api = api.clone();
        async move {
            let patch = json!({"spec": {"replicas": n}});
            api.patch(&format!("{DEPLOYMENTS}/web/scale"), "application/merge-patch+json", &patch).await.0
        }
    });
    let codes = futures::future::join_all(patches).await;
    assert!(codes.iter().all(|code| *code == 200), "{codes:?}");
}

#[tokio::test]
async fn metadata_and_discovery_are_given_in_protobuf_and_tables_are_not() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    api.json(Method::POST, CONFIG_MAPS, &json!({"metadata": {"name": "a"}, "data": {"k": "a-long-value"}})).await;
    let read = |path: String, accept: &'static str| {
        let api = api.clone();
        async move {
            let answer = api.raw(RawRequest { accept, ..RawRequest::get(path) }).await;
            (answer.status.as_u16(), answer.body)
        }
    };
    let contains = |body: &Bytes, text: &str| body.windows(text.len()).any(|window| window == text.as_bytes());
    let partial = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
    let (code, body) = read(format!("{CONFIG_MAPS}/a"), partial).await;
    assert_eq!((code, body.starts_with(b"k8s\0")), (200, true));
    assert!(contains(&body, "PartialObjectMetadata") && contains(&body, "a") && !contains(&body, "a-long-value"));
    let list = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    let (code, body) = read(CONFIG_MAPS.into(), list).await;
    assert!(code == 200 && contains(&body, "PartialObjectMetadataList") && !contains(&body, "a-long-value"));
    for path in ["/api", "/apis", "/apis/apps", "/apis/apps/v1", "/api/v1"] {
        let (code, body) = read(path.into(), PROTOBUF).await;
        assert_eq!((code, body.starts_with(b"k8s\0")), (200, true), "{path}");
    }
    let table = "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io";
    assert_eq!(read(CONFIG_MAPS.into(), table).await.0, 406);
}

#[tokio::test]
async fn deprecated_kinds_warn_in_every_answer() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    for (path, code) in [
        ("/api/v1/namespaces/default/endpoints", 200),
        ("/api/v1/namespaces/default/endpoints/none", 404),
        ("/api/v1/componentstatuses", 200),
    ] {
        let answer = api.raw(RawRequest::get(path)).await;
        assert_eq!(answer.status.as_u16(), code, "{path}");
        assert!(answer.headers.contains_key("warning"), "{path}");
    }
}

#[tokio::test]
async fn what_a_client_may_not_state_of_a_new_object_is_neither_kept_nor_owned() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let sent = json!({"metadata": {"name": "a", "uid": "mine", "generation": 7, "creationTimestamp": "2001-01-01T00:00:00Z",
        "deletionTimestamp": "2001-01-01T00:00:00Z", "resourceVersion": "0"}, "data": {"k": "v"}});
    let (code, made) = api.json(Method::POST, CONFIG_MAPS, &sent).await;
    let metadata = &made["metadata"];
    assert_eq!((code, metadata.get("deletionTimestamp")), (201, None));
    assert_ne!(
        (&metadata["uid"], &metadata["creationTimestamp"]),
        (&sent["metadata"]["uid"], &json!("2001-01-01T00:00:00Z"))
    );
    assert_eq!(metadata["generation"], 7, "where nothing counts, the client's word stands");
    let owned = &metadata["managedFields"][0]["fieldsV1"];
    assert_eq!(owned, &json!({"f:data": {".": {}, "f:k": {}}}));
}

#[tokio::test]
async fn limit_ranges_without_a_name_get_one() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let path = "/api/v1/namespaces/default/limitranges";
    let (code, made) = api.json(Method::POST, path, &json!({"spec": {"limits": []}})).await;
    let name = made["metadata"]["name"].as_str().unwrap();
    assert_eq!((code, name.len()), (201, 36), "{name} is a random uid");
    assert_eq!(api.get(&format!("{path}/{name}")).await.0, 200);
}

#[tokio::test]
async fn answers_about_events_name_the_group_that_was_asked() {
    let server = TestServer::memory().await;
    let (code, status) = server.admin_api().get("/apis/events.k8s.io/v1/namespaces/default/events/none").await;
    let details = &status["details"];
    assert_eq!((code, &details["group"], &details["kind"]), (404, &json!("events.k8s.io"), &json!("events")));
}

#[tokio::test]
async fn a_held_deletion_that_asks_to_cascade_is_accepted_only() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    for (name, options, code) in
        [("a", json!({"orphanDependents": false}), 202), ("b", json!({"propagationPolicy": "Background"}), 200)]
    {
        let held = json!({"metadata": {"name": name, "finalizers": ["example.com/held"]}});
        api.json(Method::POST, CONFIG_MAPS, &held).await;
        let (answered, object) = api.json(Method::DELETE, &format!("{CONFIG_MAPS}/{name}"), &options).await;
        assert_eq!((answered, &object["kind"]), (code, &json!("ConfigMap")), "{options}");
    }
}

#[tokio::test]
async fn a_deletion_in_the_query_takes_a_uid_and_a_version_as_its_conditions() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let (_, made) = api.json(Method::POST, CONFIG_MAPS, &json!({"metadata": {"name": "a"}})).await;
    let delete = |condition: &str| {
        let (api, path) = (api.clone(), format!("{CONFIG_MAPS}/a?{condition}"));
        async move { api.send(Method::DELETE, &path, None, Bytes::new()).await.0 }
    };
    assert_eq!(delete("uid=another").await, 409);
    assert_eq!(delete("resourceVersion=1").await, 409);
    let uid = made["metadata"]["uid"].as_str().unwrap();
    assert_eq!(delete(&format!("uid={uid}")).await, 200);
}
