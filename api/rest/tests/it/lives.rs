//! Objects' lives over the wire: what is tried, kept, counted, deleted.

use bytes::Bytes;
use gantry_client::RawRequest;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Api, TestServer};

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const PODS: &str = "/api/v1/namespaces/default/pods";
const APPLY: &str = "application/apply-patch+yaml";
const MERGE: &str = "application/merge-patch+json";

fn deployment(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
}

async fn pod(api: &Api, name: &str, labels: Value) {
    api.json(Method::POST, "/api/v1/namespaces/default/serviceaccounts", &json!({"metadata": {"name": "default"}}))
        .await;
    let pod =
        json!({"metadata": {"name": name, "labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    assert_eq!(api.json(Method::POST, PODS, &pod).await.0, 201);
}

#[tokio::test]
async fn what_is_only_tried_may_state_a_version_and_what_is_made_may_not() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let body = json!({"metadata": {"name": "a", "resourceVersion": "77"}});
    let (code, tried) = api.json(Method::POST, &format!("{CONFIG_MAPS}?dryRun=All"), &body).await;
    assert_eq!((code, &tried["metadata"]["resourceVersion"]), (201, &json!("77")));
    assert_eq!(api.json(Method::POST, CONFIG_MAPS, &body).await.0, 400);
}

#[tokio::test]
async fn an_annotation_of_a_deployment_and_a_label_of_a_slice_count_as_what_is_wanted() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    api.json(Method::POST, DEPLOYMENTS, &deployment("web")).await;
    let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
    let slice = json!({"metadata": {"name": "web"}, "addressType": "IPv4", "endpoints": []});
    api.json(Method::POST, slices, &slice).await;
    let (labels, annotations) =
        (json!({"metadata": {"labels": {"x": "y"}}}), json!({"metadata": {"annotations": {"x": "y"}}}));
    for (collection, patch, generation) in
        [(DEPLOYMENTS, &labels, 1), (DEPLOYMENTS, &annotations, 2), (slices, &annotations, 1), (slices, &labels, 2)]
    {
        let (code, patched) = api.patch(&format!("{collection}/web"), MERGE, patch).await;
        assert_eq!((code, &patched["metadata"]["generation"]), (200, &json!(generation)), "{collection} {patch}");
    }
}

#[tokio::test]
async fn a_status_of_a_priority_level_leaves_its_labels_alone() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let levels = "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations";
    let level = json!({"metadata": {"name": "mine", "labels": {"a": "1"}},
        "spec": {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}}}});
    assert_eq!(api.json(Method::POST, levels, &level).await.0, 201);
    let patch = json!({"metadata": {"labels": {"a": "2"}, "annotations": {"n": "m"}}});
    let (code, patched) = api.patch(&format!("{levels}/mine/status"), MERGE, &patch).await;
    assert_eq!((code, &patched["metadata"]["labels"]), (200, &json!({"a": "1"})));
    assert_eq!(patched["metadata"]["annotations"], Value::Null);
}

#[tokio::test]
async fn an_applied_configuration_names_what_it_makes() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let (nameless, empty) = (json!({"apiVersion": "v1", "kind": "ConfigMap"}), json!({"name": ""}));
    let path = format!("{CONFIG_MAPS}/made?fieldManager=m");
    assert_eq!(api.patch(&path, APPLY, &nameless).await.0, 400);
    api.json(Method::POST, CONFIG_MAPS, &json!({"metadata": {"name": "made"}})).await;
    assert_eq!(api.patch(&path, APPLY, &nameless).await.0, 200, "what is there need not be named again");
    let mut named = nameless.clone();
    named["metadata"] = empty;
    assert_eq!(api.patch(&path, APPLY, &named).await.0, 400);
}

#[tokio::test]
async fn what_is_in_no_namespace_takes_none_from_a_patch() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let classes = "/apis/storage.k8s.io/v1/storageclasses";
    api.json(Method::POST, classes, &json!({"metadata": {"name": "fast"}, "provisioner": "example.com/p"})).await;
    let patch = json!({"metadata": {"namespace": "default", "labels": {"a": "b"}}});
    let (code, patched) = api.patch(&format!("{classes}/fast"), MERGE, &patch).await;
    assert_eq!((code, &patched["metadata"]["namespace"]), (200, &Value::Null));
    api.json(Method::POST, CONFIG_MAPS, &json!({"metadata": {"name": "a"}})).await;
    assert_eq!(api.patch(&format!("{CONFIG_MAPS}/a"), MERGE, &patch).await.0, 200);
    let elsewhere = json!({"metadata": {"namespace": "other"}});
    assert_eq!(api.patch(&format!("{CONFIG_MAPS}/a"), MERGE, &elsewhere).await.0, 400);
}

#[tokio::test]
async fn a_name_twice_in_a_patch_is_warned_about_or_refused() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    api.json(Method::POST, CONFIG_MAPS, &json!({"metadata": {"name": "a"}})).await;
    let request = |query: &str| RawRequest {
        method: Method::PATCH,
        content_type: Some(MERGE),
        body: Bytes::from_static(br#"{"data":{"k":"1","k":"2"}}"#),
        ..RawRequest::get(format!("{CONFIG_MAPS}/a{query}"))
    };
    let warned = api.raw(request("")).await;
    assert_eq!((warned.status.as_u16(), warned.headers.get_all("warning").iter().count()), (200, 1));
    let refused = api.raw(request("?fieldValidation=Strict")).await;
    let status: Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!((refused.status.as_u16(), &status["details"]["causes"][0]["field"]), (422, &json!("patch")));
}

#[tokio::test]
async fn any_version_of_a_list_comes_in_one_piece() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    for name in ["a", "b", "c"] {
        api.json(Method::POST, CONFIG_MAPS, &json!({"metadata": {"name": name}})).await;
    }
    let (_, whole) = api.get(&format!("{CONFIG_MAPS}?limit=1&resourceVersion=0")).await;
    assert!(whole["items"].as_array().unwrap().len() >= 3 && whole["metadata"].get("continue").is_none());
    let (_, first) = api.get(&format!("{CONFIG_MAPS}?limit=1")).await;
    assert_eq!(first["items"].as_array().unwrap().len(), 1);
    let token = first["metadata"]["continue"].as_str().unwrap();
    let (_, rest) = api.get(&format!("{CONFIG_MAPS}?limit=1&resourceVersion=0&continue={token}")).await;
    assert!(rest["items"].as_array().unwrap().len() >= 2 && rest["metadata"].get("continue").is_none(), "{rest}");
}

#[tokio::test]
async fn a_collection_is_deleted_page_by_page_and_says_at_which_version() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    for name in ["a", "b", "c"] {
        api.json(Method::POST, CONFIG_MAPS, &json!({"metadata": {"name": name, "labels": {"go": "yes"}}})).await;
    }
    let selected = format!("{CONFIG_MAPS}?labelSelector=go%3Dyes");
    assert_eq!(api.json(Method::DELETE, &format!("{selected}&continue=nothing"), &json!({})).await.0, 400);
    let (code, gone) = api.json(Method::DELETE, &format!("{selected}&limit=2"), &json!({})).await;
    assert_eq!((code, gone["items"].as_array().unwrap().len()), (200, 2));
    assert!(gone["metadata"]["resourceVersion"].is_string() && gone["metadata"]["continue"].is_string());
    assert_eq!(api.get(&selected).await.1["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_eviction_is_taken_in_its_older_version_too_and_only_about_its_pod() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    pod(&api, "p", json!({})).await;
    let path = format!("{PODS}/p/eviction");
    for (body, code) in [
        (json!({"apiVersion": "policy/v1beta2", "kind": "Eviction", "metadata": {"name": "p"}}), 400),
        (json!({"metadata": {}}), 400),
        (json!({"metadata": {"name": "p", "namespace": "other"}}), 400),
        (json!({"apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": {"name": "p"}}), 201),
    ] {
        assert_eq!(api.json(Method::POST, &path, &body).await.0, code, "{body}");
    }
}

#[tokio::test]
async fn the_last_eviction_that_a_budget_allows_is_noted_in_its_condition() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    pod(&api, "p", json!({"app": "web"})).await;
    api.json(Method::POST, &format!("{PODS}/p/binding"), &json!({"metadata": {"name": "p"}, "target": {"name": "n"}}))
        .await;
    let running = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    api.patch(&format!("{PODS}/p/status"), MERGE, &running).await;
    let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    let budget =
        json!({"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}});
    api.json(Method::POST, budgets, &budget).await;
    let eviction = json!({"metadata": {"name": "p"}});
    let (code, early) = api.json(Method::POST, &format!("{PODS}/p/eviction"), &eviction).await;
    assert_eq!((code, &early["details"]["retryAfterSeconds"]), (429, &json!(10)), "not counted yet");
    let counted = json!({"status": {"observedGeneration": 1, "disruptionsAllowed": 1}});
    api.patch(&format!("{budgets}/b/status"), MERGE, &counted).await;
    assert_eq!(api.json(Method::POST, &format!("{PODS}/p/eviction"), &eviction).await.0, 201);
    let (_, spent) = api.get(&format!("{budgets}/b")).await;
    let condition = &spent["status"]["conditions"][0];
    assert_eq!((&condition["type"], &condition["reason"]), (&json!("DisruptionAllowed"), &json!("InsufficientPods")));
}

#[tokio::test]
async fn grace_and_patience_of_any_length_are_taken() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    pod(&api, "patient", json!({})).await;
    let binding = json!({"metadata": {"name": "patient"}, "target": {"kind": "Node", "name": "n1"}});
    assert_eq!(api.json(Method::POST, &format!("{PODS}/patient/binding"), &binding).await.0, 201);
    let longest = i64::MAX;
    let path = format!("{PODS}/patient?gracePeriodSeconds={longest}");
    let (code, deleted) = api.send(Method::DELETE, &path, None, Bytes::new()).await;
    assert_eq!((code, &deleted["metadata"]["deletionGracePeriodSeconds"]), (200, &json!(longest)));
    assert!(deleted["metadata"]["deletionTimestamp"].as_str().is_some_and(|at| at.starts_with("9999-")), "{deleted}");
    let mut watch = api.watch(&format!("{PODS}?watch=1&timeoutSeconds={longest}")).await;
    assert_eq!(watch.next_named("patient").await, "ADDED");
}
