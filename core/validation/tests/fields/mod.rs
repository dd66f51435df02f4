//! One member of an otherwise sound object at a time: where it is refused, and for which reason.

use crate::support::{create, update};
use gantry_meta::Value;
use serde_json::json;

/// A pod with more members in its spec.
fn pod(members: Value) -> Value {
    let mut pod = json!({"spec": {"containers": [{"name": "c", "image": "registry.example/app:1.2"}]}});
    pod["spec"].as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    pod
}

/// A pod with more members in its container.
fn container(members: Value) -> Value {
    let mut pod = pod(json!({"volumes": [{"name": "v", "emptyDir": {}}]}));
    pod["spec"]["containers"][0].as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    pod
}

fn volume(source: Value) -> Value {
    let mut volume = json!({"name": "v"});
    volume.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
    pod(json!({ "volumes": [volume] }))
}

fn persistent(source: Value) -> Value {
    let mut spec = json!({"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]});
    spec.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
    json!({ "spec": spec })
}

/// Each row: an object, and `Reason:field` of what is wrong with it.
#[track_caller]
fn refused(path: &str, rows: impl IntoIterator<Item = (Value, Vec<&'static str>)>) {
    for (body, causes) in rows {
        assert_eq!(create(path, body.clone()), causes, "{body}");
    }
}

#[test]
fn network_volumes_of_pods() {
    refused(
        "pods",
        [
            (volume(json!({"nfs": {"server": "s", "path": "rel"}})), vec!["Invalid:spec.volumes[0].nfs.path"]),
            (
                volume(json!({"iscsi": {"targetPortal": "10.9.8.7", "iqn": "iqn.2010-01.org.example:d", "lun": 256}})),
                vec!["Invalid:spec.volumes[0].iscsi.lun"],
            ),
            (
                volume(json!({"iscsi": {"targetPortal": "p", "iqn": "disk", "lun": 1, "chapAuthSession": true}})),
                vec!["Invalid:spec.volumes[0].iscsi.iqn", "Required:spec.volumes[0].iscsi.secretRef"],
            ),
            (volume(json!({"fc": {"targetWWNs": ["5"]}})), vec!["Required:spec.volumes[0].fc.lun"]),
            (volume(json!({"fc": {}})), vec!["Required:spec.volumes[0].fc.targetWWNs"]),
            (volume(json!({"flocker": {}})), vec!["Required:spec.volumes[0].flocker"]),
            (
                volume(json!({"quobyte": {"registry": "host", "volume": "x"}})),
                vec!["Invalid:spec.volumes[0].quobyte.registry"],
            ),
            (
                volume(json!({"gcePersistentDisk": {"pdName": "", "partition": 300}})),
                vec![
                    "Required:spec.volumes[0].persistentDisk.pdName",
                    "Invalid:spec.volumes[0].persistentDisk.partition",
                ],
            ),
            (
                volume(json!({"flexVolume": {"driver": "x/y", "options": {"k8s.io/a": "b"}}})),
                vec!["Invalid:spec.volumes[0].flexVolume.options[k8s.io/a]"],
            ),
            (
                volume(json!({"azureDisk": {"diskName": "d", "diskURI": "u", "kind": "Managed"}})),
                vec!["NotSupported:spec.volumes[0].azureDisk.diskURI"],
            ),
            (
                volume(json!({"storageos": {"volumeName": "Bad", "secretRef": {}}})),
                vec![
                    "Invalid:spec.volumes[0].storageos.volumeName",
                    "Required:spec.volumes[0].storageos.secretRef.name",
                ],
            ),
            (volume(json!({"csi": {"driver": "x".repeat(64)}})), vec!["TooLong:spec.volumes[0].csi.driver"]),
            (volume(json!({"emptyDir": {}, "cephfs": {}})), vec!["Forbidden:spec.volumes[0].cephFS"]),
        ],
    );
}

#[test]
fn persistent_volumes_name_secrets_with_their_namespace() {
    refused(
        "persistentvolumes",
        [
            (
                persistent(json!({"cinder": {"volumeID": "v", "secretRef": {"name": "s"}}})),
                vec!["Required:spec.cinder.secretRef.namespace"],
            ),
            (
                persistent(json!({"csi": {"driver": "d.example", "volumeHandle": "h", "nodeStageSecretRef": {},
                    "nodeExpandSecretRef": {"name": "Bad", "namespace": "n"}}})),
                vec!["Invalid:spec.csi.nodeExpandSecretRef.name"],
            ),
            (
                persistent(json!({"azureFile": {"secretName": "s", "shareName": "x", "secretNamespace": ""}})),
                vec!["Required:spec.azureFile.secretNamespace"],
            ),
            (
                persistent(json!({"hostPath": {"path": "/a"}, "volumeAttributesClassName": ""})),
                vec!["Required:spec.volumeAttributesClassName", "Required:spec.csi"],
            ),
            (
                persistent(json!({"hostPath": {"path": "//"}, "persistentVolumeReclaimPolicy": "Recycle"})),
                vec!["Forbidden:spec.persistentVolumeReclaimPolicy"],
            ),
        ],
    );
}

#[test]
fn containers() {
    let mount = |more: Value| {
        let mut mount = json!({"name": "v", "mountPath": "/a"});
        mount.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        container(json!({ "volumeMounts": [mount] }))
    };
    let file = json!({"volumeName": "none", "path": "../p", "key": "K"});
    refused(
        "pods",
        [
            (
                mount(json!({"recursiveReadOnly": "Enabled"})),
                vec!["Forbidden:spec.containers[0].volumeMounts.recursiveReadOnly"],
            ),
            (
                container(json!({"resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"},
                    {"resourceName": "cpu", "restartPolicy": "NotRequired"}]})),
                vec!["Duplicate:spec.containers[0].resizePolicy[1]"],
            ),
            (
                container(json!({"resources": {"claims": [{"name": "r", "request": "Bad"}]}})),
                vec![
                    "Invalid:spec.containers[0].resources.claims[0].request",
                    "NotFound:spec.containers[0].resources.claims[0]",
                ],
            ),
            (
                container(json!({"resources": {"limits": {"cpu": "1", "hugepages-odd": "2Mi"}}})),
                vec![
                    "Invalid:spec.containers[0].resources.limits[hugepages-odd]",
                    "Invalid:spec.containers[0].resources.requests[hugepages-odd]",
                ],
            ),
            (
                container(json!({"env": [{"name": "A", "valueFrom": {"fileKeyRef": file}}]})),
                vec![
                    "Invalid:spec.containers[0].env[0].valueFrom.fileKeyRef.path",
                    "NotFound:spec.containers[0].env[0].valueFrom.fileKeyRef.volumeName",
                ],
            ),
            (
                container(json!({"lifecycle": {"preStop": {"exec": {"command": ["a"]}, "sleep": {"seconds": -1}}}})),
                vec!["Forbidden:spec.containers[0].lifecycle.preStop.sleep"],
            ),
            (
                container(
                    json!({"securityContext": {"windowsOptions": {"runAsUserName": "a\\b\\c", "hostProcess": true}}}),
                ),
                vec![
                    "Invalid:spec.containers[0].securityContext.windowsOptions.runAsUserName",
                    "Invalid:spec.hostNetwork",
                ],
            ),
        ],
    );
}

#[test]
fn pods_as_a_whole() {
    refused(
        "pods",
        [
            (pod(json!({"hostnameOverride": "a".repeat(65)})), vec!["TooLong:spec.hostnameOverride"]),
            (pod(json!({"hostnameOverride": "a", "setHostnameAsFQDN": true})), vec!["Forbidden:spec.hostnameOverride"]),
            (pod(json!({"os": {"name": "plan9"}})), vec!["NotSupported:spec.os"]),
            (
                pod(json!({"os": {"name": "windows"}, "resources": {"limits": {"cpu": "1"}}})),
                vec!["Forbidden:spec.resources"],
            ),
            (
                pod(json!({"securityContext": {"seLinuxChangePolicy": "MountOption"}})),
                vec!["NotSupported:spec.securityContext.seLinuxChangePolicy"],
            ),
            (pod(json!({"resources": {"limits": {"pods": "1"}}})), vec!["NotSupported:spec.resources.limits[pods]"]),
            (
                pod(json!({"topologySpreadConstraints": [
                    {"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule", "matchLabelKeys": [""]}]})),
                vec!["Forbidden:spec.topologySpreadConstraints[0].matchLabelKeys"],
            ),
        ],
    );
    let mut annotated = pod(json!({}));
    annotated["metadata"] = json!({"annotations": {"controller.kubernetes.io/pod-deletion-cost": "+5"}});
    refused("pods", [(annotated, vec!["Invalid:metadata.annotations[controller.kubernetes.io/pod-deletion-cost]"])]);
}

/// A workload's spec, sound but for its members.
fn workload(members: Value) -> Value {
    let containers = json!([{"name": "c", "image": "x:1", "ports": [{"containerPort": 8080}]}]);
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": containers, "hostNetwork": true}});
    let mut spec = json!({"selector": {"matchLabels": {"a": "b"}}, "template": template});
    spec.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    json!({ "spec": spec })
}

#[test]
fn stateful_sets_check_their_claims_once() {
    let claims =
        json!({"volumeClaimTemplates": [{"metadata": {"name": "Bad"}, "spec": {"accessModes": ["ReadWriteOnce"]}}]});
    let service = json!({"serviceName": "not a label"});
    refused(
        "apps/statefulsets",
        [
            (workload(json!({})), vec![]),
            (workload(service.clone()), vec!["Invalid:spec.serviceName"]),
            (workload(json!({"podManagementPolicy": "Odd"})), vec!["Invalid:spec.podManagementPolicy"]),
            (
                workload(claims),
                vec![
                    "Required:spec.volumeClaimTemplates[0].spec.resources[storage]",
                    "Invalid:spec.template.spec.volumes[0].name",
                ],
            ),
        ],
    );
    let changed = json!({"serviceName": "not a label", "replicas": 2});
    assert_eq!(update("apps/statefulsets", workload(service), workload(changed)), [""; 0]);
}

#[test]
fn indexed_jobs_have_limits() {
    let job = |members: Value| {
        let mut spec = json!({"completionMode": "Indexed", "completions": 3, "template": {"spec": {"restartPolicy": "Never",
            "containers": [{"name": "c", "image": "x"}]}}});
        spec.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        json!({"spec": {"schedule": "@daily", "jobTemplate": {"spec": spec}}})
    };
    let at =
        |field: &'static str, reason: &str| format!("{reason}:spec.jobTemplate.spec.{field}").leak() as &'static str;
    refused(
        "batch/cronjobs",
        [
            (job(json!({"completions": null})), vec![at("completions", "Required")]),
            (job(json!({"parallelism": 100_001})), vec![at("parallelism", "Invalid")]),
            (job(json!({"backoffLimitPerIndex": 1, "maxFailedIndexes": 4})), vec![at("maxFailedIndexes", "Invalid")]),
            (job(json!({"backoffLimitPerIndex": 1, "completions": 100_001})), vec![at("maxFailedIndexes", "Required")]),
            (job(json!({"managedBy": format!("example.com/{}", "x".repeat(60))})), vec![at("managedBy", "TooLong")]),
            (
                job(json!({"successPolicy": {"rules": [{"succeededIndexes": "0,2", "succeededCount": 3}]}})),
                vec![at("successPolicy.rules[0].succeededCount", "Invalid")],
            ),
        ],
    );
}

#[test]
fn autoscalers_name_groups_and_containers() {
    let autoscaler = |members: Value| {
        let mut spec =
            json!({"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}});
        spec.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "spec": spec})
    };
    let metric = |name: &str| {
        let target = json!({"type": "AverageValue", "averageValue": "1"});
        json!({"metrics": [{"type": "ContainerResource", "containerResource": {"name": name, "container": "C", "target": target}}]})
    };
    refused(
        "autoscaling/horizontalpodautoscalers",
        [
            (
                autoscaler(json!({"scaleTargetRef": {"apiVersion": "a/b/c", "kind": "K", "name": "n"}})),
                vec!["Invalid:spec.scaleTargetRef.apiVersion"],
            ),
            (
                autoscaler(metric("pods")),
                vec![
                    "Invalid:spec.metrics[0].containerResource.name",
                    "Invalid:spec.metrics[0].containerResource.container",
                ],
            ),
            (
                autoscaler(json!({"behavior": {"scaleUp": {"tolerance": "-1"}}})),
                vec!["Invalid:spec.behavior.scaleUp.tolerance"],
            ),
        ],
    );
}

#[test]
fn slices_and_limits() {
    let slice = |kind: &str, endpoint: Value| json!({"addressType": kind, "endpoints": [endpoint]});
    refused(
        "discovery.k8s.io/endpointslices",
        [
            (slice("FQDN", json!({"addresses": ["single"]})), vec!["Invalid:endpoints[0].addresses[0]"]),
            (slice("FQDN", json!({"addresses": ["a.example."]})), vec![]),
            (
                slice(
                    "IPv4",
                    json!({"addresses": ["10.0.0.9"], "hints": {"forNodes": [{"name": "n"}, {"name": "n"}]}}),
                ),
                vec!["Duplicate:endpoints[0].hints.forNodes[1].name"],
            ),
        ],
    );
    let limit = |limit: Value| json!({"spec": {"limits": [limit]}});
    refused(
        "limitranges",
        [
            (
                limit(
                    json!({"type": "Pod", "max": {"cpu": "4"}, "min": {"cpu": "2"}, "maxLimitRequestRatio": {"cpu": "3"}}),
                ),
                vec!["Invalid:spec.limits[0].maxLimitRequestRatio[cpu]"],
            ),
            (limit(json!({"type": "Pod", "max": {"example.com/x": "1500m"}})), vec![]),
            (limit(json!({"type": ""})), vec!["Invalid:spec.limits[0].type", "Invalid:spec.limits[0].type"]),
        ],
    );
}
