//! Entries of several versions of one kind.

use gantry_kinds::{Type, catalog};
use gantry_meta::{Object, Value};
use gantry_patch::{
    PatchError,
    managed::{Versions, Writer, apply, record_update},
};
use serde_json::json;

const OLD: &str = "autoscaling/v1";
const NEW: &str = "autoscaling/v2";

/// Autoscalers: the older version's percentage is the newer one's metrics.
struct Autoscalers;

fn ty(api_version: &str) -> Option<&'static Type> {
    catalog().type_of_kind("autoscaling", api_version.strip_prefix("autoscaling/")?, "HorizontalPodAutoscaler")
}

impl Versions for Autoscalers {
    fn convert(&self, object: &Object, from: &str, to: &str) -> Option<(&Type, Object)> {
        let (_, ty) = (ty(from)?, ty(to)?);
        let mut object = object.clone();
        object.insert("apiVersion".into(), to.into());
        let spec = object.entry("spec").or_insert_with(|| json!({})).as_object_mut()?;
        if let (OLD, Some(percent)) = (from, spec.remove("targetCPUUtilizationPercentage")) {
            spec.insert("metrics".into(), json!([{"type": "Resource", "resource": {"name": percent.to_string()}}]));
        } else if let (NEW, Some(metrics)) = (from, spec.remove("metrics")) {
            let percent =
                metrics.pointer("/0/resource/name").and_then(Value::as_str).and_then(|text| text.parse().ok());
            spec.extend(percent.map(|percent: i64| ("targetCPUUtilizationPercentage".to_owned(), percent.into())));
        }
        Some((ty, object))
    }
}

fn writer(api_version: &'static str, manager: &'static str) -> Writer<'static> {
    let now = "2026-11-21T14:20:00Z".parse().unwrap();
    let ty = ty(api_version).unwrap();
    Writer { ty, api_version, manager, subresource: "", reset: &[], versions: &Autoscalers, now }
}

fn object(value: Value) -> Object {
    value.as_object().cloned().unwrap()
}

fn scaler(api_version: &str, spec: Value) -> Object {
    object(
        json!({"apiVersion": api_version, "kind": "HorizontalPodAutoscaler", "metadata": {"name": "a"}, "spec": spec}),
    )
}

/// What a reader of version `to` is shown, the record with it.
fn seen(live: &Object, from: &str, to: &str) -> Object {
    Autoscalers.convert(live, from, to).unwrap().1
}

fn owners(object: &Object) -> Vec<(String, String, Value)> {
    let text = |entry: &Value, member: &str| entry[member].as_str().unwrap_or_default().to_owned();
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    entries.map(|e| (text(e, "manager"), text(e, "apiVersion"), e["fieldsV1"]["f:spec"].clone())).collect()
}

fn old_percentage() -> Object {
    apply(
        writer(OLD, "one"),
        None,
        &scaler(OLD, json!({"maxReplicas": 3, "targetCPUUtilizationPercentage": 50})),
        false,
    )
    .unwrap()
}

#[test]
fn an_owner_of_another_version_conflicts_by_its_own_field() {
    let live = seen(&old_percentage(), OLD, NEW);
    let config = scaler(NEW, json!({"metrics": [{"type": "Resource", "resource": {"name": "60"}}]}));
    let Err(PatchError::Conflicts(conflicts)) = apply(writer(NEW, "two"), Some(&live), &config, false) else {
        panic!("the percentage is another's")
    };
    let fields: Vec<&str> = conflicts.iter().map(|conflict| &*conflict.field).collect();
    assert_eq!(fields, [".spec.targetCPUUtilizationPercentage"]);
    let forced = apply(writer(NEW, "two"), Some(&live), &config, true).unwrap();
    let left = [
        ("one".into(), OLD.into(), json!({"f:maxReplicas": {}})),
        ("two".into(), NEW.into(), json!({"f:metrics": {}})),
    ];
    assert_eq!(owners(&forced), left);
}

#[test]
fn an_update_takes_from_owners_of_other_versions_and_drops_those_of_none() {
    let mut live = old_percentage();
    let stranger = json!({"manager": "x", "operation": "Update", "apiVersion": "autoscaling/v7", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:maxReplicas": {}}}});
    live["metadata"]["managedFields"].as_array_mut().unwrap().push(stranger);
    let live = seen(&live, OLD, NEW);
    let mut new = live.clone();
    new["spec"]["metrics"][0]["resource"]["name"] = "70".into();
    record_update(writer(NEW, "two"), Some(&live), &mut new);
    let left = [
        ("one".into(), OLD.into(), json!({"f:maxReplicas": {}})),
        ("two".into(), NEW.into(), json!({"f:metrics": {}})),
    ];
    assert_eq!(owners(&new), left);
}

#[test]
fn what_an_applier_stated_in_another_version_goes_when_it_states_it_no_longer() {
    let live = seen(&old_percentage(), OLD, NEW);
    let applied = apply(writer(NEW, "one"), Some(&live), &scaler(NEW, json!({"maxReplicas": 3})), false).unwrap();
    assert_eq!(applied["spec"], json!({"maxReplicas": 3}));
    assert_eq!(owners(&applied), [("one".into(), NEW.into(), json!({"f:maxReplicas": {}}))]);
}

#[test]
fn what_another_owns_in_its_version_stays() {
    let live = old_percentage();
    let config = scaler(OLD, json!({"targetCPUUtilizationPercentage": 50}));
    let shared = apply(writer(OLD, "two"), Some(&live), &config, false).unwrap();
    let shared = seen(&shared, OLD, NEW);
    let applied = apply(writer(NEW, "one"), Some(&shared), &scaler(NEW, json!({"maxReplicas": 3})), false).unwrap();
    assert_eq!(seen(&applied, NEW, OLD)["spec"], json!({"maxReplicas": 3, "targetCPUUtilizationPercentage": 50}));
}
