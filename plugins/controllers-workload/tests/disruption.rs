//! Budgets over pods in a cluster in memory.

use gantry_controllers_workload::DisruptionController;
use gantry_plugin::{
    Key, Resource,
    resource::{DEPLOYMENTS, PODS, REPLICA_SETS},
    testing::ControllerHarness,
};
use serde_json::{Value, json};

const BUDGETS: Resource<'static> = Resource::new("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget");

fn harness(spec: Value) -> ControllerHarness<DisruptionController> {
    let mut harness = ControllerHarness::new(json!({})).expect("takes no configuration");
    harness.now = "2026-01-01T00:10:00Z".parse().expect("a time");
    let mut spec = spec;
    spec["selector"] = json!({"matchLabels": {"app": "web"}});
    let budget = json!({"metadata": {"namespace": "n", "name": "b", "uid": "b", "generation": 3}, "spec": spec});
    harness.cluster().put(&BUDGETS, budget);
    harness
}

fn put_pod(harness: &ControllerHarness<DisruptionController>, name: &str, ready: bool, owner: Option<&str>) {
    let owners = owner.map(
        |uid| json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": uid, "uid": uid, "controller": true}]),
    );
    let ready = if ready { "True" } else { "False" };
    let pod = json!({
        "metadata": {"namespace": "n", "name": name, "uid": name, "labels": {"app": "web"},
            "ownerReferences": owners.unwrap_or_else(|| json!([]))},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]},
    });
    harness.cluster().put(&PODS, pod);
}

fn settled(harness: &ControllerHarness<DisruptionController>) -> Value {
    harness.settle(&Key::of("n", "b")).expect("settles");
    harness.cluster().get(&BUDGETS, "n", "b").expect("the budget")["status"].clone()
}

fn counts(status: &Value) -> [i64; 4] {
    ["currentHealthy", "desiredHealthy", "expectedPods", "disruptionsAllowed"]
        .map(|member| status[member].as_i64().unwrap_or(-1))
}

#[test]
fn a_number_that_must_stay_is_held_against_the_ready_pods() {
    let harness = harness(json!({"minAvailable": 2}));
    for (name, ready) in [("a", true), ("b", true), ("c", true), ("d", false)] {
        put_pod(&harness, name, ready, None);
    }
    let status = settled(&harness);
    assert_eq!(counts(&status), [3, 2, 4, 1]);
    assert_eq!(
        (&status["observedGeneration"], &status["conditions"][0]["reason"]),
        (&json!(3), &json!("SufficientPods"))
    );
}

#[test]
fn a_percentage_is_of_what_the_deployment_asks_for() {
    let harness = harness(json!({"maxUnavailable": "30%"}));
    let owner =
        json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "web", "controller": true}]);
    let set = json!({"metadata": {"namespace": "n", "name": "rs", "uid": "rs", "ownerReferences": owner}, "spec": {"replicas": 1}});
    harness.cluster().put(&REPLICA_SETS, set);
    let deployment = json!({"metadata": {"namespace": "n", "name": "web", "uid": "web"}, "spec": {"replicas": 4}});
    harness.cluster().put(&DEPLOYMENTS, deployment);
    for name in ["a", "b", "c"] {
        put_pod(&harness, name, true, Some("rs"));
    }
    assert_eq!(counts(&settled(&harness)), [3, 2, 4, 1]);
}

#[test]
fn pods_of_no_controller_leave_a_percentage_nothing() {
    let harness = harness(json!({"maxUnavailable": "50%"}));
    put_pod(&harness, "a", true, None);
    assert_eq!(counts(&settled(&harness)), [1, 0, 0, 0]);
}

#[test]
fn a_controller_that_is_gone_allows_nothing_and_says_so() {
    let harness = harness(json!({"minAvailable": "50%"}));
    put_pod(&harness, "a", true, Some("gone"));
    let status = settled(&harness);
    assert_eq!((&status["disruptionsAllowed"], &status["conditions"][0]["reason"]), (&json!(0), &json!("SyncFailed")));
}

#[test]
fn a_granted_eviction_counts_as_gone_until_it_is_given_up() {
    let mut harness = harness(json!({"minAvailable": 1}));
    put_pod(&harness, "a", true, None);
    put_pod(&harness, "b", true, None);
    let mut budget = harness.cluster().get(&BUDGETS, "n", "b").expect("the budget").clone();
    budget["status"] = json!({"disruptedPods": {"a": "2026-01-01T00:09:00Z"}});
    harness.cluster().put(&BUDGETS, budget);
    let status = settled(&harness);
    assert_eq!((counts(&status), status["disruptedPods"].is_object()), ([1, 1, 2, 0], true));
    harness.now = "2026-01-01T00:11:30Z".parse().expect("a time");
    let status = settled(&harness);
    assert_eq!((counts(&status), status["disruptedPods"].is_null()), ([2, 1, 2, 1], true));
}
