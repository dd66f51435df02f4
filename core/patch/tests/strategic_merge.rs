//! Strategic merge patches on the real field tables.

use gantry_kinds::catalog;
use gantry_meta::Value;
use gantry_patch::{PatchError, strategic};
use serde_json::json;

fn patched(kind: &str, object: &Value, patch: &Value) -> Result<Value, PatchError> {
    let ty = catalog().type_of_kind("", "v1", kind).unwrap();
    let object = object.as_object().unwrap();
    strategic::apply(ty, object, patch).map(Value::Object)
}

fn pod(spec: Value) -> Value {
    json!({"spec": spec})
}

#[track_caller]
fn pod_becomes(before: Value, patch: Value, after: Value) {
    assert_eq!(patched("Pod", &pod(before), &pod(patch)), Ok(pod(after)));
}

#[test]
fn items_merge_by_their_key_and_new_ones_come_in_the_patchs_order() {
    let server = json!({"containers": [{"name": "one", "image": "1"}, {"name": "two", "image": "2"}]});
    let patch = json!({"containers": [{"name": "four", "image": "4"}, {"name": "one", "tty": true}]});
    let after = json!({"containers": [
        {"name": "four", "image": "4"}, {"name": "one", "image": "1", "tty": true}, {"name": "two", "image": "2"}]});
    pod_becomes(server, patch, after);
}

#[test]
fn items_of_the_server_stay_behind_a_new_item_that_follows_a_known_one() {
    let ports = |list: Value| json!({"containers": [{"name": "c", "ports": list}]});
    let server = ports(json!([{"containerPort": 80}, {"containerPort": 53}]));
    let patch = ports(json!([{"containerPort": 80, "hostPort": 8080}, {"containerPort": 443}]));
    let after = ports(json!([{"containerPort": 80, "hostPort": 8080}, {"containerPort": 443}, {"containerPort": 53}]));
    pod_becomes(server, patch, after);
}

#[test]
fn directives_delete_and_replace() {
    let server =
        json!({"containers": [{"name": "a"}, {"name": "b"}], "securityContext": {"runAsUser": 1, "fsGroup": 2}});
    pod_becomes(
        server.clone(),
        json!({"containers": [{"$patch": "delete", "name": "a"}], "securityContext": {"$patch": "replace", "runAsUser": 7}}),
        json!({"containers": [{"name": "b"}], "securityContext": {"runAsUser": 7}}),
    );
    pod_becomes(
        server,
        json!({"containers": [{"$patch": "replace"}, {"name": "c"}], "securityContext": {"$patch": "delete"}}),
        json!({"containers": [{"name": "c"}], "securityContext": {}}),
    );
}

#[test]
fn retain_keys_removes_what_it_does_not_list() {
    let server = json!({"volumes": [{"name": "v", "emptyDir": {}}]});
    let patch = json!({"volumes": [{"$retainKeys": ["name", "configMap"], "name": "v", "configMap": {"name": "c"}}]});
    pod_becomes(server.clone(), patch, json!({"volumes": [{"name": "v", "configMap": {"name": "c"}}]}));
    let uncovered = pod(json!({"volumes": [{"$retainKeys": ["name"], "name": "v", "configMap": {}}]}));
    assert!(matches!(patched("Pod", &pod(server), &uncovered), Err(PatchError::Malformed(_))));
}

#[test]
fn an_element_order_arranges_the_merged_list() {
    let server = json!({"containers": [{"name": "a"}, {"name": "b"}, {"name": "c"}]});
    // b followed a and preceded c on the server: it keeps its place before c.
    let patch = json!({"$setElementOrder/containers": [{"name": "c"}, {"name": "d"}, {"name": "a"}],
        "containers": [{"name": "d"}]});
    let after = json!({"containers": [{"name": "b"}, {"name": "c"}, {"name": "d"}, {"name": "a"}]});
    pod_becomes(server, patch, after);
}

#[test]
fn an_item_added_where_another_is_deleted_comes_after_those_of_the_server() {
    let server = json!({"volumes": [{"name": "a"}, {"name": "b"}, {"name": "c"}]});
    let order = json!([{"name": "e"}, {"name": "d"}]);
    let swap =
        json!({"$setElementOrder/volumes": order, "volumes": [{"name": "e"}, {"name": "a", "$patch": "delete"}]});
    pod_becomes(server.clone(), swap, json!({"volumes": [{"name": "b"}, {"name": "c"}, {"name": "e"}]}));
    let both = json!({"$setElementOrder/volumes": [{"name": "d"}, {"name": "e"}],
        "volumes": [{"name": "d"}, {"name": "c", "$patch": "delete"}, {"name": "e"}]});
    let after = json!({"volumes": [{"name": "a"}, {"name": "b"}, {"name": "d"}, {"name": "e"}]});
    pod_becomes(server, both, after);
}

#[test]
fn what_is_new_and_carries_a_directive_is_nothing() {
    let server = json!({"containers": [{"name": "a"}], "securityContext": {"runAsUser": 1}});
    let patch = json!({"dnsConfig": {"$patch": "replace", "searches": ["x"]}, "tolerations": [{"$patch": "delete"}],
        "nodeSelector": {"k": "v", "gone": null}, "securityContext": {"seLinuxOptions": {"$patch": "merge"}}});
    let after = json!({"containers": [{"name": "a"}], "securityContext": {"runAsUser": 1}, "tolerations": [],
        "nodeSelector": {"k": "v"}});
    pod_becomes(server, patch, after);
}

#[test]
fn a_list_that_is_replaced_has_an_order_too_and_a_null_deletes_it() {
    let container = |args: Value| json!({"containers": [{"name": "c", "args": args}]});
    let patch = |change: Value| {
        let mut item = json!({"name": "c"});
        item.as_object_mut().unwrap().extend(change.as_object().cloned().unwrap());
        json!({ "containers": [item] })
    };
    let server = container(json!(["x", "y", "z"]));
    pod_becomes(server.clone(), patch(json!({"$setElementOrder/args": ["z", "x"]})), container(json!(["y", "z", "x"])));
    pod_becomes(server.clone(), patch(json!({"$deleteFromPrimitiveList/args": ["y"]})), container(json!(["x", "z"])));
    pod_becomes(server, patch(json!({"$deleteFromPrimitiveList/args": null})), json!({"containers": [{"name": "c"}]}));
}

#[test]
fn finalizers_are_a_set() {
    let of = |list: Value| json!({"metadata": {"finalizers": list}});
    let server = of(json!(["x/a", "x/b"]));
    assert_eq!(patched("ConfigMap", &server, &of(json!(["x/c", "x/a"]))), Ok(of(json!(["x/c", "x/a", "x/b"]))));
    let delete = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["x/a", "x/z"]}});
    assert_eq!(patched("ConfigMap", &server, &delete), Ok(of(json!(["x/b"]))));
    let ordered = json!({"metadata": {"$setElementOrder/finalizers": ["x/d", "x/b", "x/a"], "finalizers": ["x/d"]}});
    assert_eq!(patched("ConfigMap", &server, &ordered), Ok(of(json!(["x/d", "x/b", "x/a"]))));
}

#[test]
fn lists_without_a_merge_key_and_nulls_are_plain() {
    let server = json!({"containers": [{"name": "c", "args": ["a", "b"]}], "tolerations": [{"key": "a"}]});
    let patch = json!({"containers": [{"name": "c", "args": ["z"]}], "tolerations": null});
    pod_becomes(server, patch, json!({"containers": [{"name": "c", "args": ["z"]}]}));
}

#[test]
fn what_cannot_be_followed_is_malformed() {
    let server = pod(json!({"containers": [{"name": "a"}]}));
    for patch in [
        json!({"containers": [{"image": "x"}]}),
        json!({"containers": [{"$patch": "delete"}]}),
        json!({"containers": [{"$patch": "frobnicate", "name": "a"}]}),
        json!({"$setElementOrder/containers": [{"name": "z"}], "containers": [{"name": "a"}]}),
        json!({"$patch": "odd"}),
        json!({"$patch": "merge"}),
        json!({"$setElementOrder/containers": [{"name": "a"}], "containers": null}),
        json!({"$setElementOrder/nothing": [{"name": "a"}]}),
    ] {
        let result = patched("Pod", &server, &pod(patch.clone()));
        assert!(matches!(result, Err(PatchError::Malformed(_))), "{patch} gave {result:?}");
    }
}

#[test]
fn a_struct_that_its_type_has_replaced_is_not_merged() {
    let ty = catalog().type_of_kind("policy", "v1", "PodDisruptionBudget").unwrap();
    let budget = json!({"spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}});
    let patch = json!({"spec": {"selector": {"matchLabels": {"c": "d"}}}});
    let patched = strategic::apply(ty, budget.as_object().unwrap(), &patch).unwrap();
    assert_eq!(patched["spec"], json!({"minAvailable": 1, "selector": {"matchLabels": {"c": "d"}}}));
}

#[test]
fn an_item_of_the_server_without_its_merge_key_cannot_be_merged_with() {
    let server = json!({"secrets": [{"name": "a"}, {}]});
    let patch = json!({"secrets": [{"name": "b"}]});
    assert!(matches!(patched("ServiceAccount", &server, &patch), Err(PatchError::Malformed(_))));
}

#[test]
fn values_are_not_deleted_from_a_list_of_objects_that_has_no_merge_key() {
    let server = pod(json!({"tolerations": [{"key": "a"}]}));
    let patch = pod(json!({"$deleteFromPrimitiveList/tolerations": [{"key": "a"}]}));
    assert!(matches!(patched("Pod", &server, &patch), Err(PatchError::Malformed(_))));
}

/// Each compared with each, this would take minutes.
#[test]
fn long_lists_merge_in_any_order() {
    const ITEMS: usize = 10_000;
    let item = |at: usize| json!({"name": format!("item-{at:06}"), "value": "x"});
    let items: Vec<Value> = (0..ITEMS).map(item).collect();
    let of = |env: &[Value]| pod(json!({"containers": [{"name": "c", "env": env}]}));
    let backwards: Vec<Value> = items.iter().rev().cloned().collect();
    let patch = |container: Value| pod(json!({ "containers": [container] }));
    let order: Vec<Value> = backwards.iter().map(|item| json!({"name": item["name"]})).collect();
    let deleted: Vec<Value> = order.iter().map(|item| json!({"name": item["name"], "$patch": "delete"})).collect();
    assert_eq!(patched("Pod", &of(&items), &of(&backwards)), Ok(of(&backwards)));
    let ordered = patch(json!({"name": "c", "$setElementOrder/env": order}));
    assert_eq!(patched("Pod", &of(&items), &ordered), Ok(of(&backwards)));
    let emptied = patch(json!({"name": "c", "env": deleted}));
    assert_eq!(patched("Pod", &of(&items), &emptied), Ok(of(&[])));
}
