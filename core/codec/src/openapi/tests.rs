use super::*;
use gantry_kinds::catalog;
use std::collections::BTreeSet;

fn document(path: &str) -> Value {
    v3_document(catalog(), path).expect("a document")
}

fn counts(document: &Value) -> (usize, usize, usize) {
    const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];
    let paths = document["paths"].as_object().expect("paths");
    let operations = paths.values().flat_map(|item| item.as_object().into_iter().flatten());
    let schemas = document["components"]["schemas"].as_object().map_or(0, Object::len);
    (paths.len(), operations.filter(|(name, _)| METHODS.contains(&name.as_str())).count(), schemas)
}

/// The counts are those of the reference's documents.
#[test]
fn documents_have_the_paths_operations_and_schemas_of_the_reference() {
    let expected = [
        ("api/v1", (113, 248, 251)),
        ("apis/apps/v1", (38, 77, 163)),
        ("apis/policy/v1", (8, 15, 25)),
        ("apis/batch/v1", (15, 29, 144)),
        ("apis/rbac.authorization.k8s.io/v1", (21, 41, 31)),
        ("apis/storage.k8s.io/v1", (28, 60, 72)),
        ("apis/apiextensions.k8s.io/v1", (6, 13, 41)),
        ("apis/authentication.k8s.io/v1", (3, 3, 13)),
        ("apis/autoscaling/v2", (8, 15, 44)),
        ("apis/apps", (1, 1, 3)),
        ("apis", (1, 1, 4)),
        ("api", (1, 1, 2)),
    ];
    for (path, counted) in expected {
        assert_eq!(counts(&document(path)), counted, "{path}");
    }
}

#[test]
fn the_version_is_described_with_its_members() {
    let version = document("version");
    let answer = &version["paths"]["/version/"]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(answer["$ref"], "#/components/schemas/io.k8s.apimachinery.pkg.version.Info");
    let info = &version["components"]["schemas"]["io.k8s.apimachinery.pkg.version.Info"];
    assert_eq!(info["properties"]["gitVersion"]["type"], "string");
    let required = info["required"].as_array().expect("required members");
    assert!(required.contains(&"platform".into()) && !required.contains(&"emulationMajor".into()), "{required:?}");
}

#[test]
fn every_reference_leads_somewhere_and_every_id_is_unique() {
    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(members) => members.iter().for_each(|(name, value)| match value {
                Value::String(target) if name == "$ref" => drop(found.insert(target)),
                other => references(other, found),
            }),
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let whole = v2_document(catalog());
    let mut found = BTreeSet::new();
    references(&whole, &mut found);
    for target in found {
        assert!(whole.pointer(&target[1..]).is_some(), "{target}");
    }
    let paths = whole["paths"].as_object().expect("paths");
    let ids =
        paths.values().flat_map(|p| p.as_object().into_iter().flatten()).filter_map(|(_, o)| o["operationId"].as_str());
    let ids: Vec<&str> = ids.collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    assert!(ids.contains(&"connectCoreV1PatchNamespacedPodProxyWithPath"));
    assert!(ids.contains(&"watchCoreV1ConfigMapListForAllNamespaces"));
}

#[test]
fn schemas_carry_what_explain_and_patches_read() {
    let core = document("api/v1");
    let schema = |name: &str| &core["components"]["schemas"][format!("io.k8s.api.core.v1.{name}")];
    let pod = json!([{"group": "", "version": "v1", "kind": "Pod"}]);
    assert_eq!(schema("Pod")["x-kubernetes-group-version-kind"], pod);
    let ports = &schema("Container")["properties"]["ports"];
    assert_eq!(ports["x-kubernetes-list-map-keys"], json!(["containerPort", "protocol"]));
    assert_eq!(
        (&ports["x-kubernetes-patch-merge-key"], &ports["x-kubernetes-patch-strategy"]),
        (&json!("containerPort"), &json!("merge"))
    );
    assert_eq!(schema("ContainerPort")["properties"]["protocol"]["default"], "TCP");
    assert_eq!(schema("PodSpec")["required"], json!(["containers"]));
    let patch = &core["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"];
    assert!(patch["parameters"].as_array().unwrap().iter().any(|p| p["name"] == "fieldValidation"));
    let budget = document("apis/policy/v1");
    let min =
        &budget["components"]["schemas"]["io.k8s.api.policy.v1.PodDisruptionBudgetSpec"]["properties"]["minAvailable"];
    assert_eq!(min["allOf"][0]["$ref"], "#/components/schemas/io.k8s.apimachinery.pkg.util.intstr.IntOrString");
}

#[test]
fn values_are_listed_where_the_reference_lists_them() {
    let core = document("api/v1");
    let field =
        |ty: &str, name: &str| &core["components"]["schemas"][format!("io.k8s.api.core.v1.{ty}")]["properties"][name];
    assert_eq!(field("ContainerPort", "protocol")["enum"], json!(["SCTP", "TCP", "UDP"]));
    assert_eq!(field("HostPathVolumeSource", "type")["enum"][0], "", "the empty text is a value");
    let modes = &field("PersistentVolumeSpec", "accessModes");
    assert_eq!((modes.get("enum"), modes["items"]["enum"].as_array().map(Vec::len)), (None, Some(4)));
    assert_eq!(field("PodOS", "name").get("enum"), None, "known, checked, and not published");
}

#[test]
fn the_index_names_each_document_with_its_hash() {
    let index = v3_index(catalog());
    let url = index["paths"]["apis/policy/v1"]["serverRelativeURL"].as_str().unwrap();
    assert_eq!(url, format!("/openapi/v3/apis/policy/v1?hash={}", hash("apis/policy/v1")));
    assert_eq!(index["paths"].as_object().unwrap().len(), 49);
    assert!(v3_document(catalog(), "apis/nothing/v1").is_none());
}
