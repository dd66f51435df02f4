//! Changes of jobs and of what other controllers report.

use gantry_validation as validation;
use serde_json::{Value, json};

use super::{NOTHING, template};
use crate::support::{named, object, resource, texts};

#[track_caller]
fn change(path: &str, old: &Value, new: &Value, subresource: Option<&str>) -> Vec<String> {
    let (old, new) = (object(path, old), object(path, new));
    texts(validation::validate_update(named(resource(path)), &new, &old, subresource))
}

fn job(spec: Value, status: Value) -> Value {
    let mut pods = template(json!({"a": "b"}));
    pods["spec"]["restartPolicy"] = "Never".into();
    let mut job = json!({"metadata": {"uid": "u", "resourceVersion": "1"}, "status": status, "spec": {"manualSelector": true,
        "selector": {"matchLabels": {"a": "b"}}, "template": pods}});
    job["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    job
}

const START: &str = "2026-01-02T03:04:05Z";

fn condition(kind: &str) -> Value {
    json!({"type": kind, "status": "True"})
}

#[track_caller]
fn status(spec: &Value, old: Value, new: Value) -> Vec<String> {
    change("batch/jobs", &job(spec.clone(), old), &job(spec.clone(), new), Some("status"))
}

#[test]
fn a_job_ends_once_and_with_all_that_belongs_to_it() {
    let plain = json!({});
    let done = json!({"startTime": START, "completionTime": "2026-01-02T03:05:05Z", "succeeded": 1,
        "conditions": [condition("SuccessCriteriaMet"), condition("Complete")]});
    assert_eq!(status(&plain, json!({"startTime": START, "active": 1}), done.clone()), NOTHING);
    let mut hurried = done.clone();
    hurried["completionTime"] = "2026-01-01T00:00:00Z".into();
    hurried["active"] = 1.into();
    hurried["conditions"] = json!([condition("Complete"), condition("Failed")]);
    let conditions = "Invalid:status.conditions";
    let expected = [conditions, "Invalid:status.completionTime", conditions, conditions, "Invalid:status.active"];
    assert_eq!(status(&plain, json!({"startTime": START}), hurried), expected);
    let taken_back = status(&plain, done, json!({"startTime": START}));
    assert_eq!(taken_back, [conditions, "Invalid:status.succeeded", conditions]);
}

#[test]
fn indexes_are_checked_where_they_change() {
    let spec = json!({"completionMode": "Indexed", "completions": 4, "parallelism": 2, "backoffLimitPerIndex": 1});
    let stored = json!({"completedIndexes": "0-9", "failedIndexes": ""});
    assert_eq!(status(&spec, stored.clone(), stored.clone()), NOTHING);
    let changed = |done: &str, failed: &str| {
        status(&spec, stored.clone(), json!({"completedIndexes": done, "failedIndexes": failed}))
    };
    assert_eq!(changed("0,2", "1"), NOTHING);
    assert_eq!(changed("4", "1"), ["Invalid:status.completedIndexes"]);
    assert_eq!(changed("0-2", "2-3"), ["Invalid:status.failedIndexes"]);
    let of_plain = status(&json!({}), json!({}), json!({"completedIndexes": "0", "failedIndexes": ""}));
    assert_eq!(of_plain, ["Invalid:status.completedIndexes", "Invalid:status.failedIndexes"]);
}

#[test]
fn counters_of_a_job_fit_each_other() {
    let before = json!({"startTime": START, "active": 2, "ready": 1, "failed": 3, "succeeded": 1});
    let mut now = before.clone();
    now["ready"] = 5.into();
    now["failed"] = 1.into();
    now["uncountedTerminatedPods"] = json!({"succeeded": ["a", ""], "failed": ["a"]});
    now["startTime"] = "2026-02-02T03:04:05Z".into();
    let expected = [
        "Invalid:status.uncountedTerminatedPods.succeeded[1]",
        "Duplicate:status.uncountedTerminatedPods.failed[0]",
        "Invalid:status.ready",
        "Invalid:status.failed",
        "Invalid:status.startTime",
    ];
    assert_eq!(status(&json!({}), before, now), expected);
}

#[test]
fn a_suspended_job_may_be_told_where_to_run_and_with_what() {
    let suspended = |suspend: bool, pods: Value, status: Value| {
        let mut job = job(json!({"suspend": suspend}), status);
        job["spec"]["template"]["spec"].as_object_mut().unwrap().extend(pods.as_object().unwrap().clone());
        job
    };
    let limits = json!({"name": "c", "image": "registry.example/app:1.2", "resources": {"limits": {"cpu": "1"}}});
    let placed = json!({"nodeSelector": {"a": "b"}, "containers": [limits]});
    let pod_affinity = json!({"affinity": {"podAffinity": {}}});
    let changed = |suspend: bool, status: Value, pods: &Value| {
        change(
            "batch/jobs",
            &suspended(suspend, json!({}), status.clone()),
            &suspended(suspend, pods.clone(), status),
            None,
        )
    };
    assert_eq!(changed(true, json!({}), &placed), NOTHING);
    assert_eq!(changed(true, json!({}), &pod_affinity), ["Invalid:spec.template.spec"]);
    assert_eq!(changed(false, json!({}), &placed), ["Invalid:spec.template"]);
    let started = json!({"startTime": START});
    assert_eq!(changed(true, started, &placed), ["Invalid:spec.template"]);
    let stopped = json!({"startTime": START, "conditions": [condition("Suspended")]});
    assert_eq!(changed(true, stopped, &placed), NOTHING);
}

#[test]
fn collisions_are_not_forgotten_and_conditions_of_budgets_are_whole() {
    let set = |status: Value| json!({"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template(json!({"a": "b"}))}, "status": status});
    let counted = set(json!({"collisionCount": 3}));
    for path in ["apps/deployments", "apps/statefulsets", "apps/daemonsets"] {
        for fewer in [json!({"collisionCount": 2}), json!({})] {
            let causes = change(path, &counted, &set(fewer), Some("status"));
            assert_eq!(causes, ["Invalid:status.collisionCount"], "{path}");
        }
    }
    let terminating = set(json!({"terminatingReplicas": -1}));
    for path in ["apps/deployments", "apps/replicasets"] {
        let causes = change(path, &set(json!({})), &terminating, Some("status"));
        assert_eq!(causes, ["Invalid:status.terminatingReplicas"], "{path}");
    }
    let budget = |conditions: Value| json!({"spec": {}, "status": {"conditions": conditions}});
    let broken = json!([{"type": "a b", "status": "maybe", "reason": "", "message": "", "lastTransitionTime": START}]);
    let causes = change("policy/poddisruptionbudgets", &budget(json!([])), &budget(broken), Some("status"));
    let at = "status.conditions[0]";
    assert_eq!(
        causes,
        [format!("Invalid:{at}.type"), format!("NotSupported:{at}.status"), format!("Required:{at}.reason")]
    );
}

#[test]
fn an_event_of_the_new_form_keeps_saying_the_same() {
    let event = |action: &str| {
        json!({"eventTime": "2026-01-02T03:04:05.000000Z", "reportingController": "a.io/c", "reportingInstance": "i",
            "action": action, "reason": "R", "type": "Normal", "regarding": {"kind": "Pod", "name": "p", "namespace": "ns"}})
    };
    let path = "events.k8s.io/events";
    assert_eq!(change(path, &event("A"), &event("A"), None), NOTHING);
    assert_eq!(change(path, &event("A"), &event(""), None), ["Required:action", "Invalid:action"]);
}
