//! What `managedFields` says after creates, replaces and patches, on the real field tables.

use gantry_kinds::{Type, catalog};
use gantry_meta::{Object, Value};
use gantry_patch::managed::{OneVersion, Writer, record_update};
use serde_json::json;

fn ty(group: &str, version: &str, kind: &str) -> &'static Type {
    catalog().type_of_kind(group, version, kind).unwrap()
}

fn object(value: Value) -> Object {
    let Value::Object(object) = value else { panic!("the test's object is an object") };
    object
}

fn write(ty: &Type, manager: &str, subresource: &str, old: Option<&Object>, new: Value) -> Object {
    let mut new = object(new);
    let reset = catalog().resource("apps", "v1", "deployments").unwrap().reset_fields_of(subresource);
    let now = "2026-11-21T14:20:00.5Z".parse().unwrap();
    record_update(
        Writer { ty, api_version: "v1", manager, subresource, reset, versions: &OneVersion, now },
        old,
        &mut new,
    );
    new
}

/// Manager and fields of each entry.
fn owners(object: &Object) -> Vec<(String, Value)> {
    let entries = object["metadata"].get("managedFields").and_then(Value::as_array);
    let read = |entry: &Value| (entry["manager"].as_str().unwrap_or_default().to_owned(), entry["fieldsV1"].clone());
    entries.into_iter().flatten().map(read).collect()
}

fn config_map(data: Value) -> Value {
    json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a", "labels": {"l": "1"}}, "data": data})
}

#[test]
fn a_create_owns_what_it_sets_and_the_maps_that_hold_it() {
    let made = write(ty("", "v1", "ConfigMap"), "one", "", None, config_map(json!({"k": "v"})));
    assert_eq!(
        made["metadata"]["managedFields"],
        json!([{"manager": "one", "operation": "Update", "apiVersion": "v1", "time": "2026-11-21T14:20:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {".": {}, "f:k": {}}, "f:metadata": {"f:labels": {".": {}, "f:l": {}}}}}])
    );
}

#[test]
fn an_update_owns_what_it_changes_and_nothing_of_what_it_repeats() {
    let ty = ty("", "v1", "ConfigMap");
    let first = write(ty, "one", "", None, config_map(json!({"k": "v", "j": "1"})));
    let second = write(ty, "two", "", Some(&first), config_map(json!({"k": "v", "j": "2"})));
    let labels = json!({"f:labels": {".": {}, "f:l": {}}});
    assert_eq!(
        owners(&second),
        [
            ("one".into(), json!({"f:data": {".": {}, "f:k": {}}, "f:metadata": labels})),
            ("two".into(), json!({"f:data": {"f:j": {}}})),
        ]
    );
    let third = write(ty, "three", "", Some(&second), config_map(json!({"k": "v"})));
    assert_eq!(owners(&third), [("one".into(), json!({"f:data": {".": {}, "f:k": {}}, "f:metadata": labels}))]);
    assert_eq!(owners(&write(ty, "four", "", Some(&third), config_map(json!({"k": "v"})))), owners(&third));
}

#[test]
fn structs_that_the_wire_always_carries_are_not_owned_but_items_and_pointers_are() {
    let deployment = json!({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "a"}, "spec": {
        "replicas": 1, "selector": {"matchLabels": {"a": "b"}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {
            "containers": [{"name": "c", "image": "i", "resources": {}, "ports": [{"containerPort": 80, "protocol": "TCP"}]}],
            "securityContext": {}}}},
        "status": {"replicas": 7}});
    let made = write(ty("apps", "v1", "Deployment"), "one", "", None, deployment);
    let container = json!({".": {}, "f:name": {}, "f:image": {}, "f:resources": {},
        "f:ports": {".": {}, "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}, "f:protocol": {}}}});
    let spec = json!({"f:replicas": {}, "f:selector": {},
        "f:strategy": {"f:type": {}, "f:rollingUpdate": {".": {}, "f:maxSurge": {}}},
        "f:template": {"f:metadata": {"f:labels": {".": {}, "f:a": {}}},
            "f:spec": {"f:containers": {"k:{\"name\":\"c\"}": container}, "f:securityContext": {}}}});
    assert_eq!(owners(&made), [("one".into(), json!({"f:spec": spec}))]);
}

#[test]
fn a_status_write_owns_no_spec() {
    let ty = ty("apps", "v1", "Deployment");
    let of = |replicas: i64| json!({"metadata": {"name": "a"}, "spec": {"replicas": replicas}, "status": {"replicas": replicas}});
    let first = write(ty, "one", "", None, of(1));
    let second = write(ty, "controller", "status", Some(&first), of(2));
    assert_eq!(
        owners(&second),
        [
            ("controller".into(), json!({"f:status": {"f:replicas": {}}})),
            ("one".into(), json!({"f:spec": {"f:replicas": {}}})),
        ]
    );
    assert_eq!(second["metadata"]["managedFields"][0]["subresource"], "status");
}

#[test]
fn an_empty_list_or_entry_forgets_all_owners_for_good() {
    let ty = ty("", "v1", "ConfigMap");
    let first = write(ty, "one", "", None, config_map(json!({"k": "v"})));
    for cleared in [json!([]), json!([{}])] {
        let mut sent = config_map(json!({"k": "w"}));
        sent["metadata"]["managedFields"] = cleared;
        let second = write(ty, "two", "", Some(&first), sent);
        assert_eq!(owners(&second), []);
        assert_eq!(owners(&write(ty, "two", "", Some(&second), config_map(json!({"k": "x"})))), []);
    }
}

#[test]
fn entries_that_a_write_sends_replace_the_stored_ones() {
    let ty = ty("", "v1", "ConfigMap");
    let entry = |version: &str, fields: Value| json!({"manager": "z", "operation": "Update", "apiVersion": version, "fieldsType": "FieldsV1", "fieldsV1": fields});
    let mut made = config_map(json!({"k": "v"}));
    made["metadata"]["managedFields"] = json!([entry("v1", json!({"f:data": {"f:k": {}, "f:gone": {}}}))]);
    let first = write(ty, "one", "", None, made.clone());
    // What a create sets is the writer's, and nobody else's.
    let names: Vec<String> = owners(&first).into_iter().map(|(manager, _)| manager).collect();
    assert_eq!(names, ["z", "one"]);
    assert_eq!(owners(&first)[0].1, json!({"f:data": {"f:gone": {}}}));
    let second = write(ty, "two", "", Some(&first), sent(&first, json!([entry("v1", json!({"f:data": {"f:k": {}}}))])));
    assert_eq!(owners(&second), [("z".into(), json!({"f:data": {"f:k": {}}}))]);
    let forgotten = write(ty, "two", "", Some(&first), sent(&first, json!([])));
    assert!(forgotten["metadata"].get("managedFields").is_none());
    // There is no record beside a version that is none.
    made["metadata"]["managedFields"] = json!([entry("a/b/c", json!({"f:data": {"f:k": {}}}))]);
    assert!(write(ty, "one", "", None, made)["metadata"].get("managedFields").is_none());
}

fn sent(old: &Object, entries: Value) -> Value {
    let mut new = Value::Object(old.clone());
    new["metadata"]["managedFields"] = entries;
    new
}

#[test]
fn entries_that_cannot_be_read_leave_the_stored_ones() {
    let ty = ty("", "v1", "ConfigMap");
    let first = write(ty, "one", "", None, config_map(json!({"k": "v"})));
    let entry = json!({"manager": "z", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {"f:k": {}}}});
    for (member, value) in [
        ("operation", json!("Bogus")),
        ("apiVersion", json!("")),
        ("fieldsType", json!("FieldsV2")),
        ("fieldsType", Value::Null),
        ("fieldsV1", json!("text")),
        ("fieldsV1", json!([])),
        ("fieldsV1", json!({"f:data": 1})),
        ("fieldsV1", json!({"bogus": {}})),
    ] {
        let mut bad = entry.clone();
        bad[member] = value;
        let second = write(ty, "two", "", Some(&first), sent(&first, json!([bad])));
        assert_eq!(owners(&second), owners(&first), "{bad}");
    }
}

#[test]
fn entries_of_a_version_that_is_not_there_go_and_the_writer_is_noted() {
    let ty = ty("", "v1", "ConfigMap");
    let first = write(ty, "one", "", None, config_map(json!({"k": "v"})));
    let mut changed = sent(
        &first,
        json!([{"manager": "z", "operation": "Update", "apiVersion": "v77", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {"f:k": {}}}}]),
    );
    changed["data"]["j"] = json!("w");
    let second = write(ty, "two", "", Some(&first), changed);
    assert_eq!(owners(&second), [("two".into(), json!({"f:data": {"f:j": {}}}))]);
}

#[test]
fn entries_that_are_sent_are_spelled_anew_and_own_wholes_as_wholes() {
    let ty = ty("", "v1", "ConfigMap");
    let first = write(ty, "one", "", None, config_map(json!({"k": "v"})));
    let fields = json!({"f:data": {".": {}, "f:k": {".": {}}}, "f:metadata": {"f:ownerReferences": {"k:{\"uid\": \"u\"}": {"f:name": {}}}}});
    let entries = json!([{"manager": "z", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields}]);
    let second = write(ty, "two", "", Some(&first), sent(&first, entries));
    let spelled =
        json!({"f:data": {".": {}, "f:k": {}}, "f:metadata": {"f:ownerReferences": {"k:{\"uid\":\"u\"}": {}}}});
    assert_eq!(owners(&second), [("z".into(), spelled)]);
}

#[test]
fn a_list_that_is_emptied_is_owned_by_nobody() {
    let ty = ty("networking.k8s.io", "v1", "NetworkPolicy");
    let policy = |ingress: Value| {
        json!({"kind": "NetworkPolicy", "apiVersion": "networking.k8s.io/v1", "metadata": {"name": "a"},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": ingress}})
    };
    let first = write(ty, "one", "", None, policy(json!([])));
    assert_eq!(owners(&first), [("one".into(), json!({"f:spec": {"f:policyTypes": {}}}))]);
    let second = write(ty, "two", "", Some(&first), policy(json!([{"from": []}])));
    assert_eq!(owners(&second)[1], ("two".into(), json!({"f:spec": {"f:ingress": {}}})));
    let third = write(ty, "three", "", Some(&second), policy(json!([])));
    assert_eq!(owners(&third), owners(&first));
}

#[test]
fn a_map_that_is_empty_until_it_is_stored_gets_no_owner() {
    let ty = ty("", "v1", "ConfigMap");
    let made = write(ty, "one", "", None, config_map(json!({})));
    assert_eq!(owners(&made), [("one".into(), json!({"f:metadata": {"f:labels": {".": {}, "f:l": {}}}}))]);
}
