//! Reads: get, list at a revision, pages, floors.

use std::{sync::Arc, time::Duration};

use crate::support::*;
use gantry_storage::{CommitError, Expect, Key, Operation, Revision, Shard, Storage};
use gantry_watch_cache::{At, Filter, LagError, ListError, ListRequest, PageCursor, ResourceConfig, Scope, WatchCache};

fn at(revision: u64) -> ListRequest {
    ListRequest { at: At::Exact(Revision(revision)), ..ListRequest::new(Scope::All) }
}

#[tokio::test]
async fn a_write_is_read_back_at_once_with_its_revision_on_the_wire() {
    let (_, cache) = fixture().await;
    let revision = put_pod(&cache, "a", "", "x").await;
    let pod = cache.get(&pod_key("a")).unwrap();
    assert_eq!((pod.revision(), pod.create_revision()), (revision, revision));
    assert!(pod.wire().starts_with(br#"{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"1","name":"a""#));
    assert_eq!(pod.labels().get("app"), Some("x"));
}

#[tokio::test]
async fn a_list_at_an_old_revision_shows_the_old_state() {
    let (_, cache) = fixture().await;
    for name in ["a", "b", "c"] {
        put_pod(&cache, name, "", "x").await;
    }
    put_pod(&cache, "a", "", "y").await;
    delete_pod(&cache, "b").await;
    let names_at = |revision| names(&cache.list(PODS, &at(revision)).unwrap().objects);
    assert_eq!(names_at(2), ["a@1", "b@2"]);
    assert_eq!(names_at(4), ["a@4", "b@2", "c@3"]);
    assert_eq!(names_at(5), ["a@4", "c@3"]);
    assert_eq!(cache.list(PODS, &at(6)).unwrap_err(), ListError::TooNew { asked: Revision(6), applied: Revision(5) });
}

#[tokio::test]
async fn pages_stay_at_the_revision_of_the_first_one() {
    let (_, cache) = fixture().await;
    for name in ["a", "b", "c", "other/d", "other/e"] {
        put_pod(&cache, name, "", "x").await;
    }
    let mut request = ListRequest { limit: 2, ..ListRequest::new(Scope::All) };
    let first = cache.list(PODS, &request).unwrap();
    assert_eq!((names(&first.objects), first.remaining()), (vec!["a@1".into(), "b@2".into()], Some(3)));
    delete_pod(&cache, "c").await;
    put_pod(&cache, "ca", "", "x").await;
    request = ListRequest { at: At::Exact(first.revision), cursor: first.next, ..request };
    let second = cache.list(PODS, &request).unwrap();
    assert_eq!((names(&second.objects), second.remaining()), (vec!["c@3".into(), "d@4".into()], Some(1)));
    request.cursor = second.next;
    let last = cache.list(PODS, &request).unwrap();
    assert_eq!((names(&last.objects), last.next), (vec!["e@5".into()], None));
}

#[tokio::test]
async fn a_full_page_has_a_next_one_if_anything_is_behind_it_whether_selected_or_not() {
    let (_, cache) = fixture().await;
    for (name, app) in [("a", "x"), ("b", "y"), ("c", "x"), ("d", "y")] {
        put_pod(&cache, name, "", app).await;
    }
    let of = |app: &'static str| -> Option<Filter> { Some(Arc::new(move |pod| pod.labels().get("app") == Some(app))) };
    let request = |app, cursor| ListRequest { limit: 2, cursor, filter: of(app), ..ListRequest::new(Scope::All) };
    let page = cache.list(PODS, &request("x", None)).unwrap();
    assert_eq!((names(&page.objects), page.remaining()), (vec!["a@1".into(), "c@3".into()], None));
    assert!(page.next.is_some());
    let rest = cache.list(PODS, &request("x", page.next)).unwrap();
    assert_eq!((names(&rest.objects), rest.next), (vec![], None));
    let page = cache.list(PODS, &request("y", None)).unwrap();
    assert_eq!((names(&page.objects), page.next), (vec!["b@2".into(), "d@4".into()], None));
}

#[tokio::test]
async fn what_remains_is_known_at_old_revisions_and_from_any_place_on() {
    let (_, cache) = fixture().await;
    for name in ["a", "b", "c", "other/d", "other/e"] {
        put_pod(&cache, name, "", "x").await;
    }
    delete_pod(&cache, "b").await;
    put_pod(&cache, "ca", "", "x").await;
    put_pod(&cache, "c", "", "y").await;
    let remaining = |at, scope, from: Option<&str>| {
        let cursor = from.map(|from| PageCursor { from: Key::from_stored(from), remaining: None });
        cache.list(PODS, &ListRequest { at, cursor, limit: 1, ..ListRequest::new(scope) }).unwrap().remaining()
    };
    assert_eq!(remaining(At::Latest, Scope::All, None), Some(4));
    assert_eq!(remaining(At::Exact(Revision(5)), Scope::All, None), Some(4));
    assert_eq!(remaining(At::Exact(Revision(2)), Scope::All, None), Some(1));
    let default = || Scope::Namespace("default".into());
    assert_eq!(remaining(At::Exact(Revision(5)), default(), None), Some(2));
    assert_eq!(remaining(At::Latest, default(), Some("/core/pods/default/b")), Some(1));
    assert_eq!(remaining(At::Latest, default(), Some("/core/pods/aaa/x")), Some(2), "from the first on");
    assert_eq!(remaining(At::Latest, default(), Some("/core/pods/zzz/x")), None, "nothing is there");
}

#[tokio::test]
async fn scopes_list_a_namespace_an_object_and_an_index_bucket() {
    let (_, cache) = fixture().await;
    put_pod(&cache, "a", "n1", "x").await;
    put_pod(&cache, "b", "n2", "x").await;
    put_pod(&cache, "other/c", "n1", "x").await;
    put_pod(&cache, "a", "n2", "x").await;
    let list = |scope, at| names(&cache.list(PODS, &ListRequest { at, ..ListRequest::new(scope) }).unwrap().objects);
    let on = |node: &str| Scope::Indexed { field: "spec.nodeName", value: node.into() };
    assert_eq!(list(Scope::Namespace("other".into()), At::Latest), ["c@3"]);
    let b = Scope::Object { namespace: "default".into(), name: "b".into() };
    assert_eq!(list(b, At::Latest), ["b@2"]);
    assert_eq!(list(on("n1"), At::Latest), ["c@3"]);
    assert_eq!(list(on("n1"), At::Exact(Revision(3))), ["a@1", "c@3"]);
    assert_eq!(list(on("n2"), At::Latest), ["a@4", "b@2"]);
}

#[tokio::test]
async fn below_the_floor_lists_expire_and_the_floor_itself_still_answers() {
    let (_, cache) = fixture().await;
    for app in ["1", "2", "3"] {
        put_pod(&cache, "a", "", app).await;
    }
    delete_pod(&cache, "a").await;
    put_pod(&cache, "b", "", "x").await;
    cache.forget(Shard::Durable, Revision(3));
    assert!(matches!(cache.list(PODS, &at(2)), Err(ListError::Expired(_))));
    assert_eq!(names(&cache.list(PODS, &at(3)).unwrap().objects), ["a@3"]);
    assert_eq!(names(&cache.list(PODS, &at(5)).unwrap().objects), ["b@5"]);
    assert_eq!(cache.floor(PODS), Some(Revision(3)));
}

#[tokio::test]
async fn superseded_versions_beyond_the_byte_limit_raise_the_floor_of_their_resource_only() {
    let storage = Arc::new(gantry_storage::MemoryStorage::new());
    let options = gantry_watch_cache::CacheOptions { history_bytes: 4_000, ..quick() };
    let cache = WatchCache::start(storage, resources(), options).await;
    for n in 0..200 {
        put_pod(&cache, "a", "n1", &n.to_string()).await;
    }
    let floor = cache.floor(PODS).unwrap();
    assert!(floor > Revision(150) && floor < Revision(200), "{floor}");
    assert_eq!(cache.floor(CONFIG_MAPS), Some(Revision(0)));
}

#[tokio::test]
async fn a_stale_write_is_a_conflict_that_names_the_current_revision() {
    let (_, cache) = fixture().await;
    let first = put_pod(&cache, "a", "", "x").await;
    let second = put_pod(&cache, "a", "", "y").await;
    let stale = write(pod_key("a"), Expect::At(first), Operation::Put(pod_value("a", "", "z")));
    let Err(CommitError::Conflict { current }) = cache.commit(stale).await else { panic!("stale write went through") };
    assert_eq!(current, Some(second));
}

#[tokio::test]
async fn a_resource_added_later_has_its_objects_and_begins_its_history_then() {
    let (storage, cache) = fixture().await;
    let key = gantry_storage::Key::new("example.dev", "widgets", "default", "w");
    let value = r#"{"kind":"Widget","apiVersion":"example.dev/v1","metadata":{"name":"w"}}"#;
    let created = write(key.clone(), Expect::Absent, Operation::Put(value.into()));
    let committed = storage.commit(created).await.unwrap();
    cache.wait_for(Shard::Durable, committed.revision, Duration::from_secs(5)).await.unwrap();
    assert!(cache.get(&key).is_none());
    cache.add_resource(ResourceConfig::new("example.dev", "widgets", "example.dev/v1", "Widget"));
    assert_eq!(cache.get(&key).unwrap().revision(), committed.revision);
    let before = cache.watch("/example.dev/widgets/", Scope::All, Revision(0), None);
    assert!(matches!(before.map(|_| ()), Err(ListError::Expired(_))));
}

#[tokio::test]
async fn consistent_reads_see_what_another_writer_committed_and_fail_when_storage_is_away() {
    let (storage, cache) = fixture().await;
    let created = write(pod_key("a"), Expect::Absent, Operation::Put(pod_value("a", "", "x")));
    let committed = storage.commit(created).await.unwrap();
    assert!(cache.consistent(Shard::Durable).await.unwrap() >= committed.revision);
    assert!(cache.get(&pod_key("a")).is_some());
    storage.set_available(false);
    assert!(matches!(cache.consistent(Shard::Durable).await, Err(LagError::Unavailable { .. })));
    storage.set_available(true);
    put_pod(&cache, "b", "", "x").await;
    assert!(cache.get(&pod_key("b")).is_some());
}

#[tokio::test]
async fn a_revision_of_the_future_is_too_new() {
    let (_, cache) = fixture().await;
    let waited = cache.wait_for(Shard::Durable, Revision(9), Duration::from_millis(1)).await;
    assert!(matches!(waited, Err(LagError::TooNew { asked: Revision(9), applied: Revision(0) })));
}

#[tokio::test]
async fn the_self_check_agrees_with_storage() {
    let (_, cache) = fixture().await;
    put_pod(&cache, "a", "", "x").await;
    put_pod(&cache, "b", "", "x").await;
    delete_pod(&cache, "a").await;
    assert!(cache.self_check(Shard::Durable).await.unwrap());
}
