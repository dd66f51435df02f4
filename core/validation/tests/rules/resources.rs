//! Devices and flow control.

use serde_json::{Value, json};

use crate::support::{create, update_status};

const NOTHING: [&str; 0] = [];

fn slice(device: Value) -> Value {
    let pool = json!({"name": "p", "resourceSliceCount": 1});
    json!({"spec": {"driver": "d.example.com", "pool": pool, "allNodes": true, "devices": [device]}})
}

fn shared(value: &str, policy: Value) -> Value {
    let capacity = json!({"memory": {"value": value, "requestPolicy": policy}});
    slice(json!({"name": "a", "allowMultipleAllocations": true, "capacity": capacity}))
}

#[test]
fn what_requests_may_take_of_a_capacity_fits_it() {
    let at = "spec.devices[0].capacity[memory].requestPolicy";
    for (policy, causes) in [
        (json!({"default": "2", "validValues": ["1", "2", "4"]}), vec![]),
        (json!({"validValues": ["1"]}), vec!["Required:{}.default"]),
        (json!({"default": "3", "validValues": ["1", "2"]}), vec!["Invalid:{}.validValues"]),
        (json!({"default": "1", "validValues": ["2", "1"]}), vec!["Invalid:{}.validValues[1]"]),
        (json!({"default": "1", "validValues": ["1", "9"]}), vec!["Invalid:{}.validValues[1]"]),
        (json!({"default": "1", "validValues": ["1"], "validRange": {"min": "1"}}), vec!["Forbidden:{}"]),
        (json!({"default": "2", "validRange": {"min": "1", "max": "7", "step": "1"}}), vec![]),
        (json!({"default": "2", "validRange": {"max": "4"}}), vec!["Required:{}.validRange.min"]),
        (json!({"default": "2", "validRange": {"min": "3"}}), vec!["Invalid:{}.validRange.min"]),
        (json!({"default": "2", "validRange": {"min": "1", "max": "9"}}), vec!["Invalid:{}.validRange.max"]),
        (json!({"default": "2", "validRange": {"min": "1", "step": "2"}}), vec!["Invalid:{}.validRange.step"]),
        (json!({"default": "1", "validRange": {"min": "1", "step": "0"}}), vec!["Invalid:{}.validRange.step"]),
    ] {
        let causes: Vec<String> = causes.into_iter().map(|cause| cause.replace("{}", at)).collect();
        assert_eq!(create("resource.k8s.io/resourceslices", shared("8", policy.clone())), causes, "{policy}");
    }
}

#[test]
fn names_of_properties_are_reported_at_their_map() {
    for (key, causes) in [
        ("size", vec![]),
        ("d.example.com/size", vec![]),
        ("a-b", vec!["Invalid:spec.devices[0].attributes"]),
        ("/size", vec!["Invalid:spec.devices[0].attributes"]),
        ("a/b/c", vec![]),
    ] {
        let device = json!({"name": "a", "attributes": {key: {"int": 1}}});
        assert_eq!(create("resource.k8s.io/resourceslices", slice(device)), causes, "{key}");
    }
    let counters: serde_json::Map<String, Value> = (0..33).map(|n| (format!("A{n}"), json!({"value": "1"}))).collect();
    let device = json!({"name": "a", "consumesCounters": [{"counterSet": "s", "counters": counters}]});
    let causes = create("resource.k8s.io/resourceslices", slice(device));
    assert_eq!(causes, ["TooMany:spec.devices[0].consumesCounters[0].counters"]);
}

#[test]
fn conditions_of_binding_come_in_pairs() {
    let at = "spec.devices[0]";
    for (conditions, failures, causes) in [
        (json!(["a"]), json!(["b"]), vec![]),
        (json!(["a"]), json!([]), vec!["Invalid:{}.bindingFailureConditions"]),
        (json!([]), json!(["b"]), vec!["Invalid:{}.bindingConditions"]),
        (json!(["a", "a"]), json!(["b"]), vec!["Duplicate:{}.bindingConditions[1]"]),
        (json!(["a"]), json!(["a"]), vec!["Invalid:{}.bindingFailureConditions[0]"]),
    ] {
        let device = json!({"name": "a", "bindingConditions": conditions, "bindingFailureConditions": failures});
        let causes: Vec<String> = causes.into_iter().map(|cause| cause.replace("{}", at)).collect();
        assert_eq!(create("resource.k8s.io/resourceslices", slice(device.clone())), causes, "{device}");
    }
}

#[test]
fn tolerations_of_devices_ask_for_less_than_those_of_nodes() {
    let claim = |toleration: Value| {
        let exactly = json!({"deviceClassName": "c", "tolerations": [toleration]});
        json!({"spec": {"devices": {"requests": [{"name": "r", "exactly": exactly}]}}})
    };
    for toleration in [json!({"operator": "Equal"}), json!({"operator": "Exists", "tolerationSeconds": 3})] {
        assert_eq!(create("resource.k8s.io/resourceclaims", claim(toleration.clone())), NOTHING, "{toleration}");
    }
}

#[test]
fn templates_have_no_metadata_of_one_object() {
    for (member, value, causes) in [
        ("labels", json!({"a": "b"}), vec![]),
        ("name", json!("n"), vec!["Forbidden:spec.metadata.name"]),
        ("uid", json!("u"), vec!["Forbidden:spec.metadata.uID"]),
        ("finalizers", json!(["a.example/b"]), vec!["Forbidden:spec.metadata.finalizers"]),
    ] {
        let body = json!({"spec": {"metadata": {member: value}, "spec": {}}});
        assert_eq!(create("resource.k8s.io/resourceclaimtemplates", body), causes, "{member}");
    }
}

#[test]
fn flow_schemas_know_verbs_paths_and_subjects() {
    let schema = |rule: Value| json!({"spec": {"matchingPrecedence": 9, "priorityLevelConfiguration": {"name": "l"}, "rules": [rule]}});
    let user = json!({"kind": "User", "user": {"name": "u"}});
    let urls = |verbs: Value, paths: Value, subject: Value| {
        schema(json!({"subjects": [subject], "nonResourceRules": [{"verbs": verbs, "nonResourceURLs": paths}]}))
    };
    let (verbs, path) =
        ("spec.rules[0].nonResourceRules[0].verbs", "spec.rules[0].nonResourceRules[0].nonResourceURLs[0]");
    for (body, causes) in [
        (urls(json!(["get"]), json!(["/a/*"]), user.clone()), vec![]),
        (urls(json!(["connect"]), json!(["/"]), user.clone()), vec![format!("NotSupported:{verbs}")]),
        (urls(json!(["get"]), json!(["/a*"]), user.clone()), vec![format!("Invalid:{path}")]),
        (urls(json!(["get"]), json!(["/*/a"]), user.clone()), vec![format!("Invalid:{path}")]),
        (urls(json!(["get"]), json!(["//"]), user.clone()), vec![format!("Invalid:{path}")]),
        (urls(json!(["get"]), json!(["a"]), user.clone()), vec![format!("Invalid:{path}")]),
        (
            urls(json!(["get"]), json!(["/"]), json!({"kind": "User", "user": {"name": "u"}, "group": {"name": "g"}})),
            vec!["Forbidden:spec.rules[0].subjects[0].group".to_owned()],
        ),
        (
            urls(
                json!(["get"]),
                json!(["/"]),
                json!({"kind": "ServiceAccount", "serviceAccount": {"name": "*", "namespace": "A"}}),
            ),
            vec!["Invalid:spec.rules[0].subjects[0].serviceAccount.namespace".to_owned()],
        ),
    ] {
        assert_eq!(create("flowcontrol.apiserver.k8s.io/flowschemas", body.clone()), causes, "{body}");
    }
}

#[test]
fn conditions_of_flow_control_have_a_type_each_its_own() {
    let spec = json!({"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}}});
    let status = json!({"conditions": [{"type": "A"}, {"type": "A"}, {}]});
    assert_eq!(
        update_status("flowcontrol.apiserver.k8s.io/prioritylevelconfigurations", spec, status),
        ["Duplicate:status.conditions[1].type", "Required:status.conditions[2].type"]
    );
}
