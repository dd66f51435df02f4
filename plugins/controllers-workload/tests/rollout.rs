//! Rollouts against a cluster in memory whose ReplicaSets do at once, or not at all, what they are asked.

use gantry_controllers_workload::{DeploymentController, ReplicaSetController, ReplicationControllerController};
use gantry_plugin::{
    Key,
    controller::Verb,
    resource::{DEPLOYMENTS, PODS, REPLICA_SETS, REPLICATION_CONTROLLERS},
    testing::ControllerHarness,
};
use serde_json::{Value, json};

fn harness() -> ControllerHarness<DeploymentController> {
    let mut harness = ControllerHarness::new(json!({})).expect("takes no configuration");
    harness.now = "2026-01-01T00:01:00Z".parse().expect("a time");
    harness
}

fn deployment(replicas: i64, strategy: Value, image: &str) -> Value {
    json!({
        "metadata": {"namespace": "n", "name": "web", "uid": "web", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"replicas": replicas, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600, "strategy": strategy,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}}},
    })
}

fn rolling(surge: Value, unavailable: Value) -> Value {
    json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}})
}

fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

/// Every ReplicaSet has the pods it is asked for, all of them available. Returns whether that was new.
fn pods_come_up(harness: &ControllerHarness<DeploymentController>) -> bool {
    let mut cluster = harness.cluster();
    let sets: Vec<Value> = cluster.all(&REPLICA_SETS).into_iter().cloned().collect();
    let mut any = false;
    for mut set in sets {
        let wanted = number(&set, "/spec/replicas");
        if number(&set, "/status/availableReplicas") != wanted {
            set["status"] = json!({"replicas": wanted, "readyReplicas": wanted, "availableReplicas": wanted});
            cluster.put(&REPLICA_SETS, set);
            any = true;
        }
    }
    any
}

/// The pods asked for and those available.
fn totals(harness: &ControllerHarness<DeploymentController>) -> (i64, i64) {
    let cluster = harness.cluster();
    let sets = cluster.all(&REPLICA_SETS);
    (
        sets.iter().map(|s| number(s, "/spec/replicas")).sum(),
        sets.iter().map(|s| number(s, "/status/availableReplicas").min(number(s, "/spec/replicas"))).sum(),
    )
}

fn roll(harness: &ControllerHarness<DeploymentController>, mut check: impl FnMut(i64, i64)) {
    for _ in 0..200 {
        harness.settle(&Key::of("n", "web")).expect("settles");
        let (asked, available) = totals(harness);
        check(asked, available);
        if !pods_come_up(harness) {
            return;
        }
    }
    panic!("the rollout does not end: {:?}", totals(harness));
}

fn change_image(harness: &ControllerHarness<DeploymentController>, image: &str) {
    let mut cluster = harness.cluster();
    let mut web = cluster.get(&DEPLOYMENTS, "n", "web").expect("it is there").clone();
    web["spec"]["template"]["spec"]["containers"][0]["image"] = image.into();
    web["metadata"]["generation"] = (number(&web, "/metadata/generation") + 1).into();
    cluster.put(&DEPLOYMENTS, web);
}

#[test]
fn a_rolling_update_stays_between_surge_and_unavailable_and_ends() {
    let bounds = [
        (1, json!("25%"), json!("25%"), 2, 1),
        (4, json!(1), json!(0), 5, 4),
        (4, json!(0), json!(1), 4, 3),
        (10, json!("30%"), json!("20%"), 13, 8),
        (3, json!("100%"), json!("0%"), 6, 3),
        (7, json!(2), json!(3), 9, 4),
    ];
    for (replicas, surge, unavailable, most, least) in bounds {
        let harness = harness();
        let strategy = rolling(surge.clone(), unavailable.clone());
        harness.cluster().put(&DEPLOYMENTS, deployment(replicas, strategy, "one"));
        roll(&harness, |_, _| {});
        change_image(&harness, "two");
        roll(&harness, |asked, available| {
            let what = format!("{replicas} replicas, surge {surge}, unavailable {unavailable}");
            assert!(asked <= most && available >= least, "{what}: {asked} asked for, {available} available");
        });
        let cluster = harness.cluster();
        let mut left: Vec<i64> = cluster.all(&REPLICA_SETS).iter().map(|s| number(s, "/spec/replicas")).collect();
        left.sort_unstable();
        assert_eq!(left, [0, replicas]);
    }
}

#[test]
fn a_rollout_whose_pods_do_not_come_up_keeps_the_old_ones() {
    let harness = harness();
    harness.cluster().put(&DEPLOYMENTS, deployment(4, rolling(json!(1), json!(1)), "one"));
    roll(&harness, |_, _| {});
    change_image(&harness, "broken");
    for _ in 0..10 {
        harness.settle(&Key::of("n", "web")).expect("settles");
    }
    let (asked, available) = totals(&harness);
    assert_eq!((asked, available), (5, 3), "one may be missing, one may be more, and there it stops");
}

#[test]
fn recreate_starts_no_new_pod_while_an_old_one_is_there() {
    let harness = harness();
    harness.cluster().put(&DEPLOYMENTS, deployment(2, json!({"type": "Recreate"}), "one"));
    roll(&harness, |_, _| {});
    let owner = harness.cluster().all(&REPLICA_SETS)[0].clone();
    let pod = json!({"metadata": {"namespace": "n", "name": "p", "labels": owner["spec"]["selector"]["matchLabels"],
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "controller": true,
            "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}]},
        "status": {"phase": "Running"}});
    harness.cluster().put(&PODS, pod);
    change_image(&harness, "two");
    roll(&harness, |_, _| {});
    assert_eq!(totals(&harness).0, 0, "the old pod still runs");
    harness.cluster().remove(&PODS, "n", "p");
    roll(&harness, |_, _| {});
    assert_eq!(totals(&harness), (2, 2));
}

#[test]
fn a_paused_deployment_scales_but_does_not_roll() {
    let harness = harness();
    harness.cluster().put(&DEPLOYMENTS, deployment(2, rolling(json!(1), json!(0)), "one"));
    roll(&harness, |_, _| {});
    change_image(&harness, "two");
    {
        let mut cluster = harness.cluster();
        let mut web = cluster.get(&DEPLOYMENTS, "n", "web").expect("it is there").clone();
        (web["spec"]["paused"], web["spec"]["replicas"]) = (true.into(), 5.into());
        cluster.put(&DEPLOYMENTS, web);
    }
    roll(&harness, |_, _| {});
    assert_eq!(harness.cluster().all(&REPLICA_SETS).len(), 1);
    assert_eq!(totals(&harness), (5, 5));
}

#[test]
fn going_back_to_a_template_takes_its_replica_set_again_with_a_new_revision() {
    let harness = harness();
    harness.cluster().put(&DEPLOYMENTS, deployment(1, rolling(json!(1), json!(0)), "one"));
    roll(&harness, |_, _| {});
    for image in ["two", "one"] {
        change_image(&harness, image);
        roll(&harness, |_, _| {});
    }
    let cluster = harness.cluster();
    assert_eq!(cluster.all(&REPLICA_SETS).len(), 2);
    let revision = |object: &Value| object["metadata"]["annotations"]["deployment.kubernetes.io/revision"].clone();
    let running = cluster.all(&REPLICA_SETS).into_iter().find(|s| number(s, "/spec/replicas") == 1).map(revision);
    assert_eq!(running, Some(json!("3")));
    assert_eq!(revision(cluster.get(&DEPLOYMENTS, "n", "web").expect("it is there")), "3");
}

#[test]
fn history_beyond_its_limit_is_deleted_oldest_first() {
    let harness = harness();
    let mut web = deployment(1, rolling(json!(1), json!(0)), "one");
    web["spec"]["revisionHistoryLimit"] = 1.into();
    harness.cluster().put(&DEPLOYMENTS, web);
    roll(&harness, |_, _| {});
    for image in ["two", "three", "four"] {
        change_image(&harness, image);
        roll(&harness, |_, _| {});
    }
    let cluster = harness.cluster();
    let mut images: Vec<String> = cluster
        .all(&REPLICA_SETS)
        .iter()
        .map(|s| s.pointer("/spec/template/spec/containers/0/image").map(Value::to_string).unwrap_or_default())
        .collect();
    images.sort();
    assert_eq!(images, ["\"four\"", "\"three\""]);
}

#[test]
fn the_status_tells_progress_and_availability() {
    let harness = harness();
    harness.cluster().put(&DEPLOYMENTS, deployment(2, rolling(json!(1), json!(0)), "one"));
    roll(&harness, |_, _| {});
    let cluster = harness.cluster();
    let status = &cluster.get(&DEPLOYMENTS, "n", "web").expect("it is there")["status"];
    let counts = ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "observedGeneration"];
    assert_eq!(counts.map(|c| number(status, &format!("/{c}"))), [2, 2, 2, 2, 1]);
    let condition = |kind: &str| {
        let all = status["conditions"].as_array().expect("conditions");
        all.iter().find(|c| c["type"] == kind).map(|c| (c["status"].clone(), c["reason"].clone()))
    };
    assert_eq!(condition("Available"), Some((json!("True"), json!("MinimumReplicasAvailable"))));
    assert_eq!(condition("Progressing"), Some((json!("True"), json!("NewReplicaSetAvailable"))));
}

fn replica_set(replicas: i64) -> Value {
    json!({"metadata": {"namespace": "n", "name": "web", "uid": "web", "generation": 1},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
}

#[test]
fn a_replica_set_makes_what_is_missing_and_takes_what_is_too_much() {
    let harness = ControllerHarness::<ReplicaSetController>::new(json!({})).expect("takes no configuration");
    for wanted in [3, 5, 1] {
        harness.cluster().put(&REPLICA_SETS, replica_set(wanted));
        harness.settle(&Key::of("n", "web")).expect("settles");
        assert_eq!(harness.cluster().all(&PODS).len() as i64, wanted);
    }
    let cluster = harness.cluster();
    let owner = &cluster.all(&PODS)[0]["metadata"]["ownerReferences"][0];
    assert_eq!((owner["uid"].as_str(), owner["controller"].as_bool()), (Some("web"), Some(true)));
}

#[test]
fn a_replication_controller_keeps_its_pods_and_says_how_many_there_are() {
    let harness = ControllerHarness::<ReplicationControllerController>::new(json!({})).expect("takes no configuration");
    for wanted in [3, 1] {
        let mut controller = replica_set(wanted);
        controller["spec"]["selector"] = json!({"app": "web"});
        harness.cluster().put(&REPLICATION_CONTROLLERS, controller);
        harness.settle(&Key::of("n", "web")).expect("settles");
        let cluster = harness.cluster();
        let pods = cluster.all(&PODS);
        assert_eq!(pods.len() as i64, wanted);
        let owner = &pods[0]["metadata"]["ownerReferences"][0];
        assert_eq!((&owner["apiVersion"], &owner["kind"]), (&json!("v1"), &json!("ReplicationController")));
        let status = &cluster.get(&REPLICATION_CONTROLLERS, "n", "web").expect("there")["status"];
        assert_eq!((number(status, "/replicas"), number(status, "/observedGeneration")), (wanted, 1));
        assert!(status["terminatingReplicas"].is_null(), "the kind has no such field: {status}");
    }
}

#[test]
fn a_replica_set_adopts_matching_orphans_and_leaves_other_owners_pods_alone() {
    let harness = ControllerHarness::<ReplicaSetController>::new(json!({})).expect("takes no configuration");
    let pod = |name: &str, owners: Value| json!({"metadata": {"namespace": "n", "name": name, "labels": {"app": "web"}, "ownerReferences": owners}});
    let other = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "x", "uid": "x", "controller": true}]);
    harness.cluster().put(&PODS, pod("orphan", json!([])));
    harness.cluster().put(&PODS, pod("owned", other));
    harness.cluster().put(&REPLICA_SETS, replica_set(1));
    harness.settle(&Key::of("n", "web")).expect("settles");
    let cluster = harness.cluster();
    assert_eq!(cluster.all(&PODS).len(), 2, "the orphan is enough");
    assert_eq!(cluster.get(&PODS, "n", "orphan").expect("adopted")["metadata"]["ownerReferences"][0]["uid"], "web");
    assert_eq!(cluster.get(&PODS, "n", "owned").expect("there")["metadata"]["ownerReferences"][0]["uid"], "x");
}

#[test]
fn a_replica_set_deletes_pods_that_are_not_ready_before_those_that_are() {
    let harness = ControllerHarness::<ReplicaSetController>::new(json!({})).expect("takes no configuration");
    harness.cluster().put(&REPLICA_SETS, replica_set(2));
    harness.settle(&Key::of("n", "web")).expect("settles");
    let ready = {
        let mut cluster = harness.cluster();
        let mut pod = cluster.all(&PODS)[1].clone();
        pod["spec"]["nodeName"] = "node".into();
        pod["status"] = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
        cluster.put(&PODS, pod.clone());
        cluster.put(&REPLICA_SETS, replica_set(1));
        pod["metadata"]["name"].clone()
    };
    let tried = harness.reconcile(&Key::of("n", "web"));
    let deleted: Vec<&str> = tried.ops.iter().filter(|op| op.verb == Verb::Delete).map(|op| op.name.as_str()).collect();
    assert!(deleted.len() == 1 && ready != deleted[0], "{deleted:?}");
}
