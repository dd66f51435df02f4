//! What is accepted with a warning: how many there are, and about which field.

use serde_json::{Value, json};

use super::{pod, pod_with, template};
use crate::support::{create, named, object, resource, update};

/// The field, or the first words, of each warning about a new object.
#[track_caller]
fn of_new(path: &str, body: Value) -> Vec<String> {
    fields(gantry_validation::warnings(named(resource(path)), &object(path, &body), None, None))
}

/// As [`of_new`] for a change, in the generation that `new` states.
#[track_caller]
fn of_change(path: &str, old: &Value, new: &Value, subresource: Option<&str>) -> Vec<String> {
    let (old, new) = (object(path, old), object(path, new));
    fields(gantry_validation::warnings(named(resource(path)), &new, Some(&old), subresource))
}

fn fields(warnings: Vec<String>) -> Vec<String> {
    warnings.into_iter().map(|text| text.split_once(": ").map_or(text.clone(), |(field, _)| field.to_owned())).collect()
}

#[test]
fn names_that_become_hostnames_are_better_labels() {
    let dotted = |mut body: Value| {
        body["metadata"] = json!({"name": "a.b"});
        body
    };
    assert_eq!(of_new("pods", dotted(pod(json!({})))), ["metadata.name"]);
    let set = json!({"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template(json!({"a": "b"}))}});
    assert_eq!(of_new("apps/replicasets", dotted(set.clone())), ["metadata.name"]);
    assert!(of_new("apps/daemonsets", dotted(set.clone())).is_empty(), "its pods have names of their own");
    assert!(of_change("apps/replicasets", &dotted(set.clone()), &dotted(set), None).is_empty());
}

#[test]
fn old_volumes_and_labels_are_named_one_by_one() {
    let volumes = json!([{"name": "a", "storageos": {}}, {"name": "b", "flocker": {"datasetName": "d"}},
        {"name": "c", "emptyDir": {}}, {"name": "d", "quobyte": {"registry": "r:1", "volume": "v"}}]);
    let expected = ["spec.volumes[0].storageOS", "spec.volumes[1].flocker", "spec.volumes[3].quobyte"];
    assert_eq!(of_new("pods", pod(json!({"volumes": volumes}))), expected);
    let terms = json!([{"weight": 1, "preference": {"matchExpressions":
        [{"key": "beta.kubernetes.io/os", "operator": "In", "values": ["x", "not a value"]}]}}]);
    let affinity = json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": terms}});
    let at =
        "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0]";
    assert_eq!(of_new("pods", pod(json!({"affinity": affinity}))), [format!("{at}.key"), format!("{at}.values[1]")]);
    let class = json!({"handler": "h", "scheduling": {"nodeSelector": {"node-role.kubernetes.io/master": ""}}});
    assert_eq!(
        of_new("node.k8s.io/runtimeclasses", class),
        ["scheduling.nodeSelector[node-role.kubernetes.io/master]"]
    );
}

#[test]
fn a_variable_that_builds_on_its_earlier_value_hides_nothing() {
    let second = |second: &str| {
        let env = json!([{"name": "A", "value": "1"}, {"name": "A", "value": second}]);
        of_new("pods", pod_with(json!({"env": env}))).len()
    };
    assert_eq!((second("$(A):2"), second("$(A)"), second("2")), (0, 1, 1));
}

#[test]
fn paths_of_a_volume_may_lie_upon_each_other() {
    let files = |paths: &[&str]| {
        let items: Vec<Value> = paths.iter().map(|path| json!({"key": "k", "path": path})).collect();
        let volumes = json!([{"name": "v", "configMap": {"name": "m", "items": items}}]);
        of_new("pods", pod(json!({"volumes": volumes}))).len()
    };
    assert_eq!((files(&["a", "b"]), files(&["a", "a/b"]), files(&["a/b", "a", "a/"])), (0, 1, 3));
    let sources = json!([{"secret": {"name": "s", "items": [{"key": "k", "path": "token"}]}},
        {"serviceAccountToken": {"path": "token"}}, {}]);
    let volumes = json!([{"name": "v", "projected": {"sources": sources}}]);
    assert_eq!(of_new("pods", pod(json!({"volumes": volumes}))).len(), 2);
}

#[test]
fn ports_and_addresses_are_looked_at() {
    let ports = json!([{"containerPort": 80, "hostIP": "10.0.0.1"}, {"containerPort": 80, "hostIP": "10.0.0.1"}]);
    let expected = ["[0]", "[1]", "[1]"].map(|at| format!("spec.containers[0].ports{at}"));
    assert_eq!(of_new("pods", pod_with(json!({"ports": ports}))), expected);
    let service = |spec: Value| of_new("services", json!({"spec": spec}));
    let ports = json!([{"port": 80}]);
    assert_eq!(
        service(json!({"ports": ports, "loadBalancerIP": "010.1.1.1", "loadBalancerSourceRanges": ["FD00::/8"]})),
        ["spec.loadBalancerIP", "spec.loadBalancerSourceRanges[0]"]
    );
    let headless = json!({"ports": ports, "clusterIP": "None", "sessionAffinity": "ClientIP", "loadBalancerIP": "::1"});
    assert_eq!(service(headless), ["spec.loadBalancerIP", "spec.sessionAffinity"]);
    let policy = |cidr: &str| {
        let peers = json!([{"ipBlock": {"cidr": cidr}}]);
        of_new("networking.k8s.io/networkpolicies", json!({"spec": {"podSelector": {}, "egress": [{"to": peers}]}}))
            .len()
    };
    assert_eq!(
        (policy("10.1.2.3/8"), policy("10.0.0.0/8"), policy("2001:DB8::/32"), policy("010.1.0.0/8")),
        (1, 0, 1, 2)
    );
}

#[test]
fn a_change_is_warned_about_where_it_changes_what_is_wanted() {
    let set = |generation: i64, grace: i64| {
        let mut template = template(json!({"a": "b"}));
        template["spec"]["terminationGracePeriodSeconds"] = grace.into();
        json!({"metadata": {"generation": generation},
            "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}})
    };
    let path = "apps/deployments";
    assert_eq!(of_change(path, &set(1, -1), &set(2, -1), None), ["spec.template.spec.terminationGracePeriodSeconds"]);
    assert!(of_change(path, &set(1, -1), &set(1, -1), None).is_empty());
    assert!(of_change(path, &set(1, -1), &set(2, -1), Some("status")).is_empty());
    assert!(of_change("apps/daemonsets", &set(1, -1), &set(2, -1), None).is_empty(), "its template is the same");
    let controller = |generation: i64, grace: i64| {
        let mut set = set(generation, grace);
        set["spec"]["selector"] = json!({"a": "b"});
        set
    };
    let changed = of_change("replicationcontrollers", &controller(1, 30), &controller(2, -1), None);
    assert!(changed.is_empty(), "the old template is looked at");
}

#[test]
fn status_addresses_are_looked_at_and_nothing_else_of_a_status() {
    let status = |ip: &str| json!({"spec": {"ports": [{"port": 1}], "externalName": "x"}, "status": {"loadBalancer": {"ingress": [{"ip": ip}]}}});
    let of = |ip: &str| of_change("services", &status("10.0.0.1"), &status(ip), Some("status"));
    assert_eq!((of("10.0.0.2").len(), of("::FFFF").len(), of("::ffff:1.2.3.4").len()), (0, 1, 1));
}

#[test]
fn other_kinds_have_their_own_questionable_parts() {
    let cases = [
        ("nodes", json!({"spec": {"externalID": "x", "podCIDRs": ["10.0.0.0/24"]}}), 1),
        (
            "serviceaccounts",
            json!({"metadata": {"annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}}}),
            1,
        ),
        ("storage.k8s.io/csidrivers", json!({"spec": {"tokenRequests": [{"audience": "a"}]}}), 1),
        (
            "storage.k8s.io/csidrivers",
            json!({"spec": {"tokenRequests": [{"audience": "a"}], "serviceAccountTokenInSecrets": false}}),
            0,
        ),
        ("discovery.k8s.io/endpointslices", json!({"addressType": "FQDN", "endpoints": [{"addresses": ["a.b"]}]}), 1),
        (
            "endpoints",
            json!({"subsets": [{"addresses": [{"ip": "10.0.0.1"}, {"ip": "010.0.0.2"}], "ports": [{"port": 1}]}]}),
            1,
        ),
        (
            "networking.k8s.io/ingresses",
            json!({"metadata": {"annotations": {"kubernetes.io/ingress.class": "c"}}, "spec": {"ingressClassName": "c"}}),
            0,
        ),
        (
            "admissionregistration.k8s.io/validatingadmissionpolicies",
            json!({"metadata": {"name": "p.static.k8s.io"}, "spec": {"validations": [{"expression": "true"}]}}),
            1,
        ),
    ];
    for (path, body, expected) in cases {
        assert_eq!(of_new(path, body.clone()).len(), expected, "{path} {body}");
    }
}

#[test]
fn formats_that_nothing_knows_are_named_when_they_are_new() {
    let definition = |formats: &[&str]| {
        let members = formats.iter().map(|format| (format!("m{format}"), json!({"type": "string", "format": format})));
        let properties: serde_json::Map<String, Value> = members.collect();
        json!({"spec": {"group": "g.io", "names": {"kind": "X", "plural": "xs"}, "scope": "Namespaced", "versions":
            [{"name": "v1", "served": true, "storage": true,
              "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}}}]}})
    };
    let path = "apiextensions.k8s.io/customresourcedefinitions";
    assert_eq!(of_new(path, definition(&["date-time", "ipv4", "colour", "int32"])).len(), 2);
    let changed = of_change(path, &definition(&["colour"]), &definition(&["colour", "taste"]), None);
    assert_eq!(changed, ["unrecognized format \"taste\""]);
}

#[test]
fn profiles_of_annotations_and_fields_say_the_same() {
    let armed = |annotation: &str, profile: Value| {
        let mut pod = pod_with(json!({"securityContext": {"appArmorProfile": profile}}));
        pod["metadata"] = json!({"annotations": {"container.apparmor.security.beta.kubernetes.io/c": annotation}});
        pod
    };
    let local = json!({"type": "Localhost", "localhostProfile": "p"});
    let at = |member: &str| format!("Forbidden:spec.containers[0].securityContext.appArmorProfile.{member}");
    assert_eq!(create("pods", armed("localhost/p", local.clone())), [] as [String; 0]);
    assert_eq!(create("pods", armed("localhost/q", local.clone())), [at("localhostProfile")]);
    assert_eq!(create("pods", armed("unconfined", local)), [at("type")]);
    let mut odd = pod(json!({}));
    odd["metadata"] = json!({"annotations": {"container.apparmor.security.beta.kubernetes.io/d": "odd",
        "seccomp.security.alpha.kubernetes.io/pod": "localhost/../x"}});
    let apparmor = "Invalid:metadata.annotations[container.apparmor.security.beta.kubernetes.io/d]";
    let seccomp = "Invalid:metadata.annotations.seccomp.security.alpha.kubernetes.io/pod";
    assert_eq!(create("pods", odd.clone()), [apparmor, apparmor, seccomp]);
    let added = apparmor.replace("Invalid", "Forbidden");
    assert!(update("pods", pod(json!({})), odd).contains(&added));
}
