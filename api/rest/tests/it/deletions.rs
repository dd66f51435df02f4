//! How objects go: at once, after a time, or once nothing holds them.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Api, TestServer};

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const PODS: &str = "/api/v1/namespaces/default/pods";
const MERGE: &str = "application/merge-patch+json";

async fn running_pod(api: &Api, name: &str, finalizers: Value) {
    let account = json!({"metadata": {"name": "default"}});
    api.json(Method::POST, "/api/v1/namespaces/default/serviceaccounts", &account).await;
    let pod = json!({"metadata": {"name": name, "finalizers": finalizers},
        "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}});
    assert_eq!(api.json(Method::POST, PODS, &pod).await.0, 201);
}

async fn delete(api: &Api, path: &str, options: Value) -> (u16, Value) {
    api.json(Method::DELETE, path, &options).await
}

#[tokio::test]
async fn a_deletion_under_way_is_shortened_and_not_otherwise_changed() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    running_pod(&api, "p", Value::Null).await;
    let path = format!("{PODS}/p");
    let (_, began) = delete(&api, &path, json!({"gracePeriodSeconds": 60})).await;
    let (_, longer) = delete(&api, &path, json!({"gracePeriodSeconds": 90, "propagationPolicy": "Foreground"})).await;
    assert_eq!(longer["metadata"], began["metadata"], "neither longer nor with other finalizers");
    let status = json!({"status": {"phase": "Succeeded"}});
    api.patch(&format!("{path}/status"), MERGE, &status).await;
    let (_, ended) = delete(&api, &path, json!({"gracePeriodSeconds": 100})).await;
    assert_eq!(ended["metadata"]["deletionGracePeriodSeconds"], 60, "that it has ended changes nothing either");
    let (_, shorter) = delete(&api, &path, json!({"gracePeriodSeconds": 20})).await;
    let end = |pod: &Value| pod["metadata"]["deletionTimestamp"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(end(&began).as_second() - end(&shorter).as_second(), 40, "counted from when it began");
    assert_eq!(
        delete(&api, &path, json!({"gracePeriodSeconds": -5})).await.1["metadata"]["deletionGracePeriodSeconds"],
        1
    );
    assert_eq!(delete(&api, &path, json!({"gracePeriodSeconds": 0})).await.0, 200);
    assert_eq!(api.get(&path).await.0, 404);
}

#[tokio::test]
async fn a_deletion_that_has_begun_keeps_its_time_whatever_an_update_says() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let held = json!({"metadata": {"name": "a", "finalizers": ["example.com/held"]}});
    api.json(Method::POST, CONFIG_MAPS, &held).await;
    let path = format!("{CONFIG_MAPS}/a");
    let other = json!({"metadata": {"deletionTimestamp": "2001-02-03T04:05:06Z"}});
    assert_eq!(api.patch(&path, MERGE, &other).await.0, 422, "no update begins one");
    let (_, began) = delete(&api, &path, json!({})).await;
    let (code, patched) = api.patch(&path, MERGE, &other).await;
    assert_eq!((code, &patched["metadata"]["deletionTimestamp"]), (200, &began["metadata"]["deletionTimestamp"]));
}

#[tokio::test]
async fn finalizers_of_a_policy_stand_where_they_were() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let held = json!({"metadata": {"name": "a", "finalizers": ["orphan", "example.com/held"]}});
    api.json(Method::POST, CONFIG_MAPS, &held).await;
    let path = format!("{CONFIG_MAPS}/a");
    let (_, same) = delete(&api, &path, json!({"propagationPolicy": "Orphan"})).await;
    assert_eq!(same["metadata"]["finalizers"], json!(["orphan", "example.com/held"]));
    let (_, other) = delete(&api, &path, json!({"propagationPolicy": "Foreground"})).await;
    assert_eq!(other["metadata"]["finalizers"], json!(["example.com/held", "foregroundDeletion"]));
}

#[tokio::test]
async fn nothing_depends_on_an_event_and_the_last_state_is_the_stored_one() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let events = "/api/v1/namespaces/default/events";
    let event =
        json!({"metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"}});
    assert_eq!(api.json(Method::POST, events, &event).await.0, 201);
    let (code, gone) = delete(&api, &format!("{events}/e"), json!({"propagationPolicy": "Foreground"})).await;
    assert_eq!((code, &gone["kind"]), (200, &json!("Status")));
    let classes = "/apis/storage.k8s.io/v1/storageclasses";
    let class =
        json!({"metadata": {"name": "c", "finalizers": ["foregroundDeletion"]}, "provisioner": "example.com/p"});
    api.json(Method::POST, classes, &class).await;
    let (_, last) = delete(&api, &format!("{classes}/c"), json!({"propagationPolicy": "Background"})).await;
    assert_eq!(last["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    assert_eq!(api.get(&format!("{classes}/c")).await.0, 404);
}

#[tokio::test]
async fn a_name_that_is_taken_may_be_tried_again_where_names_are_generated() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let map = json!({"metadata": {"name": "a", "generateName": "a-"}});
    assert_eq!(api.json(Method::POST, CONFIG_MAPS, &map).await.0, 201);
    let (code, taken) = api.json(Method::POST, CONFIG_MAPS, &map).await;
    assert_eq!((code, &taken["details"]["retryAfterSeconds"]), (409, &json!(1)));
    let (code, taken) = api.json(Method::POST, CONFIG_MAPS, &json!({"metadata": {"name": "a"}})).await;
    assert_eq!((code, &taken["details"]["retryAfterSeconds"]), (409, &Value::Null));
}

#[tokio::test]
async fn what_needs_a_version_needs_it_in_a_patch_too() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let hooks = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
    assert_eq!(api.json(Method::POST, hooks, &json!({"metadata": {"name": "h"}})).await.0, 201);
    let path = format!("{hooks}/h");
    for version in [json!("0"), Value::Null] {
        let patch = json!({"metadata": {"resourceVersion": version, "labels": {"a": "b"}}});
        let (code, refused) = api.patch(&path, MERGE, &patch).await;
        assert_eq!((code, &refused["details"]["causes"][0]["field"]), (422, &json!("metadata.resourceVersion")));
    }
    assert_eq!(api.patch(&path, MERGE, &json!({"metadata": {"labels": {"a": "b"}}})).await.0, 200);
}

#[tokio::test]
async fn who_makes_from_a_template_is_never_without_labels() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let controllers = "/api/v1/namespaces/default/replicationcontrollers";
    let controller = json!({"metadata": {"name": "r"}, "spec": {"selector": {"app": "x"},
        "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    api.json(Method::POST, controllers, &controller).await;
    let bare = json!({"metadata": {"name": "r"}});
    let (code, updated) = api.json(Method::PUT, &format!("{controllers}/r/status"), &bare).await;
    assert_eq!((code, &updated["metadata"]["labels"]), (200, &json!({"app": "x"})));
}

#[tokio::test]
async fn a_scale_applied_without_replicas_is_one_of_none() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let sets = "/apis/apps/v1/namespaces/default/replicasets";
    let set = json!({"metadata": {"name": "s"}, "spec": {"selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    api.json(Method::POST, sets, &set).await;
    let scale =
        |spec: Value| json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "s"}, "spec": spec});
    let path = format!("{sets}/s/scale?fieldManager=m&force=true");
    let apply = "application/apply-patch+yaml";
    assert_eq!(api.patch(&path, apply, &scale(json!({"replicas": 3}))).await.1["spec"]["replicas"], 3);
    assert_eq!(api.patch(&path, apply, &scale(json!({}))).await.1["spec"], json!({}));
}

#[tokio::test]
async fn posts_look_at_their_own_body_before_what_they_are_about() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    api.json(Method::POST, accounts, &json!({"metadata": {"name": "sa"}})).await;
    running_pod(&api, "p", Value::Null).await;
    let review = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let asked = json!({"user": "jane", "nonResourceAttributes": {"path": "/x", "verb": "get"}});
    for (path, body, code) in [
        (format!("{accounts}/none/token"), json!({"metadata": {"name": "sa"}}), 422),
        (format!("{accounts}/sa/token"), json!({"metadata": {"uid": "another"}}), 409),
        (format!("{accounts}/sa/token"), json!({"spec": {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1"}}}), 400),
        ("/api/v1/namespaces/default/bindings".into(), json!({"target": {"kind": "Node", "name": "n"}}), 400),
        (review.into(), json!({"metadata": {"namespace": "default"}, "spec": asked}), 201),
        (format!("{PODS}/p/eviction"), json!({"metadata": {"name": "p"}, "deleteOptions": {"kind": "Odd"}}), 201),
    ] {
        assert_eq!(api.json(Method::POST, &path, &body).await.0, code, "{path} {body}");
    }
    for (path, code) in [
        (format!("{PODS}/none/log?tailLines=-1"), 422),
        (format!("{PODS}/none/portforward?ports=web"), 400),
        (format!("{PODS}/none/log"), 404),
    ] {
        assert_eq!(api.get(&path).await.0, code, "{path}");
    }
}
