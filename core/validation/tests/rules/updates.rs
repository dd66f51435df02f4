//! What changes are refused, of objects and of their statuses.

use gantry_meta::Value;
use serde_json::json;

use super::{
    NOTHING, container,
    support::{update, update_through},
};

fn pod(members: Value, status: Value) -> Value {
    let mut spec = json!({"containers": [container()]});
    spec.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    json!({"spec": spec, "status": status})
}

fn pod_status(spec: Value, old: Value, new: Value) -> Vec<String> {
    update_through("pods", "status", pod(spec.clone(), old), pod(spec, new))
}

#[test]
fn a_status_of_a_pod_reports_what_there_is() {
    let at = "status.containerStatuses[0]";
    let own = |members: Value| {
        let mut status = json!({"name": "c", "image": "", "imageID": "", "ready": true, "restartCount": 0});
        status.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        json!({"containerStatuses": [status]})
    };
    for (status, causes) in [
        (
            json!({"conditions": [{"type": "Ready", "status": "True"}, {"type": "a b", "status": "True"}]}),
            vec!["Invalid:status.conditions[1].Type".to_owned()],
        ),
        (json!({"observedGeneration": -2}), vec!["Invalid:status.observedGeneration".into()]),
        (json!({"nominatedNodeName": "N_1"}), vec!["Invalid:status.nominatedNodeName".into()]),
        (json!({"hostIP": "192.0.2.1", "hostIPs": [{"ip": "192.0.2.2"}]}), vec!["Invalid:status.hostIPs[0].ip".into()]),
        (
            json!({"podIP": "192.0.2.1", "podIPs": [{"ip": "192.0.2.1"}, {"ip": "192.0.2.9"}]}),
            vec!["Invalid:status.podIPs".into()],
        ),
        (json!({"podIP": "192.0.2.1", "podIPs": [{"ip": "192.0.2.1"}, {"ip": "2001:db8::1"}]}), vec![]),
        (
            json!({"resourceClaimStatuses": [{"name": "gpu"}]}),
            vec!["Invalid:status.resourceClaimStatuses[0].name".into()],
        ),
        (
            json!({"extendedResourceClaimStatus": {"resourceClaimName": "A", "requestMappings": [
            {"containerName": "c", "resourceName": "example.com/gpu", "requestName": "r"}]}}),
            vec![
                "Invalid:status.extendedResourceClaimStatus.requestMappings[0].resourceName".into(),
                "Invalid:status.extendedResourceClaimStatus.resourceClaimName".into(),
            ],
        ),
        (own(json!({"user": {"linux": {"uid": -1, "gid": 0}}})), vec![format!("Invalid:{at}.user.linux.uid")]),
        (
            own(json!({"allocatedResourcesStatus": [{"name": "claim:gpu", "resources": [
            {"resourceID": "a", "health": "Fine"}, {"resourceID": "a", "health": "Unknown"}]}]})),
            vec![
                format!("Invalid:{at}.allocatedResourcesStatus[0].name"),
                format!("NotSupported:{at}.allocatedResourcesStatus[0].resources[0].health"),
                format!("Duplicate:{at}.allocatedResourcesStatus[0].resources[1].resourceID"),
            ],
        ),
    ] {
        assert_eq!(pod_status(json!({}), json!({}), status.clone()), causes, "{status}");
    }
    assert_eq!(
        pod_status(json!({"nodeName": "n"}), json!({}), json!({"nominatedNodeName": "m"})),
        ["Forbidden:status.nominatedNodeName"]
    );
}

#[test]
fn a_container_that_ended_runs_again_where_its_policy_says_so() {
    let ended = |code: i32| {
        json!({"containerStatuses": [{"name": "c", "image": "", "imageID": "", "ready": false,
        "restartCount": 0, "state": {"terminated": {"exitCode": code}}}]})
    };
    let runs = json!({"containerStatuses": [{"name": "c", "image": "", "imageID": "", "ready": true, "restartCount": 1,
        "state": {"running": {}}}]});
    let rule = |action: &str| {
        json!({"restartPolicy": "Never", "containers": [{"name": "c", "image": "i",
        "restartPolicy": "Never", "restartPolicyRules": [{"action": action, "exitCodes": {"operator": "In", "values": [7]}}]}]})
    };
    for (spec, code, allowed) in [
        (json!({"restartPolicy": "Always"}), 0, true),
        (json!({"restartPolicy": "OnFailure"}), 0, false),
        (json!({"restartPolicy": "OnFailure"}), 3, true),
        (json!({"restartPolicy": "Never"}), 3, false),
        (rule("Restart"), 7, true),
        (rule("Restart"), 8, false),
        (rule("RestartAllContainers"), 8, true),
    ] {
        let expected = if allowed { vec![] } else { vec!["Forbidden:status.containerStatuses[0].state"] };
        assert_eq!(pod_status(spec.clone(), ended(code), runs.clone()), expected, "{spec} {code}");
    }
}

#[test]
fn a_resize_changes_cpu_and_memory_alone_and_removes_nothing() {
    let with =
        |resources: Value| pod(json!({"containers": [{"name": "c", "image": "i", "resources": resources}]}), json!({}));
    let old = || with(json!({"requests": {"cpu": "1", "ephemeral-storage": "1Gi"}}));
    for (resources, causes) in [
        (json!({"requests": {"cpu": "2", "ephemeral-storage": "1Gi"}}), vec![]),
        (json!({"requests": {"cpu": "2", "ephemeral-storage": "2Gi"}}), vec!["Forbidden:spec"]),
        (json!({"requests": {"ephemeral-storage": "1Gi"}}), vec!["Forbidden:spec.containers[0].resources.requests"]),
    ] {
        assert_eq!(update_through("pods", "resize", old(), with(resources.clone())), causes, "{resources}");
    }
    let renamed = pod(json!({"containers": [{"name": "d", "image": "i"}]}), json!({}));
    assert_eq!(update_through("pods", "resize", old(), renamed), ["Forbidden:spec.containers[0].name"]);
    let whole = |cpu: &str| pod(json!({"resources": {"requests": {"cpu": cpu}}}), json!({}));
    assert_eq!(update_through("pods", "resize", whole("1"), whole("2")), NOTHING);
    assert_eq!(update_through("pods", "resize", whole("1"), pod(json!({}), json!({}))), ["Forbidden:spec.resources"]);
}

#[test]
fn annotations_that_are_about_a_running_pod_stay() {
    let with =
        |annotations: Value| json!({"metadata": {"annotations": annotations}, "spec": {"containers": [container()]}});
    let profile = "container.apparmor.security.beta.kubernetes.io/c";
    let causes = update("pods", with(json!({profile: "unconfined"})), with(json!({profile: "runtime/default"})));
    assert_eq!(causes, [format!("Forbidden:metadata.annotations[{profile}]")]);
    let seccomp = "seccomp.security.alpha.kubernetes.io/pod";
    let causes = update("pods", with(json!({})), with(json!({seccomp: "strict"})));
    assert_eq!(causes, vec![format!("Invalid:metadata.annotations.{seccomp}"); 2], "it is looked at twice");
    let mirror = json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}},
        "spec": {"nodeName": "n", "containers": [container()]}});
    assert_eq!(update_through("pods", "ephemeralcontainers", mirror.clone(), mirror), ["Forbidden:[]"]);
}

#[test]
fn an_ephemeral_container_has_no_life_of_its_own_and_stays() {
    let with = |containers: Value| pod(json!({ "ephemeralContainers": containers }), json!({}));
    let ephemeral = |members: Value| {
        let mut one = json!({"name": "e", "image": "i"});
        one.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        json!([one])
    };
    let through = |old: Value, new: Value| update_through("pods", "ephemeralcontainers", with(old), with(new));
    for member in ["lifecycle", "livenessProbe"] {
        let causes = through(json!([]), ephemeral(json!({ member: {} })));
        assert_eq!(causes, [format!("Forbidden:spec.ephemeralContainers[0].{member}")]);
    }
    let one = || ephemeral(json!({}));
    assert_eq!(through(one(), one()), NOTHING);
    assert_eq!(through(one(), json!([])), ["Forbidden:spec.ephemeralContainers"]);
    assert_eq!(through(one(), ephemeral(json!({"image": "j"}))), ["Forbidden:spec.ephemeralContainers"]);
}

fn claim(spec: Value, status: Value) -> Value {
    let mut all = json!({"accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "volumeName": "v",
        "resources": {"requests": {"storage": "4Gi"}}});
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    json!({"spec": all, "status": status})
}

#[test]
fn a_bound_claim_changes_its_request_and_its_class_of_attributes() {
    let bound =
        || json!({"phase": "Bound", "capacity": {"storage": "2Gi"}, "currentVolumeAttributesClassName": "gold"});
    let request = |storage: &str| json!({"resources": {"requests": {"storage": storage}}});
    let old = || claim(json!({"volumeAttributesClassName": "gold"}), bound());
    let keeping = |mut spec: Value| {
        spec["volumeAttributesClassName"] = "gold".into();
        claim(spec, bound())
    };
    for (new, causes) in [
        (keeping(request("9Gi")), vec![]),
        (keeping(request("3Gi")), vec![]),
        (keeping(request("2Gi")), vec!["Forbidden:spec.resources.requests.storage"]),
        (
            keeping(json!({"resources": {"requests": {"storage": "4Gi"}, "limits": {"storage": "9Gi"}}})),
            vec!["Forbidden:spec"],
        ),
        (claim(json!({"volumeAttributesClassName": "silver"}), bound()), vec![]),
        (claim(json!({"volumeAttributesClassName": ""}), bound()), vec!["Forbidden:spec.volumeAttributesClassName"]),
        (claim(json!({}), bound()), vec!["Forbidden:spec.volumeAttributesClassName"]),
    ] {
        assert_eq!(update("persistentvolumeclaims", old(), new.clone()), causes, "{new}");
    }
}

#[test]
fn the_class_of_an_annotation_may_become_the_fields() {
    const ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";
    let with = |annotation: Option<&str>, class: Option<&str>| {
        let mut claim = claim(json!({"storageClassName": class}), json!({}));
        claim["metadata"] = json!({"annotations": {ANNOTATION: annotation}});
        if annotation.is_none() {
            claim["metadata"] = json!({});
        }
        claim
    };
    let old = || with(Some("slow"), None);
    assert_eq!(update("persistentvolumeclaims", old(), with(None, Some("slow"))), NOTHING);
    let other = update("persistentvolumeclaims", old(), with(Some("slow"), Some("fast")));
    assert_eq!(other, ["Forbidden:spec"]);
    let dropped = update("persistentvolumeclaims", old(), with(None, None));
    assert_eq!(dropped, [format!("Invalid:metadata.annotations.{ANNOTATION}")]);
}

#[test]
fn a_status_of_a_claim_counts_storage() {
    let status = |status: Value| {
        update_through("persistentvolumeclaims", "status", claim(json!({}), json!({})), claim(json!({}), status))
    };
    for (given, causes) in [
        (json!({"allocatedResources": {"storage": "1Gi", "example.com/iops": "5"}}), vec![]),
        (json!({"allocatedResources": {"memory": "1Gi"}}), vec!["NotSupported:status.allocatedResources"]),
        (
            json!({"allocatedResourceStatuses": {"storage": "Done"}}),
            vec!["NotSupported:status.allocatedResourceStatuses"],
        ),
        (json!({"capacity": {"storage": "-1"}}), vec!["Invalid:status.capacity[storage]"]),
    ] {
        assert_eq!(status(given.clone()), causes, "{given}");
    }
}

#[test]
fn a_volume_keeps_its_place_but_for_labels_that_left_beta() {
    let on = |label: &str| {
        json!({"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "nfs": {"server": "s", "path": "/p"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": label, "operator": "In", "values": ["z"]}]}]}}}})
    };
    let zone = "failure-domain.beta.kubernetes.io/zone";
    assert_eq!(update("persistentvolumes", on(zone), on("topology.kubernetes.io/zone")), NOTHING);
    assert_eq!(update("persistentvolumes", on(zone), on("topology.kubernetes.io/region")), ["Invalid:nodeAffinity"]);
    let mut moved = on(zone);
    moved["spec"]["nfs"]["path"] = "/q".into();
    assert_eq!(update("persistentvolumes", on(zone), moved), ["Forbidden:spec.persistentvolumesource"]);
    let mut modeless = on(zone);
    modeless["spec"]["accessModes"] = json!([]);
    assert_eq!(
        update("persistentvolumes", on(zone), modeless),
        vec!["Required:spec.accessModes"; 2],
        "it is looked at twice"
    );
}

#[test]
fn a_node_keeps_its_ranges_and_names_its_features() {
    let node = |spec: Value, status: Value| json!({"spec": spec, "status": status});
    let old = || node(json!({"podCIDRs": ["10.4.0.0/24"], "podCIDR": "10.4.0.0/24"}), json!({}));
    let moved = node(json!({"podCIDRs": ["10.5.0.0/24"], "podCIDR": "10.5.0.0/24"}), json!({}));
    assert_eq!(update("nodes", old(), moved), ["Forbidden:spec.podCIDRs"]);
    let features = |list: Value| {
        let new =
            node(json!({"podCIDRs": ["10.4.0.0/24"], "podCIDR": "10.4.0.0/24"}), json!({"declaredFeatures": list}));
        update_through("nodes", "status", old(), new)
    };
    assert_eq!(features(json!(["Alpha", "Beta/sub", "GuaranteedQoS/a1"])), NOTHING);
    assert_eq!(features(json!(["Beta", "Alpha"])), ["Invalid:status.declaredFeatures[1]"]);
    assert_eq!(
        features(json!(["alpha", "alpha"])),
        [
            "Invalid:status.declaredFeatures[0]",
            "Duplicate:status.declaredFeatures[1]",
            "Invalid:status.declaredFeatures[1]"
        ]
    );
}

#[test]
fn endpoints_keep_what_they_had_and_take_new_addresses_in_one_spelling() {
    let with = |ip: &str, label: &str| json!({"metadata": {"labels": {"l": label}}, "subsets": [{"addresses": [{"ip": ip}], "ports": [{"port": 80}]}]});
    let at = "Invalid:subsets[0].addresses[0].ip";
    assert_eq!(update("endpoints", with("192.0.2.1", "a"), with("192.0.02.1", "a")), [at]);
    assert_eq!(update("endpoints", with("192.0.2.1", "a"), with("nowhere", "a")), [at; 2]);
    assert_eq!(update("endpoints", with("192.0.2.1", "a"), with("127.0.0.1", "a")), [at]);
    assert_eq!(update("endpoints", with("nowhere", "a"), with("nowhere", "b")), NOTHING);
}

fn service(spec: Value) -> Value {
    let mut all = json!({"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"], "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack", "ports": [{"port": 80}]});
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    json!({ "spec": all })
}

#[test]
fn a_service_keeps_its_addresses_and_what_its_type_once_had() {
    for (old, new, causes) in [
        (json!({}), json!({"clusterIP": "10.96.0.8", "clusterIPs": ["10.96.0.8"]}), vec!["Invalid:spec.clusterIPs[0]"]),
        (json!({}), json!({"clusterIP": "x", "clusterIPs": ["x"], "ports": []}), vec!["Invalid:spec.clusterIPs[0]"]),
        (json!({}), json!({"ipFamilyPolicy": "RequireDualStack"}), vec!["Invalid:spec.ipFamilyPolicy"]),
        (json!({}), json!({"ipFamilies": ["IPv6"]}), vec!["Invalid:spec.clusterIPs[0]"]),
        (json!({}), json!({"loadBalancerClass": "a/b"}), vec!["Forbidden:spec.loadBalancerClass"; 2]),
        (json!({"externalIPs": ["010.1.1.1"]}), json!({"externalIPs": ["010.1.1.1"]}), vec![]),
        (json!({}), json!({"externalIPs": ["010.1.1.1"]}), vec!["Invalid:spec.externalIPs[0]"]),
        (
            json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 30009}),
            json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 30010}),
            vec!["Forbidden:spec.healthCheckNodePort"],
        ),
    ] {
        assert_eq!(update("services", service(old), service(new.clone())), causes, "{new}");
    }
}

#[test]
fn a_status_of_a_service_names_addresses_of_load_balancers() {
    let status = |kind: &str, ingress: Value| {
        let (old, mut new) = (service(json!({"type": kind})), service(json!({"type": kind})));
        new["status"] = json!({"loadBalancer": {"ingress": [ingress]}});
        update_through("services", "status", old, new)
    };
    assert_eq!(status("NodePort", json!({"ip": "192.0.2.1"})), ["Forbidden:status.loadBalancer.ingress"]);
    assert_eq!(status("LoadBalancer", json!({"ip": "192.0.2.1", "ports": [{"port": 0, "protocol": "X"}]})), NOTHING);
    let numbers = status("LoadBalancer", json!({"hostname": "192.0.02.1"}));
    assert_eq!(numbers, ["Invalid:status.loadBalancer.ingress[0].hostname"]);
}
