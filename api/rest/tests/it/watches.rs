//! Watches: what they begin with and end with, very many of them, and clients that read late.

use std::collections::HashSet;

use futures::{StreamExt as _, future::join_all, stream};
use gantry_client::RawRequest;
use gantry_storage::Shard;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Api, TestServer};

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const SECRETS: &str = "/api/v1/namespaces/default/secrets";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
const MERGE: &str = "application/merge-patch+json";

/// All events until the watch ends.
async fn events(api: &Api, path: &str, accept: &'static str) -> Vec<Value> {
    let answer = api.raw(RawRequest { accept, ..RawRequest::get(path) }).await;
    let lines = answer.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

async fn create(api: &Api, collection: &str, name: &str) {
    let object = json!({"metadata": {"name": name, "labels": {"of": "test"}}});
    assert_eq!(api.json(Method::POST, collection, &object).await.0, 201, "{name}");
}

#[tokio::test]
async fn the_last_bookmark_comes_shortly_before_the_end() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    create(&api, LEASES, "a").await;
    let path = format!("{LEASES}?watch=1&allowWatchBookmarks=true&labelSelector=of%3Dnobody");
    let types = |events: &[Value]| -> Vec<(String, bool)> {
        let ends_initials =
            |event: &Value| event["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true";
        events.iter().map(|event| (event["type"].as_str().unwrap().to_owned(), ends_initials(event))).collect()
    };
    let (short, long) = (format!("{path}&timeoutSeconds=1"), format!("{path}&timeoutSeconds=3"));
    let (short, long) = tokio::join!(events(&api, &short, "*/*"), events(&api, &long, "*/*"));
    let bookmark = |ends_initials| ("BOOKMARK".to_owned(), ends_initials);
    assert_eq!(types(&short), [bookmark(true)], "too short for one more");
    assert_eq!(types(&long), [bookmark(true), bookmark(false)]);
}

#[tokio::test]
async fn a_watch_from_before_the_floor_goes_on_where_nothing_of_its_resource_is_forgotten() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    create(&api, SECRETS, "a").await;
    let (_, list) = api.get(SECRETS).await;
    let version = list["metadata"]["resourceVersion"].as_str().unwrap();
    create(&api, CONFIG_MAPS, "other").await;
    let applied = server.cache.applied(Shard::Durable);
    server.cache.forget(Shard::Durable, applied);
    let mut quiet = api.watch(&format!("{SECRETS}?watch=1&resourceVersion={version}")).await;
    create(&api, SECRETS, "b").await;
    assert_eq!(quiet.next_named("b").await, "ADDED");
    let mut busy = api.watch(&format!("{CONFIG_MAPS}?watch=1&resourceVersion={version}")).await;
    let expired = busy.next().await;
    assert_eq!((&expired["type"], &expired["object"]["code"]), (&json!("ERROR"), &json!(410)));
}

#[tokio::test]
async fn a_watch_of_single_objects_as_lists_tells_of_errors_alone() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    create(&api, SECRETS, "a").await;
    server.cache.forget(Shard::Durable, server.cache.applied(Shard::Durable));
    let accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    let of = async |version: &str| events(&api, &format!("{SECRETS}?watch=1&resourceVersion={version}"), accept).await;
    let expired = of("1").await;
    assert_eq!((expired.len(), &expired[0]["object"]["reason"]), (1, &json!("Expired")));
    assert_eq!(of("0").await, Vec::<Value>::new());
}

/// Opens watches over connections of their own, as many on each as servers commonly allow.
async fn open_many(server: &TestServer, watches: usize, path: &str) -> Vec<crate::support::Events> {
    const STREAMS: usize = 100;
    let apis: Vec<Api> = (0..watches.div_ceil(STREAMS)).map(|_| server.admin_api()).collect();
    let opening = (0..watches).map(|nth| {
        let api = apis[nth / STREAMS].clone();
        async move { api.watch(path).await }
    });
    stream::iter(opening).buffer_unordered(64).collect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_watches_of_one_server_all_hear_of_a_change() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    create(&api, LEASES, "a").await;
    let (_, list) = api.get(LEASES).await;
    let version = list["metadata"]["resourceVersion"].as_str().unwrap();
    let mut watches = open_many(&server, 10_000, &format!("{LEASES}?watch=1&resourceVersion={version}")).await;
    api.patch(&format!("{LEASES}/a"), MERGE, &json!({"spec": {"holderIdentity": "me"}})).await;
    let heard = join_all(watches.iter_mut().map(|watch| watch.next())).await;
    let told = |event: &&Value| event["type"] == "MODIFIED" && event["object"]["spec"]["holderIdentity"] == "me";
    assert_eq!(heard.iter().filter(told).count(), 10_000);
}

/// More than a client that does not read lets be sent: it falls behind, and history alone has the rest.
const LARGE_WRITES: usize = 24;
const LARGE_BYTES: usize = 500_000;
const BURST: usize = 1_500;

async fn fill(api: &Api, names: impl Iterator<Item = String>, bytes: usize) {
    let data = "x".repeat(bytes);
    let writes = names.map(|name| {
        let object = json!({"metadata": {"name": name}, "data": {"k": &data}}).to_string();
        async move { api.send(Method::POST, CONFIG_MAPS, Some("application/json"), object.into()).await.0 }
    });
    assert!(stream::iter(writes).buffer_unordered(64).all(|code| async move { code == 201 }).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_whose_client_reads_late_gets_all_of_a_burst_in_order() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let (_, list) = api.get(CONFIG_MAPS).await;
    let mut newest: u64 = list["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    let path = format!("{CONFIG_MAPS}?watch=1&resourceVersion={newest}");
    let mut late = server.admin_api().stream(&path).await;
    fill(&api, (0..LARGE_WRITES).map(|nth| format!("large-{nth}")), LARGE_BYTES).await;
    fill(&api, (0..BURST).map(|nth| format!("small-{nth}")), 1).await;
    let (mut seen, mut line) = (HashSet::new(), Vec::new());
    while seen.len() < LARGE_WRITES + BURST {
        let chunk = late.next().await.expect("the watch goes on").unwrap();
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(piece);
            if !line.ends_with(b"\n") {
                continue;
            }
            let event: Value = serde_json::from_slice(&std::mem::take(&mut line)).unwrap();
            let metadata = &event["object"]["metadata"];
            let revision: u64 = metadata["resourceVersion"].as_str().unwrap().parse().unwrap();
            assert!(event["type"] == "ADDED" && revision > newest, "{revision} after {newest}: {}", event["type"]);
            newest = revision;
            assert!(seen.insert(metadata["name"].as_str().unwrap().to_owned()), "{metadata}");
        }
    }
}
