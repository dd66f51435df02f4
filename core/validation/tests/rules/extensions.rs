//! Webhooks, policies, definitions.

use serde_json::{Value, json};

use crate::support::create;

const NOTHING: [&str; 0] = [];

fn webhook(config: Value) -> Value {
    let hook = json!({"name": "a.example.com", "clientConfig": config, "sideEffects": "None",
        "admissionReviewVersions": ["v1"]});
    json!({ "webhooks": [hook] })
}

#[test]
fn urls_of_webhooks_are_https_with_a_host() {
    let at = "webhooks[0].clientConfig.url";
    for (url, reasons) in [
        ("https://h.example.com/a", vec![]),
        ("HTTPS://h/a", vec![]),
        ("x", vec!["Invalid", "Invalid"]),
        ("http://h", vec!["Invalid"]),
        ("https:///a", vec!["Invalid"]),
        ("https://u@h/?q=1#f", vec!["Invalid", "Invalid", "Invalid"]),
        ("::1", vec!["Required"]),
        ("https://h/%zz", vec!["Required"]),
        ("https://h/\n", vec!["Required"]),
    ] {
        let causes: Vec<String> = reasons.iter().map(|reason| format!("{reason}:{at}")).collect();
        let body = webhook(json!({ "url": url }));
        assert_eq!(create("admissionregistration.k8s.io/validatingwebhookconfigurations", body), causes, "{url:?}");
    }
}

#[test]
fn name_and_namespace_of_a_service_are_reported_for_each_other() {
    let body = webhook(json!({"service": {"name": "s", "namespace": ""}}));
    assert_eq!(
        create("admissionregistration.k8s.io/mutatingwebhookconfigurations", body),
        ["Required:webhooks[0].clientConfig.service.name"]
    );
}

#[test]
fn policies_that_mutate_are_about_what_is_written() {
    let policy = |operation: &str, resources: Value| {
        let rule = json!({"operations": [operation], "apiGroups": [""], "apiVersions": ["v1"], "resources": resources});
        let mutation = json!({"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "Object{}"}});
        json!({"spec": {"matchConstraints": {"resourceRules": [rule]}, "mutations": [mutation],
            "reinvocationPolicy": "Never"}})
    };
    let kind = "admissionregistration.k8s.io/mutatingadmissionpolicies";
    for (operation, causes) in [
        ("CREATE", vec![]),
        ("*", vec![]),
        ("DELETE", vec!["NotSupported:spec.matchConstraints.resourceRules.operations"]),
    ] {
        assert_eq!(create(kind, policy(operation, json!(["pods"]))), causes, "{operation}");
    }
    assert_eq!(create(kind, policy("*", json!(["pods", "*"]))), NOTHING);
    let at = "Invalid:spec.matchConstraints.resourceRules[0].resources";
    assert_eq!(create(kind, policy("*", json!(["*", "pods"]))), [at]);
}

fn definition(schema: Value) -> Value {
    let versions = json!([{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]);
    json!({"metadata": {"name": "as.example.com"}, "status": {"storedVersions": ["v1"]},
        "spec": {"group": "example.com", "scope": "Namespaced", "versions": versions,
            "names": {"plural": "as", "singular": "a", "kind": "A", "listKind": "AList"}}})
}

#[test]
fn defaults_are_values_of_their_schema_and_nothing_besides() {
    let at = "spec.validation.openAPIV3Schema.properties[a].default";
    for (property, causes) in [
        (json!({"type": "string", "default": "x"}), vec![]),
        (json!({"type": "string", "enum": ["x"], "default": 1}), vec!["TypeInvalid:{}", "NotSupported:{}"]),
        (json!({"type": "string", "default": {"b": 1}}), vec!["Invalid:{}", "TypeInvalid:{}"]),
        (json!({"type": "object", "default": {"b": 1, "c": 2}}), vec!["Invalid:{}"]),
        (
            json!({"type": "object", "default": {}, "x-kubernetes-embedded-resource": true,
                "x-kubernetes-preserve-unknown-fields": true}),
            vec!["Required:{}.apiVersion", "Required:{}.kind"],
        ),
    ] {
        let schema = json!({"type": "object", "properties": {"a": property}});
        let causes: Vec<String> = causes.into_iter().map(|cause| cause.replace("{}", at)).collect();
        let found = create("apiextensions.k8s.io/customresourcedefinitions", definition(schema));
        let sorted = |mut causes: Vec<String>| {
            causes.sort();
            causes
        };
        assert_eq!(sorted(found), sorted(causes), "{property}");
    }
}

#[test]
fn schemas_do_not_name_a_dialect_or_refer_to_others() {
    for (schema, causes) in [
        (json!({"type": "object", "$schema": "x"}), vec!["Invalid:spec.validation.openAPIV3Schema"]),
        (json!({"type": "object", "$ref": ""}), vec!["Forbidden:spec.validation.openAPIV3Schema.$ref"]),
    ] {
        assert_eq!(create("apiextensions.k8s.io/customresourcedefinitions", definition(schema)), causes);
    }
}

#[test]
fn rules_whose_data_may_be_too_large_are_refused() {
    let rule = |mut schema: Value, rule: &str| {
        schema["x-kubernetes-validations"] = json!([{ "rule": rule }]);
        json!({"type": "object", "properties": {"a": schema}})
    };
    let (at, root) = ("spec.validation.openAPIV3Schema.properties[a]", "spec.validation.openAPIV3Schema");
    let words = |limits: Value, items: Value| {
        let mut schema = json!({"type": "array", "items": items});
        schema.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
        schema
    };
    let pairs = "self.all(x, self.all(y, x == y || x != y))";
    let own = format!("Forbidden:{at}.x-kubernetes-validations[0].rule");
    for (schema, causes) in [
        (rule(words(json!({"maxItems": 12}), json!({"type": "string", "maxLength": 9})), pairs), vec![]),
        (
            rule(words(json!({}), json!({"type": "string"})), pairs),
            vec![own.clone(), own.clone(), format!("Forbidden:{root}")],
        ),
        (rule(words(json!({"maxItems": 900}), json!({"type": "string", "maxLength": 40})), pairs), vec![own.clone()]),
        (rule(json!({"type": "string", "maxLength": 100}), "self.matches('^a+$')"), vec![]),
    ] {
        let found = create("apiextensions.k8s.io/customresourcedefinitions", definition(schema.clone()));
        assert_eq!(found, causes, "{schema}");
    }
}

#[test]
fn what_a_value_was_is_only_known_where_it_is_found_again() {
    let item = json!({"type": "object", "properties": {"k": {"type": "string", "maxLength": 9}}, "required": ["k"],
        "x-kubernetes-validations": [{"rule": "self.k == oldSelf.k"}]});
    let list = |kind: Value| {
        let mut list = json!({"type": "array", "maxItems": 9, "items": item});
        list.as_object_mut().unwrap().extend(kind.as_object().unwrap().clone());
        json!({"type": "object", "properties": {"l": list}})
    };
    let atomic = json!({"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"i": item}});
    let within = json!({"type": "object", "properties": {"o": atomic}});
    assert_eq!(create("apiextensions.k8s.io/customresourcedefinitions", definition(within)), NOTHING);
    let at = "spec.validation.openAPIV3Schema.properties[l].items.x-kubernetes-validations[0].rule";
    for (kind, causes) in [
        (json!({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}), vec![]),
        (json!({"x-kubernetes-list-type": "atomic"}), vec![format!("Invalid:{at}")]),
        (json!({}), vec![format!("Invalid:{at}")]),
    ] {
        let found = create("apiextensions.k8s.io/customresourcedefinitions", definition(list(kind.clone())));
        assert_eq!(found, causes, "{kind}");
    }
}
