//! Paths and options as clients write them, well or badly.

use gantry_client::RawRequest;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Api, TestServer};

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const MERGE: &str = "application/merge-patch+json";

async fn codes(api: &Api, method: Method, paths: &[(&str, u16)]) {
    for (path, code) in paths {
        let answer = api.raw(RawRequest { method: method.clone(), accept: "*/*", ..RawRequest::get(*path) }).await;
        assert_eq!(answer.status.as_u16(), *code, "{method} {path}");
    }
}

#[tokio::test]
async fn escapes_and_slashes_are_read_before_what_a_path_names() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    api.json(Method::POST, CONFIG_MAPS, &json!({"metadata": {"name": "a"}})).await;
    let paths = [
        ("/api/v1/namespaces/default%2Fconfigmaps/%61", 200),
        ("/api/v1/namespaces/default/configmaps/a//", 200),
        ("/api/v1//", 200),
        ("/apis%2Fapps/v1", 200),
        ("/api/v1/namespaces//configmaps", 200),
        ("/api/v1/namespaces//configmaps/a", 400),
        ("/api/v1/namespaces/default/configmaps/%2e%2e", 400),
        ("/api/v1/namespaces/default/configmaps/a%25b", 400),
        ("/api/v1/namespaces/default/configmaps/a%2Fb", 404),
        ("/api/v1/namespaces/default//configmaps/a", 404),
        ("/api/v1/nodes/n/status/more", 404),
        ("/apis//apps", 404),
    ];
    codes(&api, Method::GET, &paths).await;
    let nowhere = "/api/v1/namespaces//configmaps";
    let (code, refused) = api.json(Method::POST, nowhere, &json!({"metadata": {"name": "b"}})).await;
    assert_eq!((code, &refused["details"]["causes"][0]["field"]), (422, &json!("metadata.namespace")));
    codes(&api, Method::DELETE, &[(nowhere, 400)]).await;
}

#[tokio::test]
async fn a_path_with_half_an_escape_is_refused_whoever_asks() {
    let server = TestServer::memory().await;
    for path in ["/api/v1/nodes/%", "/version%4", "/apis/%zz"] {
        let answer = server.http1_as_nobody().exchange(&format!("GET {path} HTTP/1.1\r\n")).await;
        let answer = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 400") && answer.contains("text/plain"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn documents_are_given_whatever_the_method_and_objects_are_not() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    for method in [Method::POST, Method::DELETE, Method::HEAD] {
        let given = ["/apis", "/apis/apps", "/openapi/v2", "/openapi/v3", "/livez/ping", "/metrics", "/"];
        codes(&api, method.clone(), &given.map(|path| (path, 200))).await;
        let refused =
            ["/api", "/api/v1", "/apis/apps/v1", "/apis/apiregistration.k8s.io", "/version", "/openid/v1/jwks"];
        codes(&api, method.clone(), &refused.map(|path| (path, 405))).await;
        let unknown =
            ["/apis/none.example.com", "/apis/none.example.com/v1", "/apis/batch/v3", "/api/v7", "/openapi/v3/none"];
        codes(&api, method, &unknown.map(|path| (path, 404))).await;
    }
    codes(&api, Method::HEAD, &[(CONFIG_MAPS, 405)]).await;
}

#[tokio::test]
async fn documents_say_for_how_long_they_may_be_kept_and_plain_refusals_what_they_are() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let header = async |path: &str, name: &str| {
        let answer = api.raw(RawRequest { accept: "*/*", ..RawRequest::get(path) }).await;
        answer.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    };
    for path in ["/openid/v1/jwks", "/.well-known/openid-configuration"] {
        assert_eq!(header(path, "cache-control").await, "public, max-age=3600", "{path}");
    }
    assert_eq!(header("/nothing/here", "x-content-type-options").await, "nosniff");
    let (_, index) = api.get("/openapi/v3").await;
    let hashed = index["paths"]["apis/batch/v1"]["serverRelativeURL"].as_str().unwrap().to_owned();
    assert!(hashed.contains("?hash="), "{hashed}");
    assert!(header(&hashed, "expires").await.ends_with("GMT"));
    assert_eq!(header("/openapi/v3/apis/batch/v1", "expires").await, "");
}

#[tokio::test]
async fn an_option_must_be_one_that_there_is() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    api.json(Method::POST, CONFIG_MAPS, &json!({"metadata": {"name": "a"}})).await;
    for (query, code) in [
        ("dryRun=", 422),
        ("dryRun=All&dryRun=Some", 422),
        ("fieldManager=%E2%80%8B", 422),
        ("fieldManager=%C3%BC", 200),
        ("timeout=5", 400),
        ("timeout=1m30s", 200),
        ("timeout=", 200),
        ("limit=%zz", 200),
    ] {
        let (answered, _) = api.patch(&format!("{CONFIG_MAPS}/a?{query}"), MERGE, &json!({})).await;
        assert_eq!(answered, code, "{query}");
    }
    codes(&api, Method::GET, &[("/version?timeout=soon", 400)]).await;
    let (code, refused) = api.get(&format!("{CONFIG_MAPS}?watch=1&continue=x")).await;
    assert_eq!((code, &refused["details"]["causes"][0]["field"]), (422, &json!("resourceVersionMatch")));
}

#[tokio::test]
async fn an_empty_dry_run_deletes_nothing() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    api.json(Method::POST, CONFIG_MAPS, &json!({"metadata": {"name": "a"}})).await;
    let path = format!("{CONFIG_MAPS}/a");
    assert_eq!(api.json(Method::DELETE, &path, &json!({"dryRun": [""]})).await.0, 422);
    assert_eq!(api.get(&path).await.0, 200);
}

#[tokio::test]
async fn what_is_not_there_has_no_uid_to_be_updated_by() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    let lease = |metadata: Value| json!({"metadata": metadata});
    let another = lease(json!({"name": "a", "uid": "another"}));
    assert_eq!(api.json(Method::PUT, &format!("{leases}/a"), &another).await.0, 409);
    let versioned = lease(json!({"name": "a", "resourceVersion": "5"}));
    assert_eq!(api.json(Method::PUT, &format!("{leases}/a"), &versioned).await.0, 201);
}

#[tokio::test]
async fn a_configuration_of_what_is_in_no_namespace_may_name_one() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let class = |metadata: Value| json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": metadata, "handler": "runc"});
    let path = "/apis/node.k8s.io/v1/runtimeclasses/plain?fieldManager=m";
    let apply = "application/apply-patch+yaml";
    let (code, made) = api.patch(path, apply, &class(json!({"name": "plain", "namespace": "default"}))).await;
    assert_eq!((code, &made["metadata"]["namespace"]), (201, &Value::Null));
    assert_eq!(api.patch(path, apply, &class(json!(3))).await.0, 400, "metadata is an object");
}
