//! What was stored before a rule came stays valid, as long as it breaks that rule and no other.

use crate::support::{create, update, update_status_of};
use crate::{NOTHING, container, pod_with};
use gantry_meta::Value;
use serde_json::json;

/// The object is refused as a new one and as a change of a sound one, and accepted as a change of one that breaks the rule.
#[track_caller]
fn is_ratcheted(path: &str, sound: &Value, broken: &Value, also_broken: &Value) {
    assert_ne!(create(path, broken.clone()), NOTHING, "a new one");
    assert_ne!(update(path, sound.clone(), broken.clone()), NOTHING, "a change that breaks it");
    assert_eq!(update(path, broken.clone(), also_broken.clone()), NOTHING, "a change of what breaks it");
}

fn daemon_set(spec: Value) -> Value {
    let mut pod = json!({"containers": [container()]});
    pod.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    let template = json!({"metadata": {"labels": {"tier": "node"}}, "spec": pod});
    json!({"spec": {"selector": {"matchLabels": {"tier": "node"}}, "template": template}})
}

#[test]
fn pods_that_were_stored_before_a_rule_keep_what_it_forbids() {
    let sound = daemon_set(json!({}));
    for (broken, also) in [
        (
            json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms":
                [{"matchExpressions": [{"key": "disk", "operator": "In", "values": ["a b"]}]}]}}}}),
            json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms":
                [{"matchExpressions": [{"key": "rack", "operator": "In", "values": ["-"]}]}]}}}}),
        ),
        (
            json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone",
                "labelSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["a b"]}]}}]}}}),
            json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "rack",
                "labelSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["_"]}]}}]}}}),
        ),
        (
            json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"a b": "c"}}}]}),
            json!({"topologySpreadConstraints": [{"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchExpressions": [{"key": "app", "operator": "Near"}]}}]}),
        ),
        (
            json!({"overhead": {"memory": "1Gi", "hugepages-2Mi": "3Mi"}}),
            json!({"overhead": {"memory": "1Gi", "hugepages-1Gi": "5Mi"}}),
        ),
        (
            json!({"hostNetwork": true, "securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "1"}]}}),
            json!({"hostIPC": true, "securityContext": {"sysctls": [{"name": "kernel.sem", "value": "1"}]}}),
        ),
    ] {
        is_ratcheted("apps/daemonsets", &sound, &daemon_set(broken), &daemon_set(also));
    }
}

#[test]
fn one_rule_that_is_broken_already_excuses_no_other() {
    let pages = |more: Value| {
        let mut spec = json!({"overhead": {"memory": "1Gi", "hugepages-2Mi": "3Mi"}});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        daemon_set(spec)
    };
    let other = pages(json!({"hostIPC": true, "securityContext": {"sysctls": [{"name": "kernel.sem", "value": "1"}]}}));
    assert_eq!(
        update("apps/daemonsets", pages(json!({})), other),
        ["Invalid:spec.template.spec.securityContext.sysctls[0].name"]
    );
}

#[test]
fn paths_of_tokens_may_go_on_leaving_their_volume() {
    let with_path = |path: &str, image: &str| {
        let volume = json!({"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": path}}]}});
        let mut set = daemon_set(json!({"volumes": [volume]}));
        set["spec"]["template"]["spec"]["containers"][0]["image"] = image.into();
        set
    };
    is_ratcheted("apps/daemonsets", &with_path("token", "a"), &with_path("/token", "a"), &with_path("../token", "b"));
}

#[test]
fn the_cost_of_deletion_may_go_on_being_no_number() {
    let with_cost = |cost: &str| {
        let mut pod = pod_with(json!({}));
        pod["metadata"] = json!({"annotations": {"controller.kubernetes.io/pod-deletion-cost": cost}});
        pod
    };
    is_ratcheted("pods", &with_cost("7"), &with_cost("seven"), &with_cost("eight"));
}

#[test]
fn addresses_and_time_zones_stay_as_they_were_spelled() {
    let policy = |block: &str, port: u16| json!({"spec": {"podSelector": {}, "ingress": [{"ports": [{"port": port}], "from": [{"ipBlock": {"cidr": block}}]}]}});
    let path = "networking.k8s.io/networkpolicies";
    is_ratcheted(path, &policy("10.0.0.0/8", 1), &policy("010.0.0.0/8", 1), &policy("010.0.0.0/8", 2));
    let other = update(path, policy("010.0.0.0/8", 1), policy("011.0.0.0/8", 1));
    assert_eq!(other, ["Invalid:spec.ingress[0].from[0].ipBlock.cidr"], "another value is a new one");

    let job = json!({"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container()]}}}});
    let cron = |schedule: &str, zone: Value, limit: u8| json!({"spec": {"schedule": schedule, "timeZone": zone, "failedJobsHistoryLimit": limit, "jobTemplate": job.clone()}});
    let daily = "0 3 * * *";
    is_ratcheted(
        "batch/cronjobs",
        &cron(daily, json!("UTC"), 1),
        &cron(daily, json!("Mars/Olympus"), 1),
        &cron(daily, json!("Mars/Olympus"), 2),
    );
    let zoned = |zone: &str, limit| cron(&format!("TZ={zone} 0 3 * * *"), Value::Null, limit);
    is_ratcheted("batch/cronjobs", &cron(daily, Value::Null, 1), &zoned("UTC", 1), &zoned("Asia/Tokyo", 2));
    let both = cron("TZ=UTC 0 3 * * *", json!("UTC"), 1);
    assert_eq!(update("batch/cronjobs", zoned("UTC", 1), both), ["Invalid:spec.schedule"]);
}

#[test]
fn ingresses_and_their_load_balancers_keep_what_they_have() {
    let ingress = |host: &str, path: &str, secret: &str| {
        let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
        json!({"spec": {"tls": [{"secretName": secret}], "rules": [{"host": host, "http": {"paths":
            [{"path": path, "pathType": "Exact", "backend": backend}]}}]}})
    };
    let sound = ingress("*.example.com", "/a", "s");
    let kind = "networking.k8s.io/ingresses";
    is_ratcheted(kind, &sound, &ingress("*.example.com", "/a", "S"), &ingress("*.example.com", "/b", "T"));
    is_ratcheted(kind, &sound, &ingress("*.example.com", "a", "s"), &ingress("*.example.com", "//", "s"));
    let points = |ip: &str, name: &str| json!({"loadBalancer": {"ingress": [{"ip": ip, "hostname": name}]}});
    let changed = |to: &str| update_status_of(kind, &sound, points("1.2.3.004", "a.example"), points(to, "b.example"));
    assert_eq!(changed("1.2.3.004"), NOTHING);
    assert_eq!(changed("1.2.3.005"), ["Invalid:status.loadBalancer.ingress[0].ip"]);
}

#[test]
fn webhooks_keep_names_versions_and_side_effects_of_old_ones() {
    let hook = |name: &str, effects: &str, version: &str, seconds: u8| {
        json!({"name": name, "sideEffects": effects, "admissionReviewVersions": [version], "timeoutSeconds": seconds,
            "clientConfig": {"url": "https://hooks.example/x"}})
    };
    let hooks = |hooks: Vec<Value>| json!({"webhooks": hooks});
    let kind = "admissionregistration.k8s.io/validatingwebhookconfigurations";
    let sound = hooks(vec![hook("a.b.example", "None", "v1", 5)]);
    for (broken, also) in [
        (vec![hook("a.b.example", "Some", "v1", 5)], vec![hook("a.b.example", "Unknown", "v1", 6)]),
        (vec![hook("a.b.example", "None", "v7", 5)], vec![hook("a.b.example", "None", "v8", 5)]),
        (vec![hook("a.b.example", "None", "v1", 5); 2], vec![hook("c.d.example", "None", "v1", 5); 2]),
    ] {
        is_ratcheted(kind, &sound, &hooks(broken), &hooks(also));
    }
}

#[test]
fn a_template_of_a_stateful_set_that_is_refused_today_may_stay() {
    let set = |image: &str, replicas: u8| {
        let template =
            json!({"metadata": {"labels": {"db": "x"}}, "spec": {"containers": [{"name": "c", "image": image}]}});
        json!({"spec": {"replicas": replicas, "serviceName": "db", "selector": {"matchLabels": {"db": "x"}}, "template": template}})
    };
    is_ratcheted("apps/statefulsets", &set("app:1", 1), &set("", 1), &set("", 3));
}
