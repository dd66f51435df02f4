use super::*;
use crate::{Expected, Format, Strictness, decode};
use gantry_kinds::catalog;
use serde_json::json;

/// What a body of the kind is after decoding and defaults.
fn defaulted(group: &str, plural: &str, body: Value) -> Value {
    let resource = catalog().preferred(group, plural).expect("a built-in resource");
    let body = serde_json::to_vec(&body).expect("a tree");
    let mut object =
        decode(Expected::from(resource), &body, Format::Json, Strictness::Strict).expect("a good body").object;
    let surroundings = Surroundings { now: "2026-11-21T12:00:00Z".parse().expect("a time") };
    apply_defaults(&resource.root, &mut object, &surroundings);
    let once = object.clone();
    apply_defaults(&resource.root, &mut object, &surroundings);
    assert_eq!(object, once, "defaults applied again change nothing");
    crate::canonical::canonicalise(&resource.root, &mut object);
    assert_eq!(object, once, "defaults keep the canonical form");
    Value::Object(once)
}

#[test]
fn a_deployment_gets_the_strategy_and_its_template_no_more_than_templates_get() {
    let body = json!({"spec": {"selector": {}, "template": {"spec": {"containers": [{"name": "c", "image": "x"}],
        "volumes": [{"name": "v"}], "serviceAccount": "a"}}}});
    let spec = &defaulted("apps", "deployments", body)["spec"];
    assert_eq!(
        spec["strategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}})
    );
    assert_eq!((&spec["replicas"], &spec["progressDeadlineSeconds"]), (&json!(1), &json!(600)));
    let pod = json!({"containers": [{"name": "c", "image": "x", "imagePullPolicy": "Always", "resources": {},
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}],
        "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler", "securityContext": {},
        "serviceAccount": "a", "serviceAccountName": "a", "terminationGracePeriodSeconds": 30,
        "volumes": [{"name": "v", "emptyDir": {}}]});
    assert_eq!(spec["template"]["spec"], pod);
    let recreate = defaulted("apps", "deployments", json!({"spec": {"strategy": {"type": "Recreate"}}}));
    assert_eq!(recreate["spec"]["strategy"], json!({"type": "Recreate"}));
}

#[test]
fn a_pod_gets_host_ports_requests_and_probe_times() {
    let body = json!({"spec": {"hostNetwork": true, "containers": [{"name": "c", "image": "x:1", "ports": [{"containerPort": 80}],
        "resources": {"limits": {"cpu": "1"}, "requests": {"memory": "1Gi"}}, "livenessProbe": {"httpGet": {"port": 80}}}]}});
    let pod = defaulted("", "pods", body);
    let container = &pod["spec"]["containers"][0];
    assert_eq!(container["ports"], json!([{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}]));
    assert_eq!(container["resources"]["requests"], json!({"cpu": "1", "memory": "1Gi"}));
    assert_eq!(
        container["livenessProbe"],
        json!({"httpGet": {"path": "/", "port": 80, "scheme": "HTTP"},
        "failureThreshold": 3, "periodSeconds": 10, "successThreshold": 1, "timeoutSeconds": 1})
    );
    assert_eq!(pod["spec"]["enableServiceLinks"], true);
}

#[test]
fn pod_level_requests_are_the_sum_of_the_containers() {
    let container =
        |name: &str, cpu: &str| json!({"name": name, "image": "x", "resources": {"requests": {"cpu": cpu}}});
    let body = json!({"spec": {"containers": [container("a", "250m"), container("b", "500m")],
        "initContainers": [container("i", "600m")], "resources": {"limits": {"cpu": "2", "memory": "1Gi"}}}});
    let requests = &defaulted("", "pods", body)["spec"]["resources"]["requests"];
    assert_eq!(requests, &json!({"cpu": "750m", "memory": "1Gi"}));
}

#[test]
fn services_default_by_type() {
    let service = |spec: Value| defaulted("", "services", json!({ "spec": spec }))["spec"].clone();
    let plain = service(json!({"ports": [{"port": 80, "targetPort": 0}]}));
    let expected = json!({"type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
        "ports": [{"port": 80, "targetPort": 80, "protocol": "TCP"}]});
    assert_eq!(plain, expected);
    let node_port = service(json!({"type": "NodePort", "sessionAffinity": "ClientIP"}));
    assert_eq!(node_port["externalTrafficPolicy"], "Cluster");
    assert_eq!(node_port["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"], 10_800);
    assert!(service(json!({"type": "ExternalName"})).get("internalTrafficPolicy").is_none());
}

#[test]
fn jobs_default_by_what_is_given_and_cron_jobs_leave_them_alone() {
    let job = |spec: Value| defaulted("batch", "jobs", json!({ "spec": spec }))["spec"].clone();
    assert_eq!((&job(json!({}))["completions"], &job(json!({}))["parallelism"]), (&json!(1), &json!(1)));
    assert!(job(json!({"parallelism": 3})).get("completions").is_none());
    assert_eq!(job(json!({"backoffLimitPerIndex": 1}))["backoffLimit"], i32::MAX);
    let cron = defaulted("batch", "cronjobs", json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": {}}}}}}));
    let template = &cron["spec"]["jobTemplate"]["spec"];
    assert!(template.get("backoffLimit").is_none());
    assert_eq!(template["template"]["spec"]["dnsPolicy"], "ClusterFirst");
    assert_eq!(cron["spec"]["concurrencyPolicy"], "Allow");
}

#[test]
fn stateful_sets_default_the_strategy_only_without_a_type() {
    let strategy = |given: Value| {
        defaulted("apps", "statefulsets", json!({"spec": {"updateStrategy": given}}))["spec"]["updateStrategy"].clone()
    };
    assert_eq!(strategy(json!({})), json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}));
    assert_eq!(strategy(json!({"type": "RollingUpdate"})), json!({"type": "RollingUpdate"}));
    assert_eq!(strategy(json!({"rollingUpdate": {"maxUnavailable": "50%"}}))["rollingUpdate"], json!({"partition": 0}));
}

#[test]
fn secrets_take_string_data_and_namespaces_their_name_label() {
    let secret = defaulted("", "secrets", json!({"data": {"x": "aGVsbG8="}, "stringData": {"x": "text"}}));
    assert_eq!((&secret["data"], &secret["type"]), (&json!({"x": "dGV4dA=="}), &json!("Opaque")));
    assert!(secret.get("stringData").is_none());
    let labels = json!({"kubernetes.io/metadata.name": "mine"});
    let namespace = defaulted("", "namespaces", json!({"metadata": {"name": "a", "labels": labels}}));
    assert_eq!(namespace["metadata"]["labels"]["kubernetes.io/metadata.name"], "a");
    assert_eq!(namespace["status"]["phase"], "Active");
}

#[test]
fn always_written_zeros_count_as_unset_unless_they_are_pointers() {
    let binding = json!({"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s"}]});
    let binding = defaulted("rbac.authorization.k8s.io", "rolebindings", binding);
    assert_eq!(binding["roleRef"]["apiGroup"], "rbac.authorization.k8s.io");
    assert_eq!(binding["subjects"][0]["apiGroup"], "rbac.authorization.k8s.io");
    assert!(binding["subjects"][1].get("apiGroup").is_none());
    let schema = defaulted("flowcontrol.apiserver.k8s.io", "flowschemas", json!({"spec": {"matchingPrecedence": 0}}));
    assert_eq!(schema["spec"]["matchingPrecedence"], 1000);
}

#[test]
fn annotations_from_before_init_containers_are_dropped_from_pods_and_templates() {
    let annotations = json!({"pod.beta.kubernetes.io/init-containers": "[]", "pod.alpha.kubernetes.io/init-container-statuses": "[]",
        "pod.beta.kubernetes.io/other": "x"});
    let kept = json!({"pod.beta.kubernetes.io/other": "x"});
    let pod = defaulted(
        "",
        "pods",
        json!({"metadata": {"annotations": annotations}, "spec": {"containers": [{"name": "c"}]}}),
    );
    assert_eq!(pod["metadata"]["annotations"], kept);
    let template = json!({"metadata": {"annotations": annotations}, "spec": {"containers": [{"name": "c"}]}});
    let set = defaulted("apps", "daemonsets", json!({"spec": {"template": template}}));
    assert_eq!(set["spec"]["template"]["metadata"]["annotations"], kept);
}
