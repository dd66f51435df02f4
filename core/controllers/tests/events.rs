//! Events are counted when they repeat, and a flood about one object is cut short.

use std::{sync::Arc, time::Duration};

use gantry_meta::GroupVersionResource;
use gantry_runtime::{EventRecord, EventRecorder, memory_api::MemoryApi};
use serde_json::json;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

fn events() -> GroupVersionResource {
    GroupVersionResource::new("", "v1", "events")
}

fn about(uid: &str, message: &str) -> EventRecord {
    EventRecord {
        regarding: json!({"apiVersion": "v1", "kind": "Node", "name": "n", "uid": uid}),
        event_type: "Warning".into(),
        reason: "Trouble".into(),
        message: message.into(),
    }
}

#[tokio::test]
async fn an_event_that_repeats_is_counted_and_lives_in_default_if_its_object_has_no_namespace() {
    let api = MemoryApi::default();
    let recorder = EventRecorder::new(Arc::new(api.clone()), "tester", "host");
    (0..3).for_each(|_| recorder.record(about("1", "again")));
    let counted = |api: &MemoryApi| api.objects(&events()).first().is_some_and(|event| event["count"] == 3);
    timeout(PATIENCE, api.until(counted)).await.expect("counted");
    let all = api.objects(&events());
    assert_eq!(all.len(), 1);
    assert_eq!(all[0]["metadata"]["namespace"], "default");
    assert_eq!(all[0]["source"], json!({"component": "tester", "host": "host"}));
}

#[tokio::test]
async fn a_flood_about_one_object_does_not_keep_others_out() {
    let api = MemoryApi::default();
    let recorder = EventRecorder::new(Arc::new(api.clone()), "tester", "");
    (0..100).for_each(|i| recorder.record(about("1", &format!("trouble {i}"))));
    recorder.record(about("2", "quiet"));
    let quiet = |api: &MemoryApi| api.objects(&events()).iter().any(|event| event["message"] == "quiet");
    timeout(PATIENCE, api.until(quiet)).await.expect("the quiet object is heard");
    assert_eq!(api.objects(&events()).len(), 26, "25 of the flood, and the quiet one");
}
