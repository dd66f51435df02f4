//! What may not change once an object is there: each field refused where clients look for it, and what is kept
//! in silence.

use anyhow::{Context, Result, ensure};
use gantry_tests::{Cluster, Http};
use serde_json::{Value, json};

/// A merge patch, and the field that its refusal names. An empty field: the change is dropped without an error.
type Change = (Value, &'static str);

/// Where objects are made, one of them, and changes of it.
fn table() -> Vec<(&'static str, Value, Vec<Change>)> {
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let once = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}});
    let selector = json!({"matchLabels": {"a": "b"}});
    let claim = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"});
    let other_role = json!({"roleRef": {"name": "edit"}});
    vec![
        (
            "/api/v1/namespaces/default/configmaps",
            json!({"immutable": true, "data": {"a": "1"}}),
            vec![
                (json!({"data": {"a": "2"}}), "data"),
                (json!({"binaryData": {"b": "AA=="}}), "binaryData"),
                (json!({"immutable": false}), "immutable"),
            ],
        ),
        (
            "/api/v1/namespaces/default/secrets",
            json!({"type": "Opaque", "immutable": true, "data": {"a": "MQ=="}}),
            vec![
                (json!({"type": "example.com/other"}), "type"),
                (json!({"data": {"a": "Mg=="}}), "data"),
                (json!({"immutable": null}), "immutable"),
            ],
        ),
        (
            "/api/v1/namespaces/default/persistentvolumeclaims",
            json!({"spec": claim}),
            vec![
                (json!({"spec": {"accessModes": ["ReadWriteMany"]}}), "spec"),
                (json!({"spec": {"volumeMode": "Block"}}), "volumeMode"),
            ],
        ),
        (
            "/api/v1/persistentvolumes",
            json!({"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/a"}}}),
            vec![
                (json!({"spec": {"hostPath": {"path": "/b"}}}), "spec.persistentvolumesource"),
                (json!({"spec": {"volumeMode": "Block"}}), "volumeMode"),
            ],
        ),
        (
            "/api/v1/namespaces/default/resourcequotas",
            json!({"spec": {"hard": {"pods": "1"}, "scopes": ["BestEffort"]}}),
            vec![(json!({"spec": {"scopes": ["NotBestEffort"]}}), "spec.scopes")],
        ),
        (
            "/api/v1/namespaces/default/services",
            json!({"spec": {"ports": [{"port": 80}]}}),
            vec![(
                json!({"spec": {"clusterIP": "10.96.200.200", "clusterIPs": ["10.96.200.200"]}}),
                "spec.clusterIPs[0]",
            )],
        ),
        (
            "/apis/apps/v1/namespaces/default/deployments",
            json!({"spec": {"replicas": 0, "selector": selector, "template": template}}),
            vec![(
                json!({"spec": {"selector": {"matchLabels": {"a": "b", "c": "d"}}, "template": {"metadata": {"labels": {"c": "d"}}}}}),
                "spec.selector",
            )],
        ),
        (
            "/apis/apps/v1/namespaces/default/daemonsets",
            json!({"spec": {"selector": selector, "template": template}}),
            vec![(
                json!({"spec": {"selector": {"matchLabels": {"c": "d"}}, "template": {"metadata": {"labels": {"c": "d"}}}}}),
                "spec.selector",
            )],
        ),
        (
            "/apis/apps/v1/namespaces/default/statefulsets",
            json!({"spec": {"replicas": 0, "serviceName": "s", "selector": selector, "template": template}}),
            vec![
                (json!({"spec": {"serviceName": "t"}}), "spec"),
                (json!({"spec": {"podManagementPolicy": "Parallel"}}), "spec"),
            ],
        ),
        (
            "/apis/apps/v1/namespaces/default/controllerrevisions",
            json!({"data": {"a": 1}, "revision": 1}),
            vec![(json!({"data": {"a": 2}}), "data")],
        ),
        (
            "/apis/batch/v1/namespaces/default/jobs",
            json!({"spec": {"suspend": true, "completions": 2, "template": once}}),
            vec![
                (json!({"spec": {"completions": 3}}), "spec.completions"),
                (json!({"spec": {"completionMode": "Indexed"}}), "spec.completionMode"),
                (json!({"spec": {"managedBy": "example.com/me"}}), "spec.managedBy"),
                (
                    json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "j"}]}}}}),
                    "spec.template.spec",
                ),
            ],
        ),
        (
            "/apis/networking.k8s.io/v1/ingressclasses",
            json!({"spec": {"controller": "example.com/a"}}),
            vec![(json!({"spec": {"controller": "example.com/b"}}), "spec.controller")],
        ),
        (
            "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings",
            json!({"roleRef": role, "subjects": []}),
            vec![(other_role.clone(), "roleRef")],
        ),
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            json!({"roleRef": role}),
            vec![(other_role, "roleRef")],
        ),
        (
            "/apis/storage.k8s.io/v1/storageclasses",
            json!({"provisioner": "example.com/a", "parameters": {"a": "1"}}),
            vec![
                (json!({"provisioner": "example.com/b"}), "provisioner"),
                (json!({"parameters": {"a": "2"}}), "parameters"),
                (json!({"reclaimPolicy": "Retain"}), "reclaimPolicy"),
                (json!({"volumeBindingMode": "WaitForFirstConsumer"}), "volumeBindingMode"),
            ],
        ),
        (
            "/apis/storage.k8s.io/v1/csidrivers",
            json!({"spec": {"attachRequired": true}}),
            vec![
                (json!({"spec": {"attachRequired": false}}), "spec.attachedRequired"),
                (json!({"spec": {"volumeLifecycleModes": ["Ephemeral"]}}), "spec.volumeLifecycleModes"),
            ],
        ),
        (
            "/apis/storage.k8s.io/v1/namespaces/default/csistoragecapacities",
            json!({"storageClassName": "a", "nodeTopology": {}}),
            vec![
                (json!({"storageClassName": "b"}), "storageClassName"),
                (json!({"nodeTopology": {"matchLabels": {"a": "b"}}}), "nodeTopology"),
            ],
        ),
        (
            "/apis/storage.k8s.io/v1/volumeattachments",
            json!({"spec": {"attacher": "a", "nodeName": "n", "source": {"persistentVolumeName": "v"}}}),
            vec![(json!({"spec": {"attacher": "b"}}), "spec")],
        ),
        (
            "/apis/storage.k8s.io/v1/volumeattributesclasses",
            json!({"driverName": "example.com", "parameters": {"a": "1"}}),
            vec![
                (json!({"driverName": "example.org"}), "driverName"),
                (json!({"parameters": {"a": "2"}}), "parameters"),
            ],
        ),
        (
            "/apis/scheduling.k8s.io/v1/priorityclasses",
            json!({"value": 1}),
            vec![(json!({"value": 2}), "value"), (json!({"preemptionPolicy": "Never"}), "preemptionPolicy")],
        ),
        ("/apis/node.k8s.io/v1/runtimeclasses", json!({"handler": "a"}), vec![(json!({"handler": "b"}), "handler")]),
        (
            "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
            json!({"addressType": "IPv4", "endpoints": []}),
            vec![(json!({"addressType": "IPv6"}), "addressType")],
        ),
        (
            "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims",
            json!({"spec": {"devices": {"requests": [{"name": "a", "exactly": {"deviceClassName": "c"}}]}}}),
            vec![(
                json!({"spec": {"devices": {"requests": [{"name": "b", "exactly": {"deviceClassName": "c"}}]}}}),
                "spec",
            )],
        ),
        (
            "/apis/resource.k8s.io/v1/namespaces/default/resourceclaimtemplates",
            json!({"spec": {"spec": {"devices": {"requests": [{"name": "a", "exactly": {"deviceClassName": "c"}}]}}}}),
            vec![(json!({"spec": {"metadata": {"labels": {"a": "b"}}}}), "spec")],
        ),
        (
            "/apis/resource.k8s.io/v1/resourceslices",
            json!({"spec": {"driver": "example.com", "nodeName": "n", "pool": {"name": "p", "resourceSliceCount": 1}}}),
            vec![
                (json!({"spec": {"driver": "example.org"}}), "spec.driver"),
                (json!({"spec": {"nodeName": "m"}}), "spec.nodeName"),
                (json!({"spec": {"pool": {"name": "q"}}}), "spec.pool.name"),
            ],
        ),
        (
            "/apis/networking.k8s.io/v1/namespaces/default/ingresses",
            json!({"spec": {"defaultBackend": {"service": {"name": "s", "port": {"number": 1}}}}, "status": {}}),
            vec![(json!({"status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}}), "")],
        ),
        (
            "/api/v1/namespaces/default/pods",
            json!({"spec": {"containers": [{"name": "c", "image": "i"}], "activeDeadlineSeconds": 100,
                "tolerations": [{"key": "a", "operator": "Exists"}]}}),
            vec![
                (json!({"spec": {"hostname": "h"}}), "spec"),
                (json!({"spec": {"restartPolicy": "Never"}}), "spec"),
                (
                    json!({"spec": {"containers": [{"name": "c", "image": "i"}, {"name": "d", "image": "i"}]}}),
                    "spec.containers",
                ),
                (json!({"spec": {"activeDeadlineSeconds": 200}}), "spec.activeDeadlineSeconds"),
                (json!({"spec": {"activeDeadlineSeconds": null}}), "spec.activeDeadlineSeconds"),
                (json!({"metadata": {"generation": 77}}), ""),
                (json!({"metadata": {"creationTimestamp": "2001-01-01T00:00:00Z"}}), ""),
                (json!({"status": {"phase": "Succeeded"}}), ""),
            ],
        ),
    ]
}

fn check(http: &Http, path: &str, mut object: Value, changes: &[Change]) -> Result<()> {
    let name = "unchanging";
    object["metadata"] = json!({"name": name});
    let created = http.send("POST", path, "application/json", object.to_string().as_bytes())?;
    ensure!(created.code == 201, "{path}: {}", created.body);
    let at = format!("{path}/{name}");
    for (patch, field) in changes {
        let answer = http.send("PATCH", &at, "application/merge-patch+json", patch.to_string().as_bytes())?;
        if field.is_empty() {
            let member = patch.as_object().and_then(|members| members.keys().next()).context("an empty patch")?;
            ensure!(answer.code == 200, "{at} {patch}: {}", answer.body);
            ensure!(!contains(&answer.json()[member], &patch[member]), "{at} {patch} was taken");
            continue;
        }
        let causes = answer.json()["details"]["causes"].as_array().cloned().unwrap_or_default();
        let named = causes.iter().any(|cause| cause["field"] == *field);
        ensure!(
            answer.code == 422 && named,
            "{at} {patch}: wanted 422 on {field}, got {}: {}",
            answer.code,
            answer.body
        );
    }
    Ok(())
}

/// Whether the value holds all of the part.
fn contains(value: &Value, part: &Value) -> bool {
    match part {
        Value::Object(members) => members.iter().all(|(name, inner)| contains(&value[name], inner)),
        _ => value == part,
    }
}

#[test]
fn fields_that_may_not_change_are_refused_by_name_and_what_is_kept_stays() -> Result<()> {
    let http = Http::new(&Cluster::shared_control_plane()?)?;
    let wrong: Vec<String> = table()
        .into_iter()
        .filter_map(|(path, object, changes)| check(&http, path, object, &changes).err())
        .map(|error| format!("{error:#}"))
        .collect();
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
