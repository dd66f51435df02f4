//! Server-side apply on the real field tables.

use gantry_kinds::{FieldNames, List, Text, catalog};
use gantry_meta::{Object, Value};
use gantry_patch::{
    PatchError,
    managed::{OneVersion, Writer, apply, record_update},
};
use serde_json::json;

const STATUS: &[FieldNames] = &[List::Borrowed(&[Text::Borrowed("status")])];
const METADATA: &[FieldNames] = &[List::Borrowed(&[Text::Borrowed("metadata")])];

struct World {
    kind: &'static str,
    group: &'static str,
    live: Option<Object>,
}

impl World {
    fn of(group: &'static str, kind: &'static str) -> Self {
        Self { kind, group, live: None }
    }

    fn writer<'a>(&self, manager: &'a str) -> Writer<'a> {
        let ty = catalog().type_of_kind(self.group, "v1", self.kind).unwrap();
        let now = "2026-11-21T14:20:00Z".parse().unwrap();
        Writer { ty, api_version: "v1", manager, subresource: "", reset: STATUS, versions: &OneVersion, now }
    }

    fn try_apply(&mut self, manager: &str, config: Value, force: bool) -> Result<(), PatchError> {
        let Value::Object(mut config) = config else { panic!("the test's configuration is an object") };
        config
            .entry("metadata")
            .or_insert_with(|| json!({}))
            .as_object_mut()
            .unwrap()
            .insert("name".into(), "a".into());
        let mut applied = apply(self.writer(manager), self.live.as_ref(), &config, force)?;
        // What decoding does: null is absent.
        applied.retain(|_, value| !value.is_null());
        self.live = Some(applied);
        Ok(())
    }

    fn apply(&mut self, manager: &str, config: Value) {
        self.try_apply(manager, config, false).unwrap_or_else(|error| panic!("{manager}: {error:?}"));
    }

    fn update(&mut self, manager: &str, object: Value) {
        let Value::Object(mut object) = object else { panic!("the test's object is an object") };
        record_update(self.writer(manager), self.live.as_ref(), &mut object);
        self.live = Some(object);
    }

    fn get(&self, pointer: &str) -> Value {
        Value::Object(self.live.clone().unwrap()).pointer(pointer).cloned().unwrap_or_default()
    }

    fn owners(&self) -> Vec<(String, Value)> {
        let entries = self.get("/metadata/managedFields");
        let read = |e: &Value| {
            (format!("{} {}", e["operation"].as_str().unwrap(), e["manager"].as_str().unwrap()), e["fieldsV1"].clone())
        };
        entries.as_array().map(|list| list.iter().map(read).collect()).unwrap_or_default()
    }
}

fn conflicts(result: Result<(), PatchError>) -> Vec<String> {
    match result {
        Err(PatchError::Conflicts(list)) => list.into_iter().map(|conflict| conflict.field).collect(),
        other => panic!("no conflict but {other:?}"),
    }
}

#[test]
fn an_applier_owns_what_it_states_and_loses_what_it_leaves_out() {
    let mut map = World::of("", "ConfigMap");
    map.apply("one", json!({"metadata": {"labels": {"l": "1"}}, "data": {"a": "1", "b": "2"}}));
    map.apply("one", json!({"data": {"b": "2"}}));
    assert_eq!(map.get("/data"), json!({"b": "2"}));
    assert_eq!(map.get("/metadata/name"), "a");
    assert_eq!(map.get("/metadata/labels"), Value::Null);
    assert_eq!(map.owners(), [("Apply one".into(), json!({"f:data": {"f:b": {}}}))]);
    map.apply("one", json!({}));
    assert_eq!((map.get("/data"), map.owners()), (Value::Null, vec![]));
}

#[test]
fn what_another_owns_conflicts_unless_forced() {
    let mut map = World::of("", "ConfigMap");
    map.apply("one", json!({"data": {"a": "1", "b": "2"}}));
    assert_eq!(conflicts(map.try_apply("two", json!({"data": {"a": "9", "b": "2"}}), false)), [".data.a"]);
    map.try_apply("two", json!({"data": {"a": "9", "b": "2"}}), true).unwrap();
    assert_eq!(map.get("/data"), json!({"a": "9", "b": "2"}));
    assert_eq!(
        map.owners(),
        [
            ("Apply one".into(), json!({"f:data": {"f:b": {}}})),
            ("Apply two".into(), json!({"f:data": {"f:a": {}, "f:b": {}}})),
        ]
    );
}

#[test]
fn a_shared_field_stays_until_its_last_owner_lets_go() {
    let mut map = World::of("", "ConfigMap");
    map.apply("one", json!({"data": {"a": "1"}}));
    map.apply("two", json!({"data": {"a": "1"}}));
    map.apply("one", json!({}));
    assert_eq!(map.get("/data"), json!({"a": "1"}));
    map.apply("two", json!({}));
    assert_eq!(map.get("/data"), Value::Null);
}

#[test]
fn containers_and_ports_are_owned_item_by_item() {
    let mut deployment = World::of("apps", "Deployment");
    let with = |containers: Value| json!({"spec": {"template": {"spec": {"containers": containers}}}});
    deployment.apply("one", with(json!([{"name": "c", "image": "1", "ports": [{"containerPort": 80}]}])));
    deployment.apply("two", with(json!([{"name": "d", "image": "2"}])));
    deployment.apply("one", with(json!([{"name": "c", "image": "3"}])));
    let containers = deployment.get("/spec/template/spec/containers");
    assert_eq!(containers, json!([{"name": "c", "image": "3"}, {"name": "d", "image": "2"}]));
    deployment.apply("one", json!({}));
    assert_eq!(deployment.get("/spec/template/spec/containers"), json!([{"name": "d", "image": "2"}]));
}

#[test]
fn an_item_leaves_with_what_nobody_owns_in_it() {
    let mut deployment = World::of("apps", "Deployment");
    let with = |containers: Value| json!({"spec": {"template": {"spec": {"containers": containers}}}});
    deployment.apply("one", with(json!([{"name": "c", "image": "1"}, {"name": "d", "image": "2"}])));
    let live = deployment.live.as_mut().unwrap();
    live["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "Always".into();
    deployment.apply("one", with(json!([{"name": "d", "image": "2"}])));
    assert_eq!(deployment.get("/spec/template/spec/containers"), json!([{"name": "d", "image": "2"}]));
}

#[test]
fn updates_own_what_they_change_and_an_applier_conflicts_with_them() {
    let mut map = World::of("", "ConfigMap");
    map.update("editor", json!({"metadata": {"name": "a"}, "data": {"a": "1"}}));
    assert_eq!(conflicts(map.try_apply("one", json!({"data": {"a": "2"}}), false)), [".data.a"]);
    map.apply("one", json!({"data": {"a": "1", "b": "2"}}));
    assert_eq!(
        map.owners(),
        [
            ("Apply one".into(), json!({"f:data": {"f:a": {}, "f:b": {}}})),
            ("Update editor".into(), json!({"f:data": {".": {}, "f:a": {}}})),
        ]
    );
}

#[test]
fn an_object_without_a_record_belongs_to_before_first_apply() {
    let mut map = World::of("", "ConfigMap");
    map.live = Some(json!({"metadata": {"name": "a", "uid": "u"}, "data": {"k": "v"}}).as_object().unwrap().clone());
    map.apply("one", json!({"data": {"j": "1"}}));
    assert_eq!(
        map.owners(),
        [
            ("Apply one".into(), json!({"f:data": {"f:j": {}}})),
            ("Update before-first-apply".into(), json!({"f:data": {".": {}, "f:k": {}}})),
        ]
    );
}

#[test]
fn applying_what_is_there_only_adds_an_owner_without_a_time() {
    let mut map = World::of("", "ConfigMap");
    map.apply("one", json!({"data": {"a": "1"}}));
    map.apply("two", json!({"data": {"a": "1"}}));
    let entries = map.get("/metadata/managedFields");
    assert_eq!((&entries[0]["manager"], entries[0].get("time")), (&json!("two"), None));
}

#[test]
fn kubectl_takes_over_what_client_side_apply_left() {
    const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
    let mut map = World::of("", "ConfigMap");
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}});
    let annotations = json!({ANNOTATION: config.to_string()});
    map.update(
        "kubectl-client-side-apply",
        json!({"metadata": {"name": "a", "annotations": annotations}, "data": {"k": "v"}}),
    );
    let next = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "w"}});
    assert_eq!(conflicts(map.try_apply("other", next.clone(), false)), [".data.k"]);
    map.apply("kubectl", next);
    assert_eq!(map.get("/data/k"), "w");
    let left = map.get("/metadata/annotations")[ANNOTATION].as_str().unwrap().to_owned();
    assert_eq!(serde_json::from_str::<Value>(&left).unwrap()["data"]["k"], "w");
}

#[test]
fn configurations_that_do_not_fit_the_type_are_refused() {
    for config in [
        json!({"dota": {}}),
        json!({"data": {"k": 5}}),
        json!({"metadata": {"managedFields": []}}),
        json!({"metadata": {"finalizers": ["x/a", "x/a"]}}),
        json!({"metadata": {"finalizers": [null]}}),
        json!({"metadata": {"finalizers": [{}]}}),
        json!({"metadata": {"ownerReferences": [null]}}),
    ] {
        let result = World::of("", "ConfigMap").try_apply("one", config.clone(), false);
        assert!(matches!(result, Err(PatchError::Malformed(_))), "{config} gave {result:?}");
    }
}

#[test]
fn what_is_owned_as_a_whole_is_of_its_type_all_the_same() {
    let mut role = World::of("rbac.authorization.k8s.io", "Role");
    let rule = |more: Value| json!({"rules": [{"verbs": ["get"], "resources": more}]});
    assert!(matches!(role.try_apply("one", rule(json!("pods")), false), Err(PatchError::Malformed(_))));
    let unknown = json!({"rules": [{"verbs": ["get"], "verb": "get"}]});
    assert!(matches!(role.try_apply("one", unknown, false), Err(PatchError::Malformed(_))));
    role.apply("one", rule(json!(["pods"])));
}

#[test]
fn an_empty_list_is_stated_and_owned() {
    let mut node = World::of("", "Node");
    node.apply("one", json!({"spec": {"taints": []}}));
    node.live.as_mut().unwrap().remove("spec");
    assert_eq!(conflicts(node.try_apply("two", json!({"spec": {"taints": []}}), false)), [".spec.taints"]);
    node.apply("one", json!({"metadata": {"ownerReferences": []}, "spec": {"taints": []}}));
    let fields = json!({"f:metadata": {"f:ownerReferences": {}}, "f:spec": {"f:taints": {}}});
    // A list of items is owned by its items, and this one has none.
    let without_items = json!({"f:spec": {"f:taints": {}}});
    assert!([fields, without_items].contains(&node.owners()[0].1));
}

#[test]
fn what_a_request_cannot_set_does_not_conflict() {
    let mut map = World::of("", "ConfigMap");
    map.apply("one", json!({"metadata": {"labels": {"l": "1"}}, "data": {"k": "v"}}));
    let Value::Object(config) = json!({"metadata": {"name": "a", "labels": {"l": "2"}}, "data": {"j": "w"}}) else {
        unreachable!("json! made an object")
    };
    let writer = Writer { reset: METADATA, ..map.writer("two") };
    let applied = apply(writer, map.live.as_ref(), &config, false).unwrap();
    let owned = applied["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(owned[0]["fieldsV1"], json!({"f:data": {"f:k": {}}, "f:metadata": {"f:labels": {"f:l": {}}}}));
    assert_eq!(owned[1]["fieldsV1"], json!({"f:data": {"f:j": {}}}));
}

#[test]
fn zeros_that_only_the_wire_carries_are_not_stated() {
    let mut node = World::of("", "Node");
    node.apply("one", json!({"spec": {"configSource": {"configMap": {"name": "n"}}}}));
    let fields = json!({"f:spec": {"f:configSource": {"f:configMap": {"f:name": {}}}}});
    assert_eq!(node.owners(), [("Apply one".into(), fields.clone())]);
    node.live.as_mut().unwrap().remove("spec");
    node.update("two", json!({"metadata": node.get("/metadata"), "spec": {"unschedulable": true}}));
    let stated = json!({"spec": {"configSource": {"configMap": {"name": "m"}}}});
    let contested = conflicts(node.try_apply("three", stated, false));
    assert_eq!(contested, [".spec.configSource.configMap.name"]);
}

#[test]
fn keys_that_an_item_lacks_are_no_part_of_its_name() {
    let mut claim = World::of("resource.k8s.io", "ResourceClaim");
    let device = |more: Value| {
        let mut device = json!({"driver": "d", "pool": "p", "device": "x", "data": {"a": 1}});
        device.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        device
    };
    let config = json!({"status": {"devices": [device(json!({})), device(json!({"shareID": "s"}))]}});
    let Value::Object(config) = config else { unreachable!("json! made an object") };
    let applied = apply(Writer { reset: &[], ..claim.writer("one") }, None, &config, false).unwrap();
    claim.live = Some(applied);
    let devices = claim.owners().remove(0).1["f:status"]["f:devices"].clone();
    let keys: Vec<&String> = devices.as_object().unwrap().keys().collect();
    let names =
        [r#"k:{"device":"x","driver":"d","pool":"p","shareID":"s"}"#, r#"k:{"device":"x","driver":"d","pool":"p"}"#];
    assert_eq!(keys, names);
}
