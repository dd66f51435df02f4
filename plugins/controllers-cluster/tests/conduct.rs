//! What each controller does to a cluster in memory, step by step.

use std::time::Duration;

use gantry_controllers_cluster::{
    FlowSchemaController, GarbageCollector, NamespaceController, PodGarbageCollector, RootCaPublisher,
    ServiceAccountController, TaintEvictionController,
    flow_schema::{FLOW_SCHEMAS, PRIORITY_LEVELS},
};
use gantry_plugin::{
    Controller, Key, Outcome, Resource,
    controller::Verb,
    resource::{CONFIG_MAPS, NAMESPACES, NODES, PODS, SERVICE_ACCOUNTS},
    testing::ControllerHarness,
};
use serde_json::{Value, json};

const DELETED: &str = "2026-01-01T00:00:00Z";

fn harness<C: Controller>(config: Value) -> ControllerHarness<C> {
    let mut harness = ControllerHarness::new(config).expect("the configuration is valid");
    harness.now = "2026-01-01T00:01:00Z".parse().expect("a time");
    harness
}

fn terminating(name: &str) -> Value {
    json!({"metadata": {"name": name, "deletionTimestamp": DELETED}, "spec": {"finalizers": ["kubernetes"]}})
}

#[test]
fn a_namespace_keeps_its_content_for_a_moment_after_it_was_asked_to_go() {
    let mut harness = harness::<NamespaceController>(json!({}));
    harness.now = "2026-01-01T00:00:02Z".parse().expect("a time");
    harness.cluster().put(&NAMESPACES, terminating("a"));
    harness.cluster().put(&CONFIG_MAPS, json!({"metadata": {"namespace": "a", "name": "c"}}));
    let tried = harness.reconcile(&Key::of("", "a"));
    assert_eq!(tried.outcome, Ok(Outcome::RequeueAfter(Duration::from_secs(3))));
    assert!(tried.ops.is_empty());
}

#[test]
fn a_namespace_loses_its_content_first_and_its_finalizer_last() {
    let harness = harness::<NamespaceController>(json!({}));
    harness.cluster().put(&NAMESPACES, terminating("a"));
    harness.cluster().put(&CONFIG_MAPS, json!({"metadata": {"namespace": "a", "name": "c"}}));
    harness.cluster().put(&CONFIG_MAPS, json!({"metadata": {"namespace": "b", "name": "c"}}));
    let tried = harness.reconcile(&Key::of("", "a"));
    assert!(tried.ops.iter().all(|op| op.subresource != "finalize"), "{:?}", tried.ops);
    for op in &tried.ops {
        harness.cluster().execute(op).expect("the operation is done");
    }
    assert_eq!(harness.cluster().all(&CONFIG_MAPS).len(), 1, "another namespace's content stays");
    let tried = harness.reconcile(&Key::of("", "a"));
    assert_eq!(tried.ops.iter().map(|op| op.subresource.as_str()).collect::<Vec<_>>(), ["finalize"]);
    assert_eq!(tried.ops[0].body_value().expect("JSON")["spec"]["finalizers"], json!([]));
}

#[test]
fn the_pods_of_a_namespace_go_before_everything_else() {
    let harness = harness::<NamespaceController>(json!({}));
    harness.cluster().put(&NAMESPACES, terminating("a"));
    harness.cluster().put(&CONFIG_MAPS, json!({"metadata": {"namespace": "a", "name": "c"}}));
    harness.cluster().put(&PODS, json!({"metadata": {"namespace": "a", "name": "p"}}));
    let deleted = || {
        let tried = harness.reconcile(&Key::of("", "a"));
        let deletions = tried.ops.into_iter().filter(|op| op.verb == Verb::DeleteCollection);
        deletions.map(|op| op.resource).collect::<Vec<_>>()
    };
    assert_eq!(deleted(), ["pods"]);
    harness.cluster().remove(&PODS, "a", "p");
    assert_eq!(deleted(), ["configmaps"]);
}

#[test]
fn a_namespace_that_nobody_deleted_is_left_alone() {
    let harness = harness::<NamespaceController>(json!({}));
    harness.cluster().put(&NAMESPACES, json!({"metadata": {"name": "a"}, "spec": {"finalizers": ["kubernetes"]}}));
    let tried = harness.reconcile(&Key::of("", "a"));
    assert_eq!((tried.outcome, tried.ops.len()), (Ok(Outcome::Done), 0));
}

fn owner(uid: &str, blocks: bool) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "name": uid, "uid": uid, "blockOwnerDeletion": blocks})
}

/// An owner with a finalizer of deletion's, if any, and a pod it owns.
fn family(harness: &ControllerHarness<GarbageCollector>, finalizer: Option<&str>, owners: Value) {
    let mut cluster = harness.cluster();
    let mut metadata = json!({"namespace": "n", "name": "first", "uid": "first"});
    if let Some(finalizer) = finalizer {
        metadata["deletionTimestamp"] = DELETED.into();
        metadata["finalizers"] = json!([finalizer]);
    }
    cluster.put(&CONFIG_MAPS, json!({"metadata": metadata}));
    cluster.put(&CONFIG_MAPS, json!({"metadata": {"namespace": "n", "name": "second", "uid": "second"}}));
    cluster.put(&PODS, json!({"metadata": {"namespace": "n", "name": "pod", "uid": "pod", "ownerReferences": owners}}));
}

fn key(resource: &Resource<'_>, name: &str) -> Key {
    let scope = format!("{}/{}/{}/{}/{name}", resource.group, resource.version, resource.resource, resource.kind);
    Key::scoped(&scope, "n", name)
}

#[test]
fn an_object_goes_when_its_last_owner_is_gone() {
    let harness = harness::<GarbageCollector>(json!({}));
    family(&harness, None, json!([owner("first", false), owner("second", false)]));
    assert!(harness.reconcile(&key(&PODS, "pod")).ops.is_empty(), "both owners are there");
    harness.cluster().remove(&CONFIG_MAPS, "n", "first");
    harness.settle(&key(&PODS, "pod")).expect("settles");
    let left = harness.cluster().get(&PODS, "n", "pod").expect("one owner is left")["metadata"].clone();
    assert_eq!(
        left["ownerReferences"].as_array().map(|o| o.iter().map(|o| o["uid"].clone()).collect()),
        Some(vec![json!("second")])
    );
    harness.cluster().remove(&CONFIG_MAPS, "n", "second");
    harness.settle(&key(&PODS, "pod")).expect("settles");
    assert!(harness.cluster().get(&PODS, "n", "pod").is_none());
}

#[test]
fn an_owner_with_the_same_name_but_another_uid_is_not_the_owner() {
    let harness = harness::<GarbageCollector>(json!({}));
    family(&harness, None, json!([owner("first", false)]));
    harness.cluster().put(&CONFIG_MAPS, json!({"metadata": {"namespace": "n", "name": "first", "uid": "made-again"}}));
    harness.settle(&key(&PODS, "pod")).expect("settles");
    assert!(harness.cluster().get(&PODS, "n", "pod").is_none());
}

#[test]
fn orphaned_dependents_lose_the_reference_before_the_owner_goes() {
    let harness = harness::<GarbageCollector>(json!({}));
    family(&harness, Some("orphan"), json!([owner("first", true)]));
    let tried = harness.reconcile(&key(&CONFIG_MAPS, "first"));
    let order: Vec<(&str, u32)> = tried.ops.iter().map(|op| (op.name.as_str(), op.stage)).collect();
    assert!(matches!(order[..], [("pod", before), ("first", after)] if before < after), "{order:?}");
    harness.settle(&key(&CONFIG_MAPS, "first")).expect("settles");
    assert!(harness.cluster().get(&CONFIG_MAPS, "n", "first").is_none());
    let pod = harness.cluster().get(&PODS, "n", "pod").expect("orphans stay").clone();
    assert_eq!(pod["metadata"].get("ownerReferences"), None);
}

#[test]
fn an_owner_deleted_in_the_foreground_goes_after_what_blocks_it() {
    let harness = harness::<GarbageCollector>(json!({}));
    family(&harness, Some("foregroundDeletion"), json!([owner("first", true)]));
    let tried = harness.reconcile(&key(&CONFIG_MAPS, "first"));
    assert_eq!(tried.ops.iter().map(|op| (op.verb, op.name.as_str())).collect::<Vec<_>>(), [(Verb::Delete, "pod")]);
    harness.cluster().execute(&tried.ops[0]).expect("the pod is deleted");
    harness.settle(&key(&CONFIG_MAPS, "first")).expect("settles");
    assert!(harness.cluster().get(&CONFIG_MAPS, "n", "first").is_none());
}

#[test]
fn a_circle_of_owners_that_wait_for_each_other_is_broken() {
    let harness = harness::<GarbageCollector>(json!({}));
    let member = |name: &str, owner_of_it: &str, going: bool| {
        let mut metadata =
            json!({"namespace": "n", "name": name, "uid": name, "ownerReferences": [owner(owner_of_it, true)]});
        if going {
            metadata["deletionTimestamp"] = DELETED.into();
            metadata["finalizers"] = json!(["foregroundDeletion"]);
        }
        json!({"metadata": metadata})
    };
    harness.cluster().put(&CONFIG_MAPS, member("a", "b", true));
    harness.cluster().put(&CONFIG_MAPS, member("b", "a", false));
    for _ in 0..3 {
        for name in ["a", "b"] {
            harness.settle(&key(&CONFIG_MAPS, name)).expect("settles");
        }
    }
    assert!(harness.cluster().all(&CONFIG_MAPS).is_empty());
}

#[test]
fn a_dependent_with_another_owner_survives_foreground_deletion() {
    let harness = harness::<GarbageCollector>(json!({}));
    family(&harness, Some("foregroundDeletion"), json!([owner("first", true), owner("second", false)]));
    harness.settle(&key(&CONFIG_MAPS, "first")).expect("settles");
    let pod = harness.cluster().get(&PODS, "n", "pod").expect("its other owner keeps it").clone();
    assert_eq!(pod["metadata"]["ownerReferences"][0]["uid"], "second");
    harness.settle(&key(&CONFIG_MAPS, "first")).expect("settles");
    assert!(harness.cluster().get(&CONFIG_MAPS, "n", "first").is_none());
}

#[test]
fn every_namespace_gets_an_account_and_the_certificate_again_when_somebody_takes_them() {
    let accounts = harness::<ServiceAccountController>(json!({}));
    let certificates = harness::<RootCaPublisher>(json!({"caCertificate": "PEM"}));
    accounts.cluster().put(&NAMESPACES, json!({"metadata": {"name": "a"}}));
    certificates.cluster().put(&NAMESPACES, json!({"metadata": {"name": "a"}}));
    for _ in 0..2 {
        accounts.settle(&Key::of("", "a")).expect("settles");
        assert!(accounts.cluster().remove(&SERVICE_ACCOUNTS, "a", "default").is_some());
    }
    certificates.settle(&Key::of("", "a")).expect("settles");
    let changed = json!({"metadata": {"namespace": "a", "name": "kube-root-ca.crt"}, "data": {"ca.crt": "forged"}});
    certificates.cluster().put(&CONFIG_MAPS, changed);
    certificates.settle(&Key::of("", "a")).expect("settles");
    let there = certificates.cluster().get(&CONFIG_MAPS, "a", "kube-root-ca.crt").cloned();
    assert_eq!(there.expect("it is there")["data"], json!({"ca.crt": "PEM"}));
}

#[test]
fn a_certificate_is_required() {
    assert!(ControllerHarness::<RootCaPublisher>::new(json!({})).is_err());
}

#[test]
fn pods_of_a_node_that_is_gone_fail_and_go_after_the_quarantine() {
    let mut harness = harness::<PodGarbageCollector>(json!({}));
    harness.cluster().put(&NODES, json!({"metadata": {"name": "here"}}));
    for (name, node) in [("kept", "here"), ("lost", "gone")] {
        let pod = json!({"metadata": {"namespace": "n", "name": name}, "spec": {"nodeName": node}, "status": {"phase": "Running"}});
        harness.cluster().put(&PODS, pod);
    }
    assert_eq!(harness.reconcile(&Key::of("n", "kept")).outcome, Ok(Outcome::Done));
    let waits = harness.reconcile(&Key::of("n", "lost")).outcome;
    assert_eq!(waits, Ok(Outcome::RequeueAfter(Duration::from_secs(40))));
    harness.now = "2026-01-01T00:01:41Z".parse().expect("a time");
    let tried = harness.reconcile(&Key::of("n", "lost"));
    assert_eq!(
        tried.ops.iter().map(|op| (op.subresource.as_str(), op.verb)).collect::<Vec<_>>(),
        [("status", Verb::PatchStrategic), ("", Verb::Delete)]
    );
    assert_eq!(tried.ops[1].grace_seconds, Some(0));
}

#[test]
fn a_pod_deleted_before_it_was_bound_has_nobody_to_wait_for() {
    let harness = harness::<PodGarbageCollector>(json!({}));
    harness.cluster().put(&PODS, json!({"metadata": {"namespace": "n", "name": "p", "deletionTimestamp": DELETED}}));
    let tried = harness.reconcile(&Key::of("n", "p"));
    assert_eq!((tried.ops[0].verb, tried.ops[0].grace_seconds), (Verb::Delete, Some(0)));
}

#[test]
fn a_pod_leaves_when_it_tolerated_a_taint_for_long_enough_that_does_not_say_since_when() {
    let mut harness = harness::<TaintEvictionController>(json!({}));
    let taint = json!({"key": "broken", "effect": "NoExecute"});
    harness.cluster().put(&NODES, json!({"metadata": {"name": "node"}, "spec": {"taints": [taint]}}));
    let toleration = json!({"key": "broken", "operator": "Exists", "tolerationSeconds": 30});
    harness.cluster().put(
        &PODS,
        json!({"metadata": {"namespace": "n", "name": "p", "uid": "p"},
        "spec": {"nodeName": "node", "tolerations": [toleration]}}),
    );
    let key = Key::of("n", "p");
    assert_eq!(harness.reconcile(&key).outcome, Ok(Outcome::RequeueAfter(Duration::from_secs(30))));
    harness.now = "2026-01-01T00:01:20Z".parse().expect("a time");
    assert_eq!(harness.reconcile(&key).outcome, Ok(Outcome::RequeueAfter(Duration::from_secs(10))));
    harness.now = "2026-01-01T00:01:30Z".parse().expect("a time");
    assert!(harness.reconcile(&key).ops.iter().any(|op| op.verb == Verb::Delete));
}

#[test]
fn a_flow_schema_dangles_until_its_priority_level_is_there() {
    let mut harness = harness::<FlowSchemaController>(json!({}));
    let spec = json!({"priorityLevelConfiguration": {"name": "level"}});
    harness.cluster().put(&FLOW_SCHEMAS, json!({"metadata": {"name": "s"}, "spec": spec}));
    let told = |harness: &ControllerHarness<FlowSchemaController>| {
        harness.settle(&Key::of("", "s")).expect("settles");
        let schema = harness.cluster().get(&FLOW_SCHEMAS, "", "s").expect("there").clone();
        let condition = schema["status"]["conditions"][0].clone();
        assert_eq!(condition["type"], "Dangling");
        (condition["status"].clone(), condition["reason"].clone(), condition["lastTransitionTime"].clone())
    };
    let first = (json!("True"), json!("NotFound"), json!("2026-01-01T00:01:00Z"));
    assert_eq!(told(&harness), first);
    harness.now = "2026-01-01T00:02:00Z".parse().expect("a time");
    assert_eq!(told(&harness), first, "what is said already stays");
    harness.cluster().put(&PRIORITY_LEVELS, json!({"metadata": {"name": "level"}}));
    assert_eq!(told(&harness), (json!("False"), json!("Found"), json!("2026-01-01T00:02:00Z")));
}
