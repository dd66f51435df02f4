//! Rules whose edges are easily missed.

use crate::support::{create, update, update_status_of, update_through};
use crate::{NOTHING, container, pod, pod_with, template};
use gantry_meta::Value;
use serde_json::json;

#[test]
fn an_image_of_spaces_is_not_trimmed_but_there() {
    assert_eq!(create("pods", pod_with(json!({"image": "  "}))), ["Invalid:spec.containers[0].image"]);
    assert_eq!(create("pods", pod_with(json!({"image": ""}))), ["Required:spec.containers[0].image"]);
}

#[test]
fn a_profile_of_the_host_has_a_path_that_linux_takes() {
    let profile = |path: String| {
        pod(json!({"securityContext": {"appArmorProfile": {"type": "Localhost", "localhostProfile": path}}}))
    };
    let field = "spec.securityContext.appArmorProfile.localhostProfile";
    assert_eq!(create("pods", profile("p".repeat(4095))), NOTHING);
    assert_eq!(create("pods", profile("p".repeat(4096))), [format!("TooLong:{field}")]);
    assert_eq!(create("pods", profile(" ".into())), [format!("Invalid:{field}")]);
    assert_eq!(create("pods", profile(String::new())), [format!("Required:{field}")]);
}

#[test]
fn sources_of_variables_may_be_named_as_prefixes_are() {
    let from = |name: &str| pod_with(json!({"envFrom": [{"configMapRef": {"name": name}}]}));
    assert_eq!(create("pods", from("settings-")), NOTHING);
    assert_eq!(create("pods", from("-settings")), ["Invalid:spec.containers[0].envFrom[0].configMapRef.name"]);
}

#[test]
fn a_volume_of_an_image_needs_its_reference_first() {
    let volume = json!({"volumes": [{"name": "v", "image": {"pullPolicy": "Sometimes"}}]});
    assert_eq!(
        create("pods", pod(volume)),
        ["Required:spec.volumes[0].image.reference", "NotSupported:spec.volumes[0].image.pullPolicy"]
    );
}

#[test]
fn failed_indexes_need_a_limit_for_each_before_anything_else() {
    let spec =
        json!({"maxFailedIndexes": 2, "template": {"spec": {"restartPolicy": "Never", "containers": [container()]}}});
    let cron = json!({"spec": {"schedule": "@daily", "jobTemplate": {"spec": spec}}});
    assert_eq!(
        create("batch/cronjobs", cron),
        ["Required:spec.jobTemplate.spec.backoffLimitPerIndex", "Invalid:spec.jobTemplate.spec.maxFailedIndexes"]
    );
}

#[test]
fn a_stateful_set_is_read_from_its_modes_to_its_claims() {
    let spec = json!({"podManagementPolicy": "Random", "updateStrategy": {"type": "Never"}, "replicas": -1, "serviceName": "a b",
        "volumeClaimTemplates": [{"metadata": {"name": "d"}, "spec": {"resources": {"requests": {"storage": "1"}}}}],
        "selector": {"matchLabels": {"a": "b"}}, "template": template(json!({"a": "b"}))});
    assert_eq!(
        create("apps/statefulsets", json!({"spec": spec})),
        [
            "Invalid:spec.podManagementPolicy",
            "Invalid:spec.updateStrategy",
            "Required:spec.volumeClaimTemplates[0].spec.accessModes",
            "Invalid:spec.replicas",
            "Invalid:spec.serviceName",
        ]
    );
}

#[test]
fn counters_of_a_stateful_set_are_reported_from_the_ready_ones_on() {
    let whole = |status: Value| json!({"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template(json!({"a": "b"}))}, "status": status});
    let counts =
        json!({"replicas": 1, "currentReplicas": 2, "updatedReplicas": 3, "readyReplicas": 5, "availableReplicas": 4});
    assert_eq!(
        update_through("apps/statefulsets", "status", whole(json!({"replicas": 0})), whole(counts)),
        ["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"]
            .map(|c| format!("Invalid:status.{c}"))
    );
}

#[test]
fn ranges_of_one_family_are_told_in_any_spelling() {
    let ranges =
        |second: &str| create("networking.k8s.io/servicecidrs", json!({"spec": {"cidrs": ["10.9.0.0/16", second]}}));
    assert_eq!(ranges("fd00::/112"), NOTHING);
    assert_eq!(ranges("010.8.0.0/16"), ["Invalid:spec.cidrs[1]", "Invalid:spec.cidrs"]);
}

#[test]
fn exceptions_are_looked_at_below_a_range_in_any_spelling() {
    let policy = |block: &str, except: &str| {
        let block = json!({"cidr": block, "except": [except]});
        create(
            "networking.k8s.io/networkpolicies",
            json!({"spec": {"podSelector": {}, "egress": [{"to": [{"ipBlock": block}]}]}}),
        )
    };
    let (outer, inner) =
        ("Invalid:spec.egress[0].to[0].ipBlock.cidr", "Invalid:spec.egress[0].to[0].ipBlock.except[0]");
    assert_eq!(policy("010.0.0.0/8", "11.0.0.0/16"), [outer, inner]);
    assert_eq!(policy("::ffff:10.0.0.0/104", "nowhere"), [outer, inner]);
    assert_eq!(policy("010.0.0.0/8", "10.1.0.0/16"), [outer]);
}

#[test]
fn names_of_roles_may_be_generated_from_what_a_name_may_be() {
    let role = |prefix: &str| create("rbac.authorization.k8s.io/roles", json!({"metadata": {"generateName": prefix}}));
    assert_eq!(role("team:"), NOTHING);
    assert_eq!(role(".."), ["Invalid:metadata.generateName"]);
}

#[test]
fn the_name_of_an_api_service_is_reported_among_the_metadata() {
    let service = json!({"metadata": {"name": "v1.other.example", "labels": {"a b": "c"}},
        "spec": {"group": "some.example", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 0}});
    assert_eq!(
        create("apiregistration.k8s.io/apiservices", service),
        ["Invalid:metadata.name", "Invalid:metadata.labels", "Invalid:spec.versionPriority"]
    );
}

#[test]
fn tolerations_of_a_runtime_class_differ_in_more_than_their_seconds() {
    let toleration =
        |seconds: u8| json!({"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds});
    let class = |list: Vec<Value>| {
        create("node.k8s.io/runtimeclasses", json!({"handler": "h", "scheduling": {"tolerations": list}}))
    };
    assert_eq!(class(vec![toleration(1), toleration(2)]), ["Duplicate:scheduling.tolerations[1]"]);
    assert_eq!(class(vec![toleration(1)]), NOTHING);
}

#[test]
fn a_volume_within_an_attachment_has_no_claim_not_even_an_empty_one() {
    let inline =
        json!({"claimRef": {}, "accessModes": ["ReadWriteOnce"], "csi": {"driver": "d.example", "volumeHandle": "h"}});
    let spec = json!({"attacher": "d.example", "nodeName": "n", "source": {"inlineVolumeSpec": inline}});
    assert_eq!(
        create("storage.k8s.io/volumeattachments", json!({"spec": spec})),
        ["Forbidden:spec.source.inlineVolumeSpec.claimRef"]
    );
}

#[test]
fn local_is_no_time_zone_in_any_spelling() {
    let cron = |zone: &str| {
        let job = json!({"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container()]}}}});
        create("batch/cronjobs", json!({"spec": {"schedule": "@daily", "timeZone": zone, "jobTemplate": job}}))
    };
    assert_eq!(cron("Local"), ["Invalid:spec.timeZone"]);
    assert_eq!(cron("loCAL"), ["Invalid:spec.timeZone"; 2]);
}

#[test]
fn parameters_of_a_driver_are_an_object_or_wrong() {
    let class = |parameters: Value| {
        let config = json!([{"opaque": {"driver": "d.example", "parameters": parameters}}]);
        create("resource.k8s.io/deviceclasses", json!({"spec": {"config": config}}))
    };
    assert_eq!(class(json!({})), NOTHING);
    assert_eq!(class(json!([])), ["Invalid:spec.config[0].opaque.parameters"]);
    assert_eq!(class(Value::Null), ["Required:spec.config[0].opaque.parameters"]);
}

#[test]
fn hosts_of_webhooks_are_hosts() {
    let hook = |url: &str| {
        let hook = json!({"name": "a.b.example", "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "clientConfig": {"url": url}});
        create("admissionregistration.k8s.io/mutatingwebhookconfigurations", json!({"webhooks": [hook]}))
    };
    for good in ["https://hooks.example:8443/x", "https://[fd00::1]:1/x", "https://hooks.example:/x"] {
        assert_eq!(hook(good), NOTHING, "{good}");
    }
    for bad in [
        "https://my hooks/x",
        "https://hooks.example:http/x",
        "https://[fd00::1/x",
        "https://[1.2.3.4]/x",
        "https://a:1:2/x",
    ] {
        assert_eq!(hook(bad), ["Required:webhooks[0].clientConfig.url"], "{bad}");
    }
}

#[test]
fn a_hand_is_dealt_with_sixty_bits() {
    let level = |queues: u32, hand: u32| {
        let queuing = json!({"queues": queues, "handSize": hand, "queueLengthLimit": 1});
        let limited = json!({"nominalConcurrencyShares": 1, "limitResponse": {"type": "Queue", "queuing": queuing}});
        create(
            "flowcontrol.apiserver.k8s.io/prioritylevelconfigurations",
            json!({"spec": {"type": "Limited", "limited": limited}}),
        )
    };
    assert_eq!(level(64, 10), NOTHING);
    assert_eq!(level(64, 11), ["Invalid:spec.limited.limitResponse.queuing.handSize"]);
    assert_eq!(level(20, 14), ["Invalid:spec.limited.limitResponse.queuing.handSize"], "each card counts as the first");
}

#[test]
fn a_revision_without_data_is_none() {
    assert_eq!(create("apps/controllerrevisions", json!({"revision": 1})), ["Required:data"]);
    assert_eq!(create("apps/controllerrevisions", json!({"revision": 1, "data": {}})), NOTHING);
}

#[test]
fn annotations_that_show_a_field_do_not_count() {
    let set = |key: &str| {
        json!({"metadata": {"annotations": {"a": "x".repeat(262_140), key: "12"}},
            "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template(json!({"a": "b"}))}})
    };
    assert_eq!(create("apps/daemonsets", set("deprecated.daemonset.template.generation")), NOTHING);
    assert_eq!(create("apps/daemonsets", set("other")), ["TooLong:metadata.annotations"]);
    assert_eq!(
        create("apps/replicasets", set("deprecated.daemonset.template.generation")),
        ["TooLong:metadata.annotations"]
    );
}

#[test]
fn what_is_issued_is_a_certificate_by_its_form() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let pem = |der: &[u8]| {
        let text = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der));
        json!({ "certificate": STANDARD.encode(text) })
    };
    let csr = json!({"spec": {"request": "", "signerName": "a.example/b", "usages": ["client auth"]}});
    let issued =
        |der: &[u8]| update_status_of("certificates.k8s.io/certificatesigningrequests", &csr, json!({}), pem(der));
    let signed = [0x30, 12, 0x30, 2, 5, 0, 0x30, 2, 5, 0, 0x03, 2, 0, 1];
    assert_eq!(issued(&signed), NOTHING);
    assert_eq!(issued(&signed[..13]), ["Invalid:status.certificate"]);
    assert_eq!(issued(&[0, 0, 0]), ["Invalid:status.certificate"]);
}

#[test]
fn what_is_stated_empty_is_stated() {
    let windows = json!({"os": {"name": "windows"}, "securityContext": {"supplementalGroups": []}});
    assert_eq!(create("pods", pod(windows)), ["Forbidden:spec.securityContext.supplementalGroups"]);
    assert_eq!(create("pods", pod(json!({"resources": {"claims": []}}))), ["Forbidden:spec.resources.claims"]);
    let frozen = json!({"immutable": true, "data": {"a": "b"}});
    let emptied = json!({"immutable": true, "data": {"a": "b"}, "binaryData": {}});
    assert_eq!(update("configmaps", frozen, emptied), ["Forbidden:binaryData"]);
    let slice = json!({"spec": {"driver": "d.example", "pool": {"name": "p", "resourceSliceCount": 1}, "allNodes": true,
        "devices": [{"name": "d"}], "sharedCounters": []}});
    assert_eq!(create("resource.k8s.io/resourceslices", slice), ["Invalid:spec"]);
}

#[test]
fn a_pod_that_states_an_empty_list_more_is_the_same_pod() {
    let stated = pod_with(json!({"resources": {"claims": []}}));
    assert_eq!(update("pods", pod_with(json!({"resources": {}})), stated), NOTHING);
}
