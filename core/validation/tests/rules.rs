//! Objects that are refused, with the reason and field of each cause in the order in which clients know them.

#[path = "rules/details.rs"]
mod details;
#[path = "rules/expressions.rs"]
mod expressions;
#[path = "rules/extensions.rs"]
mod extensions;
mod fields;
#[path = "rules/job_status.rs"]
mod job_status;
#[path = "rules/networking.rs"]
mod networking;
#[path = "rules/order.rs"]
mod order;
#[path = "rules/ratchets.rs"]
mod ratchets;
#[path = "rules/resources.rs"]
mod resources;
mod support;
#[path = "rules/updates.rs"]
mod updates;
#[path = "rules/volumes.rs"]
mod volumes;
#[path = "rules/warnings.rs"]
mod warnings;

use gantry_meta::Value;
use serde_json::json;
use support::{create, update};

const NOTHING: [&str; 0] = [];

fn container() -> Value {
    json!({"name": "c", "image": "registry.example/app:1.2"})
}

/// A pod whose container, or whose spec, has one more member.
fn pod(spec: Value) -> Value {
    let mut pod = json!({"spec": {"containers": [container()]}});
    pod["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    pod
}

fn pod_with(members: Value) -> Value {
    let mut one = container();
    one.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    json!({"spec": {"containers": [one], "volumes": [{"name": "v", "emptyDir": {}}]}})
}

fn template(labels: Value) -> Value {
    json!({"metadata": {"labels": labels}, "spec": {"containers": [container()]}})
}

fn deployment(spec: Value) -> Value {
    let mut all = json!({"selector": {"matchLabels": {"a": "b"}}, "template": template(json!({"a": "b"}))});
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    json!({"spec": all})
}

#[test]
fn names_labels_owners_and_finalizers() {
    for (metadata, causes) in [
        (json!({"name": "Upper"}), vec!["Invalid:metadata.name"]),
        (
            json!({"generateName": "Bad_", "name": "Bad_x"}),
            vec!["Invalid:metadata.generateName", "Invalid:metadata.name"],
        ),
        (json!({"labels": {"": "y"}}), vec!["Invalid:metadata.labels"; 2]),
        (json!({"labels": {"a": "b c"}}), vec!["Invalid:metadata.labels"]),
        (json!({"annotations": {"a": "x".repeat(262_144)}}), vec!["TooLong:metadata.annotations"]),
        (json!({"finalizers": ["plain"]}), vec!["Invalid:metadata.finalizers[0]"]),
        (json!({"finalizers": ["orphan", "foregroundDeletion"]}), vec!["Invalid:metadata.finalizers"]),
        (
            json!({"ownerReferences": [{"apiVersion": "", "kind": "K", "name": "n", "uid": ""}]}),
            vec!["Invalid:metadata.ownerReferences.apiVersion", "Invalid:metadata.ownerReferences.uid"],
        ),
    ] {
        assert_eq!(create("configmaps", json!({"metadata": metadata})), causes, "{metadata}");
    }
}

#[test]
fn nobody_adds_finalizers_to_what_is_being_deleted() {
    let of = |finalizers: Value| json!({"metadata": {"finalizers": finalizers, "deletionTimestamp": "2026-11-21T14:20:00Z"}});
    let causes = update("configmaps", of(json!(["x/a"])), of(json!(["x/a", "x/b"])));
    assert!(causes.contains(&"Forbidden:metadata.finalizers".to_owned()), "{causes:?}");
    assert_eq!(update("configmaps", of(json!(["x/a"])), of(json!([]))), NOTHING);
}

#[test]
fn containers_need_names_images_and_sound_ports() {
    for (body, causes) in [
        (json!({"spec": {}}), vec!["Required:spec.containers"]),
        (json!({"spec": {"containers": [{"image": "i"}]}}), vec!["Required:spec.containers[0].name"]),
        (json!({"spec": {"containers": [container(), container()]}}), vec!["Duplicate:spec.containers[1].name"]),
        (
            pod_with(json!({"ports": [{"containerPort": 0}]})),
            vec!["Required:spec.containers[0].ports[0].containerPort"],
        ),
        (
            pod_with(json!({"ports": [{"containerPort": 1, "name": "a"}, {"containerPort": 70000, "name": "a"}]})),
            vec!["Duplicate:spec.containers[0].ports[1].name", "Invalid:spec.containers[0].ports[1].containerPort"],
        ),
        (pod_with(json!({"livenessProbe": {}})), vec!["Required:spec.containers[0].livenessProbe"]),
        (
            pod_with(json!({"livenessProbe": {"exec": {"command": ["a"]}, "tcpSocket": {"port": 1}}})),
            vec!["Forbidden:spec.containers[0].livenessProbe.tcpSocket"],
        ),
        (
            pod_with(
                json!({"env": [{"name": "A", "value": "v", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}),
            ),
            vec!["Invalid:spec.containers[0].env[0].valueFrom"],
        ),
    ] {
        assert_eq!(create("pods", body.clone()), causes, "{body}");
    }
}

#[test]
fn mounts_name_a_volume_and_volumes_have_one_source() {
    for (body, causes) in [
        (
            pod_with(json!({"volumeMounts": [{"name": "none", "mountPath": "/a"}]})),
            vec!["NotFound:spec.containers[0].volumeMounts[0].name"],
        ),
        (
            pod_with(json!({"volumeMounts": [{"name": "v", "mountPath": "/a", "subPath": "../x"}]})),
            vec!["Invalid:spec.containers[0].volumeMounts.subPath"],
        ),
        (
            pod(json!({"volumes": [{"name": "v", "emptyDir": {}, "hostPath": {"path": "/a"}}]})),
            vec!["Forbidden:spec.volumes[0].hostPath"],
        ),
        (
            pod(
                json!({"volumes": [{"name": "v", "secret": {"secretName": "s", "defaultMode": 512, "items": [{"key": "", "path": "/abs"}]}}]}),
            ),
            vec![
                "Invalid:spec.volumes[0].secret.defaultMode",
                "Required:spec.volumes[0].secret.items[0].key",
                "Invalid:spec.volumes[0].secret.items[0].path",
            ],
        ),
    ] {
        assert_eq!(create("pods", body.clone()), causes, "{body}");
    }
}

#[test]
fn requests_fit_limits_and_resources_have_names() {
    let with = |resources: Value| pod_with(json!({"resources": resources}));
    let at = "spec.containers[0].resources";
    for (resources, causes) in [
        (json!({"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}), vec![format!("Invalid:{at}.requests")]),
        (json!({"requests": {"memory": "-1"}}), vec![format!("Invalid:{at}.requests[memory]")]),
        (json!({"requests": {"example.com/gpu": "1"}}), vec![format!("Required:{at}.limits")]),
        (
            json!({"limits": {"hugepages-2Mi": "2Mi"}, "requests": {"hugepages-2Mi": "2Mi"}}),
            vec![format!("Forbidden:{at}")],
        ),
    ] {
        assert_eq!(create("pods", with(resources.clone())), causes, "{resources}");
    }
}

#[test]
fn placement_is_checked() {
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    for (spec, causes) in [
        (
            json!({"tolerations": [{"operator": "Odd"}]}),
            vec!["Invalid:spec.tolerations[0].operator", "NotSupported:spec.tolerations[0].operator"],
        ),
        (json!({"nodeSelector": {"a b": "c d"}}), vec!["Invalid:spec.nodeSelector"; 2]),
        (json!({"schedulingGates": [{"name": "x/a"}], "nodeName": "n"}), vec!["Forbidden:spec.nodeName"]),
        (
            json!({"affinity": {"podAffinity": {required: [{"labelSelector": {}, "topologyKey": ""}]}}}),
            vec![
                "Required:spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey",
                "Invalid:spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey",
                "Invalid:spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey",
            ],
        ),
        (json!({"dnsPolicy": "None"}), vec!["Required:spec.dnsConfig"]),
        (
            json!({"securityContext": {"runAsUser": -1, "fsGroup": -5}}),
            vec!["Invalid:spec.securityContext.fsGroup", "Invalid:spec.securityContext.runAsUser"],
        ),
    ] {
        assert_eq!(create("pods", pod(spec.clone())), causes, "{spec}");
    }
}

#[test]
fn of_a_pod_only_images_the_deadline_and_more_tolerations_may_change() {
    let image = pod_with(json!({"image": "registry.example/app:2"}));
    assert_eq!(update("pods", pod_with(json!({})), image), NOTHING);
    assert_eq!(update("pods", pod(json!({})), pod(json!({"activeDeadlineSeconds": 50}))), NOTHING);
    let grows = update("pods", pod(json!({"activeDeadlineSeconds": 50})), pod(json!({"activeDeadlineSeconds": 60})));
    assert_eq!(grows, ["Invalid:spec.activeDeadlineSeconds"]);
    assert_eq!(update("pods", pod(json!({})), pod(json!({"restartPolicy": "Never"}))), ["Forbidden:spec"]);
    let two = json!({"spec": {"containers": [container(), {"name": "d", "image": "i"}]}});
    assert_eq!(update("pods", pod(json!({})), two), ["Forbidden:spec.containers"]);
    let gate = |gates: Value| pod(json!({"schedulingGates": gates}));
    let added = update("pods", gate(json!([{"name": "x/a"}])), gate(json!([{"name": "x/a"}, {"name": "x/z"}])));
    assert_eq!(added, ["Forbidden:spec.schedulingGates[1].name"]);
}

#[test]
fn workloads_select_what_their_template_makes() {
    for (spec, causes) in [
        (json!({"selector": null}), vec!["Required:spec.selector", "Invalid:spec.template.metadata.labels"]),
        (json!({"selector": {}}), vec!["Invalid:spec.selector"]),
        (json!({"selector": {"matchLabels": {"a": "c"}}}), vec!["Invalid:spec.template.metadata.labels"]),
        (
            json!({"selector": {"matchExpressions": [{"key": "a", "operator": "In", "values": []}]}}),
            vec!["Required:spec.selector.matchExpressions[0].values", "Invalid:spec.selector"],
        ),
        (json!({"replicas": -1, "minReadySeconds": -1}), vec!["Invalid:spec.replicas", "Invalid:spec.minReadySeconds"]),
        (json!({"strategy": {"type": "Odd"}}), vec!["NotSupported:spec.strategy"]),
        (
            json!({"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}}),
            vec!["Invalid:spec.strategy.rollingUpdate.maxUnavailable"],
        ),
    ] {
        assert_eq!(create("apps/deployments", deployment(spec.clone())), causes, "{spec}");
    }
    let other = deployment(json!({"selector": {"matchLabels": {"a": "c"}}, "template": template(json!({"a": "c"}))}));
    assert_eq!(update("apps/deployments", deployment(json!({})), other), ["Invalid:spec.selector"]);
}

#[test]
fn services_need_ports_and_addresses_that_fit_their_type() {
    let service = |spec: Value| json!({"spec": spec});
    for (spec, causes) in [
        (json!({}), vec!["Required:spec.ports"]),
        (
            json!({"ports": [{"port": 1}, {"port": 2}]}),
            vec!["Required:spec.ports[0].name", "Required:spec.ports[1].name"],
        ),
        (json!({"ports": [{"name": "a", "port": 1}, {"name": "b", "port": 1}]}), vec!["Duplicate:spec.ports[1]"]),
        (json!({"ports": [{"port": 80}], "type": "ExternalName"}), vec!["Required:spec.externalName"]),
        (json!({"ports": [{"port": 80}], "externalIPs": ["127.0.0.1"]}), vec!["Invalid:spec.externalIPs[0]"]),
        (
            json!({"ports": [{"port": 80}], "loadBalancerSourceRanges": ["10.0.0.0/8"]}),
            vec!["Forbidden:spec.LoadBalancerSourceRanges"],
        ),
        (
            json!({"ports": [{"port": 80}], "clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.6"]}),
            vec!["Invalid:spec.clusterIPs"],
        ),
    ] {
        assert_eq!(create("services", service(spec.clone())), causes, "{spec}");
    }
    let of = |ip: &str| service(json!({"ports": [{"port": 80}], "clusterIP": ip, "clusterIPs": [ip]}));
    assert_eq!(update("services", of("10.96.0.5"), of("10.96.0.6")), ["Invalid:spec.clusterIPs[0]"]);
}

#[test]
fn configuration_keys_are_file_names_and_immutable_means_immutable() {
    assert_eq!(create("configmaps", json!({"data": {"..": "c"}})), ["Invalid:data[..]"]);
    assert_eq!(create("configmaps", json!({"data": {"a": "c"}, "binaryData": {"a": "AA=="}})), ["Invalid:data[a]"]);
    assert_eq!(create("configmaps", json!({"data": {"a": "x".repeat(1_048_577)}})), ["TooLong:[]"]);
    assert_eq!(create("configmaps", json!({"data": {"a": "x".repeat(1_048_576)}})), NOTHING);
    let fixed = |value: &str, immutable: bool| json!({"immutable": immutable, "data": {"a": value}});
    assert_eq!(update("configmaps", fixed("1", true), fixed("2", false)), ["Forbidden:immutable", "Forbidden:data"]);
    let tls = create("secrets", json!({"type": "kubernetes.io/tls"}));
    assert_eq!(tls, ["Required:data[tls.crt]", "Required:data[tls.key]"]);
}

#[test]
fn nodes_keep_their_provider_and_report_taints_under_metadata() {
    let taints = json!({"spec": {"taints": [{"key": "a b", "value": "bad value", "effect": "NoExecute"}]}});
    assert_eq!(create("nodes", taints), ["Invalid:metadata.taints[0].key", "Invalid:metadata.taints[0].value"]);
    let of = |id: &str| json!({"spec": {"providerID": id}});
    assert_eq!(update("nodes", of(""), of("a://b")), NOTHING);
    assert_eq!(update("nodes", of("a://b"), of("a://c")), ["Forbidden:spec.providerID"]);
}

#[test]
fn roles_need_verbs_and_bindings_keep_their_role() {
    let rule = |rule: Value| json!({"rules": [rule]});
    let rbac = "rbac.authorization.k8s.io/roles";
    assert_eq!(
        create(rbac, rule(json!({"apiGroups": [""], "resources": ["pods"], "verbs": []}))),
        ["Required:rules[0].verbs"]
    );
    assert_eq!(
        create(rbac, rule(json!({"verbs": ["get"], "nonResourceURLs": ["/x"]}))),
        ["Invalid:rules[0].nonResourceURLs"]
    );
    let binding = |role: &str| {
        json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
            "subjects": [{"kind": "User", "name": "u", "apiGroup": "rbac.authorization.k8s.io"}]})
    };
    let path = "rbac.authorization.k8s.io/rolebindings";
    assert_eq!(update(path, binding("r"), binding("s")), ["Invalid:roleRef"]);
}

#[test]
fn jobs_end_and_cron_jobs_have_schedules() {
    let job = |spec: Value| {
        let mut template = template(json!({"a": "b"}));
        template["spec"]["restartPolicy"] = "Never".into();
        let mut all = json!({"template": template, "manualSelector": true, "selector": {"matchLabels": {"a": "b"}}});
        all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        all
    };
    let plain = json!({"spec": {"template": template(json!({"a": "b"}))}});
    let causes = [
        "Required:spec.template.spec.restartPolicy",
        "Required:spec.selector",
        "Invalid:spec.template.metadata.labels",
    ];
    assert_eq!(create("batch/jobs", plain), causes);
    let policy = json!({"podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [2, 1]}}]}});
    assert_eq!(
        create("batch/jobs", json!({"spec": job(policy)})),
        ["Invalid:spec.podFailurePolicy.rules[0].onExitCodes.values"]
    );
    let success = json!({"completionMode": "Indexed", "completions": 5, "successPolicy": {"rules": [{"succeededIndexes": "3-1"}]}});
    assert_eq!(
        create("batch/jobs", json!({"spec": job(success)})),
        ["Invalid:spec.successPolicy.rules[0].succeededIndexes"]
    );
    let template = job(json!({"manualSelector": null, "selector": null}));
    let cron = json!({"spec": {"schedule": "61 * * * *", "timeZone": "Mars/Base", "jobTemplate": {"spec": template}}});
    assert_eq!(create("batch/cronjobs", cron), ["Invalid:spec.schedule", "Invalid:spec.timeZone"]);
}

#[test]
fn attachments_name_a_source_and_a_node_and_stay_as_they_are() {
    let attachment = |node: &str| json!({"spec": {"attacher": "a.example.com", "nodeName": node, "source": {}}});
    let path = "storage.k8s.io/volumeattachments";
    assert_eq!(create(path, attachment("")), ["Required:spec.source", "Invalid:spec.nodeName"]);
    assert_eq!(update(path, attachment("n"), attachment("m")), ["Required:spec.source", "Invalid:spec"]);
}

#[test]
fn cluster_wide_kinds_check_their_own_fields() {
    let driver = json!({"spec": {"fsGroupPolicy": "Odd", "tokenRequests": [{"audience": "a"}, {"audience": "a"}]}});
    let causes = ["NotSupported:spec.fsGroupPolicy", "Duplicate:spec.tokenRequests[1].audience"];
    assert_eq!(create("storage.k8s.io/csidrivers", driver), causes);
    let class = |parameter: &str| json!({"driverName": "d.example.com", "parameters": {"a": parameter}});
    let path = "storage.k8s.io/volumeattributesclasses";
    assert_eq!(update(path, class("b"), class("c")), ["Forbidden:parameters"]);
    let schema = json!({"spec": {"priorityLevelConfiguration": {"name": "p"}, "rules": [{"subjects": []}]}});
    let causes = ["Required:spec.rules[0].subjects", "Required:spec.rules[0]"];
    assert_eq!(create("flowcontrol.apiserver.k8s.io/flowschemas", schema), causes);
    let request = json!({"spec": {"request": "YWJj", "signerName": "example.com/test", "usages": ["any"]}});
    assert_eq!(create("certificates.k8s.io/certificatesigningrequests", request), ["Invalid:spec.request"]);
    let service = json!({"metadata": {"name": "v2.g.io"}, "spec": {"group": "g.io", "version": "v1",
        "groupPriorityMinimum": 0, "versionPriority": 1}});
    let causes = ["Invalid:metadata.name", "Invalid:spec.groupPriorityMinimum"];
    assert_eq!(create("apiregistration.k8s.io/apiservices", service), causes);
}
