//! Watches: order, selector transitions, scopes, expiry, bookmarks.

use std::sync::Arc;

use crate::support::*;
use gantry_storage::{Expect, Key, Operation, Revision, Shard, Storage};
use gantry_watch_cache::{Batch, Filter, Scope, Watch};

fn app(value: &'static str) -> Option<Filter> {
    Some(Arc::new(move |pod| pod.labels().get("app") == Some(value)))
}

fn names_seen(batch: &Batch) -> Vec<String> {
    seen(&batch.deliveries, |o| o.key().name().to_owned())
}

async fn next(watch: &mut Watch) -> Vec<String> {
    names_seen(&watch.next_batch().await.unwrap())
}

#[tokio::test]
async fn a_watch_sees_each_change_after_its_revision_once_and_in_order() {
    let (_, cache) = fixture().await;
    put_pod(&cache, "a", "", "x").await;
    let mut watch = cache.watch(PODS, Scope::All, Revision(1), None).unwrap();
    put_pod(&cache, "b", "", "x").await;
    put_pod(&cache, "a", "", "y").await;
    delete_pod(&cache, "b").await;
    assert_eq!(next(&mut watch).await, ["+b@2", "~a@3", "-b@4"]);
    put_pod(&cache, "b", "", "x").await;
    assert_eq!(next(&mut watch).await, ["+b@5"]);
}

#[tokio::test]
async fn leaving_a_selector_delivers_the_previous_state_as_deleted_under_the_new_revision() {
    let (_, cache) = fixture().await;
    let mut watch = cache.watch(PODS, Scope::All, Revision(0), app("x")).unwrap();
    for value in ["x", "x", "y", "y", "x"] {
        put_pod(&cache, "a", "", value).await;
    }
    delete_pod(&cache, "a").await;
    let batch = watch.next_batch().await.unwrap();
    assert_eq!(names_seen(&batch), ["+a@1", "~a@2", "-a@3", "+a@5", "-a@6"]);
    let left = batch.deliveries[2].object.wire();
    assert_eq!(left, pod_text("a", 3, "x"));
}

fn pod_text(name: &str, revision: u64, app: &str) -> String {
    let stored = String::from_utf8(pod_value(name, "", app).to_vec()).unwrap();
    stored.replacen(r#""metadata":{"#, &format!(r#""metadata":{{"resourceVersion":"{revision}","#), 1)
}

#[tokio::test]
async fn a_watch_by_node_sees_pods_come_and_go() {
    let (_, cache) = fixture().await;
    let on = |node: &str| Scope::Indexed { field: "spec.nodeName", value: node.into() };
    put_pod(&cache, "old", "n1", "x").await;
    let mut early = cache.watch(PODS, on("n1"), Revision(1), None).unwrap();
    put_pod(&cache, "a", "", "x").await;
    put_pod(&cache, "a", "n1", "x").await;
    put_pod(&cache, "b", "n2", "x").await;
    put_pod(&cache, "a", "n2", "x").await;
    let mut late = cache.watch(PODS, on("n1"), Revision(0), None).unwrap();
    assert_eq!(next(&mut early).await, ["+a@3", "-a@5"]);
    assert_eq!(next(&mut late).await, ["+old@1", "+a@3", "-a@5"]);
}

#[tokio::test]
async fn watches_of_a_namespace_and_of_one_object_see_nothing_else() {
    let (_, cache) = fixture().await;
    put_pod(&cache, "other/a", "", "x").await;
    let b = Scope::Object { namespace: "default".into(), name: "b".into() };
    let mut object = cache.watch(PODS, b, Revision(0), None).unwrap();
    let mut namespace = cache.watch(PODS, Scope::Namespace("other".into()), Revision(0), None).unwrap();
    put_pod(&cache, "b", "", "x").await;
    put_pod(&cache, "c", "", "x").await;
    assert_eq!(next(&mut object).await, ["+b@2"]);
    assert_eq!(next(&mut namespace).await, ["+a@1"]);
    assert!(object.try_next_batch().unwrap().is_none());
}

#[tokio::test]
async fn a_bookmark_carries_what_is_applied_once_all_is_delivered() {
    let (_, cache) = fixture().await;
    let mut watch = cache.watch(PODS, Scope::Namespace("quiet".into()), Revision(0), None).unwrap();
    put_pod(&cache, "a", "", "x").await;
    assert_eq!(watch.progress(), Revision(1));
    put_pod(&cache, "quiet/b", "", "x").await;
    assert_eq!(watch.progress(), Revision(0), "an event is pending");
    next(&mut watch).await;
    assert_eq!(watch.progress(), Revision(2));
}

#[tokio::test]
async fn a_watch_expires_only_when_something_for_it_was_dropped() {
    let (_, cache) = fixture().await;
    let mut behind = cache.watch(PODS, Scope::All, Revision(0), None).unwrap();
    let mut quiet = cache.watch(PODS, Scope::Namespace("quiet".into()), Revision(0), None).unwrap();
    put_pod(&cache, "a", "", "x").await;
    put_pod(&cache, "b", "", "x").await;
    cache.forget(Shard::Durable, Revision(1));
    assert_eq!(behind.next_batch().await.unwrap_err().floor, Revision(1));
    put_pod(&cache, "quiet/c", "", "x").await;
    assert_eq!(next(&mut quiet).await, ["+c@3"]);
    assert!(cache.watch(PODS, Scope::All, Revision(0), None).is_err());
    let mut at_floor = cache.watch(PODS, Scope::All, Revision(1), None).unwrap();
    assert_eq!(next(&mut at_floor).await, ["+b@2", "+c@3"]);
}

#[tokio::test]
async fn a_watch_may_begin_below_the_floor_if_its_resource_lost_nothing_since() {
    let (_, cache) = fixture().await;
    put_pod(&cache, "a", "", "x").await;
    let key = Key::new("", "configmaps", "default", "c");
    for _ in 0..3 {
        let value = r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"c"}}"#;
        let operation = Operation::Put(value.into());
        let current = cache.get(&key).map_or(Expect::Absent, |object| Expect::At(object.revision()));
        cache.commit(write(key.clone(), current, operation)).await.unwrap();
    }
    cache.forget(Shard::Durable, Revision(4));
    let scopes = [Scope::All, Scope::Namespace("default".into())];
    let opened = |scope: &Scope, from| cache.watch(PODS, scope.clone(), Revision(from), None);
    let mut watches: Vec<Watch> = scopes.iter().map(|scope| opened(scope, 1).unwrap()).collect();
    assert!(scopes.iter().all(|scope| opened(scope, 0).is_err()), "the pod's creation is forgotten");
    put_pod(&cache, "a", "", "y").await;
    for watch in &mut watches {
        assert_eq!(next(watch).await, ["~a@5"]);
    }
    assert!(cache.watch(CONFIG_MAPS, Scope::All, Revision(3), None).is_err());
}

#[tokio::test]
async fn a_watch_from_a_future_revision_is_silent_until_then() {
    let (_, cache) = fixture().await;
    let mut watch = cache.watch(PODS, Scope::All, Revision(2), None).unwrap();
    for name in ["a", "b", "c"] {
        put_pod(&cache, name, "", "x").await;
    }
    assert_eq!(next(&mut watch).await, ["+c@3"]);
}

#[tokio::test]
async fn a_waiting_watch_goes_on_after_storage_was_away() {
    let (storage, cache) = fixture().await;
    let mut watch = cache.watch(PODS, Scope::All, Revision(0), None).unwrap();
    put_pod(&cache, "a", "", "x").await;
    storage.set_available(false);
    storage.set_available(true);
    put_pod(&cache, "b", "", "x").await;
    let mut all = next(&mut watch).await;
    while all.len() < 2 {
        all.extend(next(&mut watch).await);
    }
    assert_eq!(all, ["+a@1", "+b@2"]);
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_fell_below_the_log_loads_anew_and_its_watches_expire() {
    let (storage, cache) = fixture().await;
    put_pod(&cache, "a", "", "x").await;
    let mut watch = cache.watch(PODS, Scope::All, Revision(1), None).unwrap();
    storage.set_available(false);
    // One turn for the feed to end; the paused clock holds its back-off until this test waits for something.
    tokio::task::yield_now().await;
    storage.set_available(true);
    for name in ["b", "c"] {
        let create = write(pod_key(name), Expect::Absent, Operation::Put(pod_value(name, "", "x")));
        storage.commit(create).await.unwrap();
    }
    storage.compact(Shard::Durable, Revision(2)).await.unwrap();
    cache.consistent(Shard::Durable).await.unwrap();
    assert!(cache.get(&pod_key("b")).is_some());
    assert_eq!(watch.next_batch().await.unwrap_err().floor, Revision(3));
    let mut again = cache.watch(PODS, Scope::All, Revision(3), None).unwrap();
    put_pod(&cache, "d", "", "x").await;
    assert_eq!(next(&mut again).await, ["+d@4"]);
}

/// Counts how often it is polled.
struct Counted<F>(F, Arc<std::sync::atomic::AtomicUsize>);

impl<F: Future + Unpin> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<F::Output> {
        self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        std::pin::Pin::new(&mut self.0).poll(context)
    }
}

#[tokio::test]
async fn an_event_wakes_only_the_watches_of_its_bucket_among_ten_thousand() {
    let (_, cache) = fixture().await;
    let polls = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut watches = tokio::task::JoinSet::new();
    for n in 0..10_000 {
        let scope = Scope::Indexed { field: "spec.nodeName", value: format!("n{n}").into() };
        let mut watch = cache.watch(PODS, scope, Revision(0), None).unwrap();
        let next = Box::pin(async move { names_seen(&watch.next_batch().await.unwrap()) });
        watches.spawn(Counted(next, polls.clone()));
    }
    while polls.load(std::sync::atomic::Ordering::Relaxed) < 10_000 {
        tokio::task::yield_now().await;
    }
    put_pod(&cache, "a", "n77", "x").await;
    assert_eq!(watches.join_next().await.unwrap().unwrap(), ["+a@1"]);
    assert_eq!(polls.load(std::sync::atomic::Ordering::Relaxed), 10_001, "all others slept on");
}

#[tokio::test]
async fn watches_that_are_equally_far_share_what_is_written_of_the_events() {
    let (_, cache) = fixture().await;
    put_pod(&cache, "a", "", "x").await;
    let open = || cache.watch(PODS, Scope::All, Revision(1), None).unwrap();
    let (mut first, mut second, mut late) = (open(), open(), cache.watch(PODS, Scope::All, Revision(0), None).unwrap());
    put_pod(&cache, "a", "", "y").await;
    delete_pod(&cache, "a").await;
    let (one, other) = (first.next_batch().await.unwrap(), second.next_batch().await.unwrap());
    assert!(Arc::ptr_eq(&one, &other));
    let line = |kind: &str, delivery: usize| {
        let object = one.deliveries[delivery].object.wire();
        format!("{{\"type\":\"{kind}\",\"object\":{}}}\n", String::from_utf8_lossy(&object))
    };
    assert_eq!(*one.json_lines(), line("MODIFIED", 0) + &line("DELETED", 1));
    assert_eq!(next(&mut late).await, ["+a@1", "~a@2", "-a@3"]);
    put_pod(&cache, "b", "", "x").await;
    assert_eq!((next(&mut first).await, next(&mut late).await), (vec!["+b@4".to_owned()], vec!["+b@4".to_owned()]));
}
