//! In which order, and how often, an update's causes are reported: the reference looks at metadata more than once.

use serde_json::{Value, json};

use super::support::{create, update, update_through};

/// A label that no look likes, and a change that only looks at changes see.
fn marked(mut body: Value) -> Value {
    body["metadata"] = json!({"labels": {"k": "no label"}, "deletionGracePeriodSeconds": 9});
    body
}

const WHOLE: &str = "Invalid:metadata.labels";
const CHANGE: &str = "Invalid:metadata.deletionGracePeriodSeconds";

/// Of every object: a look at all, and one at what changes.
fn common() -> Vec<String> {
    [WHOLE, CHANGE, WHOLE].map(str::to_owned).to_vec()
}

#[track_caller]
fn comes_after_common(path: &str, old: Value, new: Value, rest: &[&str]) {
    let rest = rest.iter().map(|cause| (*cause).to_owned());
    assert_eq!(update(path, old, marked(new)), common().into_iter().chain(rest).collect::<Vec<_>>());
}

#[test]
fn rules_of_a_kind_stand_between_the_looks_at_its_metadata() {
    let rules = |rules: Value| json!({ "rules": rules });
    let wrong = rules(json!([{"verbs": [], "apiGroups": [""], "resources": ["pods"]}]));
    let role = [WHOLE, "Required:rules[0].verbs", CHANGE, WHOLE];
    comes_after_common("rbac.authorization.k8s.io/roles", rules(json!([])), wrong, &role);

    let class = |spec: Value| json!({ "spec": spec });
    let (old, new) = (class(json!({"controller": "x.example/a"})), class(json!({"controller": "x.example/b"})));
    let order = [CHANGE, WHOLE, "Invalid:spec.controller", WHOLE];
    comes_after_common("networking.k8s.io/ingressclasses", old, new, &order);

    let secret = |kind: &str, key: &str| json!({"type": kind, "data": {key: "AAAA"}});
    let order = [CHANGE, WHOLE, "Invalid:type", WHOLE, "Invalid:data[..]"];
    comes_after_common("secrets", secret("a.example/x", "k"), secret("a.example/y", ".."), &order);
}

#[test]
fn a_status_is_reported_before_or_after_metadata_as_its_kind_has_it() {
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let set = |status: Value| json!({"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template.clone()}, "status": status});
    let wrong = json!({"replicas": 1, "readyReplicas": 2});
    let (old, new) = (set(json!({"replicas": 1})), marked(set(wrong)));
    let causes = update_through("apps/statefulsets", "status", old.clone(), new.clone());
    let rest = ["Invalid:status.readyReplicas", CHANGE, WHOLE].map(str::to_owned);
    assert_eq!(causes, [common(), rest.to_vec()].concat());
    let causes = update_through("apps/replicasets", "status", old, new);
    assert_eq!(causes[3..5], [CHANGE, WHOLE].map(str::to_owned));
}

#[test]
fn an_update_checks_the_prefix_of_a_generated_name_where_its_kind_looks_at_all() {
    let prefixed = json!({"metadata": {"generateName": "No_"}});
    let cause = ["Invalid:metadata.generateName".to_owned()];
    assert_eq!(update("configmaps", json!({}), prefixed.clone()), cause);
    assert_eq!(update("coordination.k8s.io/leases", json!({}), prefixed).len(), 0, "a lease has no such look");
}

#[test]
fn owners_name_a_group_and_a_version_at_most() {
    let owner = |version: &str| json!({"metadata": {"ownerReferences": [{"apiVersion": version, "kind": "K", "name": "n", "uid": "u"}]}});
    for (version, fine) in [("v1", true), ("example.com/v1", true), ("a/b/v1", false), ("example.com/", false)] {
        assert_eq!(create("configmaps", owner(version)).is_empty(), fine, "{version}");
    }
}

#[test]
fn what_the_reference_looks_at_last_is_reported_only_where_nothing_else_is_wrong() {
    let owner = json!({"ownerReferences": [{"apiVersion": "v1", "kind": "", "name": "n", "uid": "u"}]});
    let budget = |spec: Value| json!({"metadata": owner.clone(), "spec": spec});
    let path = "policy/poddisruptionbudgets";
    let both = create(path, budget(json!({"minAvailable": 1, "maxUnavailable": 1})));
    assert_eq!(both, ["Invalid:spec"]);
    assert_eq!(create(path, budget(json!({"minAvailable": 1}))), ["Invalid:metadata.ownerReferences.kind"]);
}

#[test]
fn decisions_about_a_certificate_stay_and_are_the_approvals() {
    let path = "certificates.k8s.io/certificatesigningrequests";
    let of = |kinds: &[&str]| {
        let conditions: Vec<Value> = kinds.iter().map(|kind| json!({"type": kind, "status": "True"})).collect();
        json!({"status": {"conditions": conditions}})
    };
    let causes = |through: &str, old: &[&str], new: &[&str]| {
        let mut causes = update_through(path, through, of(old), of(new));
        causes.retain(|cause| cause.contains("status"));
        causes
    };
    let at = "status.conditions".to_owned();
    assert_eq!(causes("status", &["Failed"], &["Approved"]), [format!("Forbidden:{at}"), format!("Forbidden:{at}")]);
    assert_eq!(causes("approval", &["Approved"], &["Approved", "Denied"]), [format!("Invalid:{at}")]);
    assert!(causes("approval", &[], &["Approved"]).is_empty());
    assert!(causes("status", &["Approved"], &["Approved", "Failed"]).is_empty());
}
