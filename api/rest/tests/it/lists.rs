//! Pages, the tokens between them, and what is left of a list when its time is over.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gantry_storage::Shard;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Api, TestServer};

const SECRETS: &str = "/api/v1/namespaces/default/secrets";
const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles";

async fn create(api: &Api, collection: &str, name: &str, stage: &str) {
    let object = json!({"metadata": {"name": name, "labels": {"stage": stage}}});
    assert_eq!(api.json(Method::POST, collection, &object).await.0, 201, "{name}");
}

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

fn token(list: &Value) -> Option<&str> {
    list["metadata"]["continue"].as_str()
}

fn forged(revision: i64, start: &str) -> String {
    URL_SAFE_NO_PAD.encode(json!({"v": "meta.k8s.io/v1", "rv": revision, "start": start}).to_string())
}

#[tokio::test]
async fn an_expired_page_says_how_to_go_on_with_what_is_there_now() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    for name in ["ant", "bee", "cat", "dog", "eel"] {
        create(&api, SECRETS, name, "x").await;
    }
    let (_, first) = api.get(&format!("{SECRETS}?limit=2")).await;
    assert_eq!((names(&first), &first["metadata"]["remainingItemCount"]), (vec!["ant", "bee"], &json!(3)));
    api.send(Method::DELETE, &format!("{SECRETS}/cat"), None, "".into()).await;
    create(&api, SECRETS, "cow", "x").await;
    server.cache.forget(Shard::Durable, server.cache.applied(Shard::Durable));
    let (code, expired) = api.get(&format!("{SECRETS}?limit=2&continue={}", token(&first).unwrap())).await;
    assert_eq!((code, &expired["reason"]), (410, &json!("Expired")));
    let inconsistent = token(&expired).unwrap();
    let (code, second) = api.get(&format!("{SECRETS}?limit=2&continue={inconsistent}")).await;
    assert_eq!((code, names(&second)), (200, vec!["cow", "dog"]));
    assert_eq!(second["metadata"]["remainingItemCount"], 1);
    let (_, last) = api.get(&format!("{SECRETS}?limit=2&continue={}", token(&second).unwrap())).await;
    assert_eq!((names(&last), token(&last)), (vec!["eel"], None));
    assert_eq!(last["metadata"]["resourceVersion"], second["metadata"]["resourceVersion"]);
}

#[tokio::test]
async fn a_token_means_the_same_place_in_whatever_list_it_is_used_on() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    for name in ["ant", "bee", "cat"] {
        create(&api, ROLES, name, "x").await;
        create(&api, SECRETS, name, "x").await;
    }
    let (_, page) = api.get(&format!("{ROLES}?limit=1")).await;
    let (code, others) = api.get(&format!("{SECRETS}?continue={}", token(&page).unwrap())).await;
    assert_eq!((code, names(&others)), (200, vec!["bee", "cat"]));
    let everywhere = "/apis/rbac.authorization.k8s.io/v1/roles?labelSelector=stage";
    for (start, expected) in [("default/bee", vec!["bee", "cat"]), ("default/bee\0", vec!["cat"]), ("z", vec![])] {
        let (code, rest) = api.get(&format!("{everywhere}&continue={}", forged(-1, start))).await;
        assert_eq!((code, names(&rest)), (200, expected), "{start}");
    }
    for bad in [forged(0, "a"), forged(-1, ""), forged(-1, "../secrets"), forged(-1, "a//b"), "x".into()] {
        assert_eq!(api.get(&format!("{ROLES}?continue={bad}")).await.0, 400, "{bad}");
    }
}

#[tokio::test]
async fn a_page_that_a_selector_fills_has_a_next_one_while_anything_stands_behind_it() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    for (name, stage) in [("ant", "old"), ("bee", "new"), ("cat", "old")] {
        create(&api, ROLES, name, stage).await;
    }
    let selected = format!("{ROLES}?labelSelector=stage%3Dnew&limit=1");
    let (_, first) = api.get(&selected).await;
    assert_eq!((names(&first), first["metadata"].get("remainingItemCount")), (vec!["bee"], None));
    let (_, second) = api.get(&format!("{selected}&continue={}", token(&first).unwrap())).await;
    assert_eq!((names(&second), token(&second)), (vec![], None));
    let (_, repeated) = api.get(&format!("{ROLES}?fieldSelector=metadata.namespace%3Ddefault&limit=1")).await;
    assert_eq!((names(&repeated), repeated["metadata"].get("remainingItemCount")), (vec!["ant"], None));
}

#[tokio::test]
async fn who_takes_any_version_gets_all_that_is_left_in_one_piece() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    for name in ["ant", "bee", "cat", "dog"] {
        create(&api, ROLES, name, "x").await;
    }
    let (_, first) = api.get(&format!("{ROLES}?limit=1")).await;
    let rest = format!("{ROLES}?limit=1&resourceVersion=0&continue={}", token(&first).unwrap());
    let (_, rest) = api.get(&rest).await;
    assert_eq!((names(&rest), token(&rest)), (vec!["bee", "cat", "dog"], None));
    let (_, all) = api.get(&format!("{ROLES}?limit=2&resourceVersion=0")).await;
    assert_eq!((names(&all).len(), token(&all)), (4, None));
}

#[tokio::test]
async fn a_version_with_a_limit_means_that_very_version_unless_a_single_object_is_named() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    create(&api, ROLES, "ant", "x").await;
    create(&api, ROLES, "bee", "x").await;
    server.cache.forget(Shard::Durable, server.cache.applied(Shard::Durable));
    assert_eq!(api.get(&format!("{ROLES}?resourceVersion=1&limit=1")).await.0, 410);
    let (code, one) = api.get(&format!("{ROLES}?resourceVersion=1&limit=1&fieldSelector=metadata.name%3Dbee")).await;
    assert_eq!((code, names(&one)), (200, vec!["bee"]));
}

#[tokio::test]
async fn metadata_of_no_objects_is_null_and_a_table_of_none_has_no_rows() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let partial = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    let (_, none) = api.get_as(ROLES, partial).await;
    assert_eq!((&none["kind"], &none["items"]), (&json!("PartialObjectMetadataList"), &Value::Null));
    let (_, none) = api.get_as(SECRETS, "application/json;as=Table;v=v1;g=meta.k8s.io").await;
    assert_eq!(none["rows"], json!([]));
    assert_eq!(api.get(ROLES).await.1["items"], json!([]));
}
