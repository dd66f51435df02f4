//! What the expressions of policies, webhooks and device selectors may name, and what they have to come to.

use serde_json::{Value, json};

use super::support::create;

fn conditions(expression: &str) -> Vec<String> {
    let webhook = json!({"name": "a.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": "https://hooks.example/x"}, "matchConditions": [{"name": "c", "expression": expression}]});
    create("admissionregistration.k8s.io/validatingwebhookconfigurations", json!({"webhooks": [webhook]}))
}

fn selector(expression: &str) -> Vec<String> {
    let selectors = json!([{"cel": {"expression": expression}}]);
    create("resource.k8s.io/deviceclasses", json!({"spec": {"selectors": selectors}}))
}

fn policy(spec: Value) -> Vec<String> {
    let mut all = json!({"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [
        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]}});
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    create("admissionregistration.k8s.io/validatingadmissionpolicies", json!({ "spec": all }))
}

#[test]
fn a_condition_is_a_truth_value_and_no_unknown() {
    for fine in
        ["object.ready == true", "request.dryRun", "has(object.x)", "request.userInfo.groups.exists(g, g == 'x')"]
    {
        assert!(conditions(fine).is_empty(), "{fine}: {:?}", conditions(fine));
    }
    for wrong in ["object.ready", "request.name", "oldObject", "[1]", "dyn(true)"] {
        assert_eq!(conditions(wrong), ["Invalid:webhooks[0].matchConditions[0].expression"], "{wrong}");
    }
}

#[test]
fn requests_and_namespaces_have_the_fields_they_have() {
    for fine in ["request.kind.version == 'v1'", "namespaceObject.metadata.labels['team'] == 'a'"] {
        assert!(conditions(fine).is_empty(), "{fine}: {:?}", conditions(fine));
    }
    for wrong in ["request.object == null", "namespaceObject.data == null", "has(request.kind.plural)"] {
        assert_eq!(conditions(wrong).len(), 1, "{wrong}");
    }
}

#[test]
fn variables_have_the_type_of_their_expression_where_that_is_plain() {
    let with = |variable: &str, check: &str| {
        policy(json!({"variables": [{"name": "v", "expression": variable}], "validations": [{"expression": check}]}))
    };
    assert_eq!(with("request.name", "variables.v > 3"), ["Invalid:spec.validations[0].expression"]);
    assert!(with("request.userInfo", "variables.v > 3").is_empty(), "what has fields is not followed");
    assert!(with("object.n", "variables.v > 3").is_empty());
}

#[test]
fn a_selector_that_costs_too_much_is_forbidden() {
    let over = |inner: &str| format!("device.attributes.all(a, device.attributes.all(b, {inner}))");
    assert!(selector(&over("a != b")).is_empty());
    let deeper = over(&over("device.attributes.exists(c, c == a)"));
    assert_eq!(selector(&deeper), ["Forbidden:spec.selectors[0].cel.expression"]);
    assert!(selector("cel.bind(own, device.attributes['dra.example'], own.cores > 2)").is_empty());
}
