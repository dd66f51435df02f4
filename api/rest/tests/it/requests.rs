//! The REST door over TLS, as any client sees it.

use bytes::Bytes;
use futures::StreamExt as _;
use gantry_client::RawRequest;
use http::Method;
use serde_json::{Value, json};

use crate::support::TestServer;

fn config_map(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test]
async fn an_object_is_created_read_changed_and_deleted() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let (code, created) = api.json(Method::POST, CONFIG_MAPS, &config_map("a", &json!({"k": "v"}))).await;
    assert_eq!((code, &created["data"]["k"]), (201, &json!("v")));
    let path = format!("{CONFIG_MAPS}/a");
    let (_, read) = api.get(&path).await;
    assert_eq!(read, created);
    let (code, patched) = api.patch(&path, "application/merge-patch+json", &json!({"data": {"k": "w"}})).await;
    assert_eq!((code, &patched["data"]["k"]), (200, &json!("w")));
    assert_ne!(patched["metadata"]["resourceVersion"], created["metadata"]["resourceVersion"]);
    let (code, stale) = api.json(Method::PUT, &path, &created).await;
    assert_eq!((code, &stale["reason"]), (409, &json!("Conflict")));
    let (code, status) = api.send(Method::DELETE, &path, None, Bytes::new()).await;
    assert_eq!((code, &status["status"]), (200, &json!("Success")));
    assert!(status.get("code").is_none(), "a plain success says no code");
    assert_eq!(api.get(&path).await.0, 404);
}

#[tokio::test]
async fn a_write_that_changes_nothing_keeps_the_version() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let (_, created) = api.json(Method::POST, CONFIG_MAPS, &config_map("a", &json!({"k": "v"}))).await;
    let path = format!("{CONFIG_MAPS}/a");
    let (_, patched) = api.patch(&path, "application/merge-patch+json", &json!({"data": {"k": "v"}})).await;
    assert_eq!(patched["metadata"]["resourceVersion"], created["metadata"]["resourceVersion"]);
}

#[tokio::test]
async fn many_writers_of_one_object_all_get_through() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    api.json(Method::POST, CONFIG_MAPS, &config_map("a", &json!({}))).await;
    let path = format!("{CONFIG_MAPS}/a");
    let writes = (0..24).map(|n| {
        let (api, path) = (api.clone(), path.clone());
        async move { api.patch(&path, "application/merge-patch+json", &json!({"data": {format!("k{n}"): "v"}})).await.0 }
    });
    let codes: Vec<u16> = futures::future::join_all(writes).await;
    assert!(codes.iter().all(|code| *code == 200), "{codes:?}");
    let (_, read) = api.get(&path).await;
    assert_eq!(read["data"].as_object().unwrap().len(), 24);
}

#[tokio::test]
async fn pages_of_a_list_show_one_state_whatever_happens_between_them() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    for name in ["a", "b", "c"] {
        api.json(Method::POST, CONFIG_MAPS, &config_map(name, &json!({}))).await;
    }
    let labels = "limit=1&fieldSelector=metadata.name!%3Dkube-root-ca.crt";
    let (_, first) = api.get(&format!("{CONFIG_MAPS}?{labels}")).await;
    api.send(Method::DELETE, &format!("{CONFIG_MAPS}/b"), None, Bytes::new()).await;
    let token = first["metadata"]["continue"].as_str().unwrap();
    let (_, second) = api.get(&format!("{CONFIG_MAPS}?limit=9&continue={token}")).await;
    let names: Vec<_> = second["items"].as_array().unwrap().iter().map(|item| &item["metadata"]["name"]).collect();
    assert_eq!(names, ["b", "c"]);
    assert_eq!(api.get(&format!("{CONFIG_MAPS}?continue=forged")).await.0, 400);
}

#[tokio::test]
async fn a_watch_begins_with_what_is_there_and_follows_changes_in_order() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    api.json(Method::POST, CONFIG_MAPS, &config_map("a", &json!({}))).await;
    let mut events = api.watch(&format!("{CONFIG_MAPS}?watch=1&allowWatchBookmarks=true&timeoutSeconds=60")).await;
    assert_eq!(events.next_named("a").await, "ADDED");
    api.patch(&format!("{CONFIG_MAPS}/a"), "application/merge-patch+json", &json!({"data": {"k": "v"}})).await;
    assert_eq!(events.next_named("a").await, "MODIFIED");
    api.send(Method::DELETE, &format!("{CONFIG_MAPS}/a"), None, Bytes::new()).await;
    assert_eq!(events.next_named("a").await, "DELETED");
}

#[tokio::test]
async fn watches_end_when_the_server_is_asked_to() {
    let server = TestServer::memory().await;
    let mut body = server.admin_api().stream(&format!("{CONFIG_MAPS}?watch=1&resourceVersion=1")).await;
    server.shutdown.cancel();
    while body.next().await.is_some_and(|chunk| chunk.is_ok()) {}
    server.handle.ended().await.unwrap();
}

#[tokio::test]
async fn who_may_not_ask_learns_nothing_else() {
    let server = TestServer::memory().await;
    let nobody = server.anonymous_api();
    for (method, path) in [
        (Method::GET, "/api/v1/namespaces/default/secrets"),
        (Method::GET, "/api/v1/namespaces/default/secrets?limit=nonsense"),
        (Method::GET, "/apis/none.example.com/v1/things"),
        (Method::POST, "/api/v1/namespaces/none/configmaps"),
        (Method::GET, "/metrics"),
    ] {
        let (code, status) = nobody.send(method, path, Some("application/json"), Bytes::from_static(b"{{{")).await;
        assert_eq!((code, &status["reason"]), (403, &json!("Forbidden")), "{path}");
    }
    assert_eq!(nobody.get("/version").await.0, 200);
}

#[tokio::test]
async fn bad_bodies_and_options_get_the_answer_that_clients_know() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let json_type = Some("application/json");
    for (content_type, body, code) in [
        (json_type, Bytes::from_static(b"{\"metadata\": {}"), 400),
        (json_type, Bytes::from_static(b"[]"), 400),
        (
            json_type,
            Bytes::from_static(b"{\"kind\":\"Secret\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\"}}"),
            400,
        ),
        (json_type, Bytes::from_static(b"{\"metadata\":{\"name\":\"Not Valid\"}}"), 422),
        (Some("text/plain"), Bytes::from_static(b"x"), 415),
        (Some("application/vnd.kubernetes.protobuf"), Bytes::from_static(b"k8s\0\x12\x7f"), 400),
        (json_type, Bytes::from(vec![b' '; (3 << 20) + 1]), 413),
        (json_type, Bytes::from("{\"metadata\":{\"name\":\"a\"},\"x\":".to_owned() + &"[".repeat(20_000)), 400),
    ] {
        let (answered, _) = api.send(Method::POST, CONFIG_MAPS, content_type, body.clone()).await;
        assert_eq!(answered, code, "{content_type:?} {:?}", body.get(..60));
    }
    assert_eq!(api.get(&format!("{CONFIG_MAPS}?labelSelector=a+in+b")).await.0, 400);
    assert_eq!(api.get(&format!("{CONFIG_MAPS}?fieldSelector=data.a%3Db")).await.0, 400);
    assert_eq!(api.get(&format!("{CONFIG_MAPS}?resourceVersion=99999999999")).await.0, 504);
}

#[tokio::test]
async fn a_large_list_is_compressed_for_who_takes_it_and_streamed_for_others() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let data = json!({"x": "y".repeat(100_000)});
    for n in 0..15 {
        api.json(Method::POST, CONFIG_MAPS, &config_map(&format!("big-{n}"), &data)).await;
    }
    let (_, list) = api.get(CONFIG_MAPS).await;
    let big = list["items"].as_array().unwrap().iter().filter(|i| i["data"]["x"].is_string()).count();
    assert_eq!(big, 15);
    let client = server.http1();
    let packed = client.exchange(&format!("GET {CONFIG_MAPS} HTTP/1.1\r\nAccept-Encoding: gzip\r\n")).await;
    let head = String::from_utf8_lossy(&packed[..packed.len().min(1000)]).to_lowercase();
    assert!(head.contains("content-encoding: gzip"), "{head}");
    assert!(packed.len() < 100_000, "{} bytes", packed.len());
}

#[tokio::test]
async fn tables_and_metadata_are_views_of_the_same_objects() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    api.json(Method::POST, CONFIG_MAPS, &config_map("a", &json!({"k": "v"}))).await;
    let table = api.get_as(CONFIG_MAPS, "application/json;as=Table;v=v1;g=meta.k8s.io").await;
    assert_eq!((table.0, &table.1["kind"]), (200, &json!("Table")));
    let partial = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
    let (_, metadata) = api.get_as(&format!("{CONFIG_MAPS}/a"), partial).await;
    assert_eq!((&metadata["kind"], metadata.get("data")), (&json!("PartialObjectMetadata"), None));
    assert_eq!(api.get_as(CONFIG_MAPS, "text/html").await.0, 406);
}

#[tokio::test]
async fn tables_of_every_version_show_the_same_cells() {
    const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let of = |version: &str| format!("/apis/autoscaling/{version}/namespaces/default/horizontalpodautoscalers");
    let queue = json!({"type": "External", "external": {"metric": {"name": "queue"}, "target": {"type": "Value", "value": "30"}}});
    let scaler = json!({"metadata": {"name": "scaler"}, "spec": {"maxReplicas": 4, "metrics": [queue],
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "worker"}}});
    api.json(Method::POST, &of("v2"), &scaler).await;
    let (_, newer) = api.get_as(&of("v2"), TABLE).await;
    let (_, older) = api.get_as(&format!("{}?includeObject=Object", of("v1")), TABLE).await;
    assert_eq!(newer["rows"][0]["cells"][2], "<unknown>/30");
    assert_eq!(older["rows"][0]["cells"].as_array().unwrap()[..5], newer["rows"][0]["cells"].as_array().unwrap()[..5]);
    assert_eq!(older["rows"][0]["object"]["apiVersion"], "autoscaling/v1");
    let events = |group: &str| format!("{group}/namespaces/default/events");
    let event = json!({"metadata": {"name": "done"}, "regarding": {"kind": "Job", "name": "nightly", "namespace": "default"},
        "eventTime": "2026-01-02T03:04:05.000000Z", "action": "Run", "reason": "Done", "type": "Normal", "note": " all well ",
        "reportingController": "example.com/jobs", "reportingInstance": "jobs-1"});
    api.json(Method::POST, &events("/apis/events.k8s.io/v1"), &event).await;
    for group in ["/api/v1", "/apis/events.k8s.io/v1"] {
        let (_, table) = api.get_as(&events(group), TABLE).await;
        let cells = table["rows"][0]["cells"].as_array().unwrap();
        assert_eq!(
            cells[1..7].to_vec(),
            ["Normal", "Done", "job/nightly", "", "example.com/jobs, jobs-1", "all well"],
            "{group}"
        );
    }
}

#[tokio::test]
async fn services_get_different_addresses_and_a_taken_port_is_refused() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let path = "/api/v1/namespaces/default/services";
    let service = |name: &str, port: Option<u32>| {
        let mut ports = json!([{"port": 80}]);
        if let Some(port) = port {
            ports[0]["nodePort"] = port.into();
        }
        json!({"metadata": {"name": name}, "spec": {"type": "NodePort", "ports": ports, "selector": {"a": "b"}}})
    };
    let (code, one) = api.json(Method::POST, path, &service("one", None)).await;
    let (_, two) = api.json(Method::POST, path, &service("two", None)).await;
    assert_eq!(code, 201, "{one}");
    assert_ne!(one["spec"]["clusterIP"], two["spec"]["clusterIP"]);
    let taken = one["spec"]["ports"][0]["nodePort"].as_u64().unwrap();
    let (code, refused) = api.json(Method::POST, path, &service("three", Some(taken as u32))).await;
    assert_eq!((code, &refused["details"]["causes"][0]["field"]), (422, &json!("spec.ports[0].nodePort")));
    api.send(Method::DELETE, &format!("{path}/one"), None, Bytes::new()).await;
    let (code, _) = api.json(Method::POST, path, &service("three", Some(taken as u32))).await;
    assert_eq!(code, 201, "what a deleted service had is free again");
}

#[tokio::test]
async fn documents_are_served_for_tools_and_people() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let version = api.get("/version").await.1;
    assert_eq!(version["gitVersion"], "v1.36.2+gantry");
    let (code, groups) = api.get("/apis").await;
    assert_eq!((code, &groups["kind"]), (200, &json!("APIGroupList")));
    let (code, spec) = api.get("/openapi/v3/apis/apps/v1").await;
    assert_eq!((code, &spec["openapi"]), (200, &json!("3.0.0")));
    let page = api.raw(RawRequest { accept: "text/html", ..RawRequest::get("/docs/") }).await;
    assert_eq!(page.status, 200);
    let page = String::from_utf8_lossy(&page.body);
    assert!(page.contains("swagger-ui") && !page.contains("://"), "all parts come from here: {page}");
    let settings = api.raw(RawRequest { accept: "*/*", ..RawRequest::get("/docs/swagger-initializer.js") }).await;
    assert!(String::from_utf8_lossy(&settings.body).contains("\"validatorUrl\": \"none\""));
    let metrics = api.raw(RawRequest { accept: "*/*", ..RawRequest::get("/metrics") }).await;
    assert!(String::from_utf8_lossy(&metrics.body).contains("apiserver_request_total"));
}
