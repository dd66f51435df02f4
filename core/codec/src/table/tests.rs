use super::*;
use gantry_kinds::catalog;

fn cells(group: &str, version: &str, plural: &str, object: Value) -> Vec<Value> {
    let resource = catalog().resource(group, version, plural).expect("a built-in resource");
    let Value::Object(object) = object else { panic!("an object") };
    let now = "2026-11-21T12:00:00Z".parse().expect("a time");
    let row = TablePrinter::of(resource, None).row(&object, &object, IncludeObject::None, "meta.k8s.io/v1", now);
    row["cells"].as_array().expect("cells").clone()
}

fn pod(status: Value) -> Vec<Value> {
    let spec = json!({"nodeName": "n1", "containers": [{"name": "a"}, {"name": "b"}],
        "initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}]});
    let metadata = json!({"name": "p", "creationTimestamp": "2026-11-21T11:00:00Z"});
    cells("", "v1", "pods", json!({"kind": "Pod", "metadata": metadata, "spec": spec, "status": status}))
}

#[test]
fn a_running_pod_counts_ready_containers_and_restarts() {
    let running = json!({"running": {}});
    let status = json!({"phase": "Running", "podIPs": [{"ip": "10.244.0.5"}],
        "initContainerStatuses": [{"name": "i", "state": {"terminated": {"exitCode": 0}}, "restartCount": 3},
            {"name": "s", "state": running, "started": true, "ready": true, "restartCount": 0}],
        "containerStatuses": [{"name": "a", "ready": true, "state": running, "restartCount": 2,
                "lastState": {"terminated": {"finishedAt": "2026-11-21T11:59:00Z"}}},
            {"name": "b", "ready": false, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "restartCount": 1}]});
    let expected =
        json!(["p", "2/3", "CrashLoopBackOff", "3 (60s ago)", "60m", "10.244.0.5", "n1", "<none>", "<none>"]);
    assert_eq!(Value::from(pod(status)), expected);
}

#[test]
fn a_starting_pod_shows_how_far_its_init_containers_are() {
    let waiting = json!([{"name": "i", "state": {"waiting": {"reason": "PodInitializing"}}}]);
    assert_eq!(pod(json!({"phase": "Pending", "initContainerStatuses": waiting}))[2], "Init:0/2");
    let failed = json!([{"name": "i", "state": {"terminated": {"exitCode": 7}}}]);
    assert_eq!(pod(json!({"phase": "Pending", "initContainerStatuses": failed}))[2], "Init:ExitCode:7");
    let gated = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]});
    assert_eq!(pod(gated)[1..3], [json!("0/3"), json!("SchedulingGated")]);
}

#[test]
fn services_show_addresses_and_ports_by_type() {
    let service = |spec: Value| cells("", "v1", "services", json!({"metadata": {"name": "s"}, "spec": spec}));
    let ports = json!([{"port": 80, "protocol": "TCP", "nodePort": 30080}, {"port": 53, "protocol": "UDP"}]);
    let node_port = service(
        json!({"type": "NodePort", "clusterIPs": ["10.96.0.9"], "ports": ports, "selector": {"b": "1", "a": "2"}}),
    );
    let expected = json!(["s", "NodePort", "10.96.0.9", "<none>", "80:30080/TCP,53/UDP", "<unknown>", "a=2,b=1"]);
    assert_eq!(Value::from(node_port), expected);
    assert_eq!(service(json!({"type": "LoadBalancer"}))[3], "<pending>");
    assert_eq!(
        service(json!({"type": "ExternalName", "externalName": "h.example"}))[2..4],
        [json!("<none>"), json!("h.example")]
    );
}

#[test]
fn endpoints_are_listed_port_by_port_and_none_ready_shows_as_nothing() {
    let shown = |subsets: Value| {
        cells("", "v1", "endpoints", json!({"metadata": {"name": "e"}, "subsets": subsets}))[1].clone()
    };
    let addresses = json!([{"ip": "10.7.0.1"}, {"ip": "10.7.0.2"}]);
    let ports = json!([{"name": "a", "port": 1000}, {"name": "b", "port": 2000}]);
    let both = json!([{"addresses": addresses, "ports": ports}, {"addresses": [{"ip": "10.7.0.3"}]}]);
    assert_eq!(shown(both), "10.7.0.1:1000,10.7.0.2:1000,10.7.0.1:2000 + 2 more...");
    assert_eq!(shown(json!([{"notReadyAddresses": addresses, "ports": ports}])), "");
    assert_eq!(shown(json!([])), "<none>");
}

#[test]
fn ingress_rules_without_a_host_count_among_those_not_shown() {
    let shown = |hosts: &[&str]| {
        let rules: Vec<Value> = hosts.iter().map(|host| json!({"host": host})).collect();
        let ingress = json!({"metadata": {"name": "i"}, "spec": {"rules": rules}});
        cells("networking.k8s.io", "v1", "ingresses", ingress)[2].clone()
    };
    assert_eq!(shown(&["a.x", "", "b.x", "c.x"]), "a.x,b.x,c.x");
    assert_eq!(shown(&["a.x", "", "b.x", "c.x", ""]), "a.x,b.x,c.x + 2 more...");
    assert_eq!(shown(&["a.x", "", "b.x"]), "a.x,b.x");
    assert_eq!(shown(&[""]), "*");
}

#[test]
fn a_driver_that_asks_for_the_servers_own_audience_shows_it_as_nothing() {
    let shown = |spec: Value| cells("storage.k8s.io", "v1", "csidrivers", json!({"spec": spec}))[4].clone();
    assert_eq!(shown(json!({"tokenRequests": [{"audience": ""}]})), "");
    assert_eq!(shown(json!({"tokenRequests": [{"audience": "vault"}, {"audience": ""}]})), "vault,");
    assert_eq!(shown(json!({})), "<unset>");
}

#[test]
fn parameters_chosen_by_labels_show_the_selector_written_out() {
    let shown = |reference: Value| {
        let binding = json!({"metadata": {"name": "b"}, "spec": {"policyName": "p", "paramRef": reference}});
        cells("admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings", binding)[2].clone()
    };
    let expressions = json!([{"key": "zone", "operator": "In", "values": ["b", "a"]}]);
    let selector = json!({"matchLabels": {"z": "1", "a": ""}, "matchExpressions": expressions});
    let expected = "&LabelSelector{MatchLabels:map[string]string{a: ,z: 1,},MatchExpressions:[]LabelSelectorRequirement\
        {LabelSelectorRequirement{Key:zone,Operator:In,Values:[b a],},},}";
    assert_eq!(shown(json!({"selector": selector, "namespace": "n"})), expected);
    assert_eq!(shown(json!({"name": "limits"})), "*/limits");
}

#[test]
fn deployments_mix_text_and_numbers_as_clients_expect() {
    let deployment = json!({"metadata": {"name": "d", "creationTimestamp": "2026-11-20T11:00:00Z"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}, "matchExpressions": [
            {"key": "tier", "operator": "NotIn", "values": ["z", "y"]}]},
            "template": {"spec": {"containers": [{"name": "main", "image": "x:1"}]}}},
        "status": {"readyReplicas": 1, "updatedReplicas": 2}});
    let expected = json!(["d", "1/2", 2, 0, "25h", "main", "x:1", "app=web,tier notin (y,z)"]);
    assert_eq!(Value::from(cells("apps", "v1", "deployments", deployment)), expected);
}

#[test]
fn nodes_show_condition_roles_and_addresses() {
    let node = json!({"metadata": {"name": "n", "labels": {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "edge"}},
        "spec": {"unschedulable": true},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
            "nodeInfo": {"kubeletVersion": "v1.36.2", "kernelVersion": "6.1", "architecture": "amd64"}}});
    let expected = json!([
        "n",
        "Ready,SchedulingDisabled",
        "edge,worker",
        "<unknown>",
        "v1.36.2",
        "10.0.0.1",
        "<none>",
        "<unknown>",
        "6.1 (amd64)",
        "<unknown>"
    ]);
    assert_eq!(Value::from(cells("", "v1", "nodes", node)), expected);
}

#[test]
fn events_show_who_did_what_to_what_and_how_often() {
    let core = json!({"metadata": {"name": "e"}, "type": "Normal", "reason": "Started", "message": " hi \n", "count": 3,
        "involvedObject": {"kind": "Pod", "name": "p"}, "source": {"component": "kubelet", "host": "n1"},
        "firstTimestamp": "2026-11-21T11:58:20Z", "lastTimestamp": "2026-11-21T11:59:50Z"});
    let expected = json!(["10s", "Normal", "Started", "pod/p", "", "kubelet, n1", "hi", "100s", 3, "e"]);
    assert_eq!(Value::from(cells("", "v1", "events", core)), expected);
}

#[test]
fn flow_schemas_are_shown_in_the_order_in_which_they_are_tried() {
    let schemas = catalog().resource("flowcontrol.apiserver.k8s.io", "v1", "flowschemas").unwrap();
    let printer = TablePrinter::of(schemas, None);
    let now = "2026-11-21T12:00:00Z".parse().unwrap();
    let row = |(name, precedence): (&str, i64)| {
        let schema = json!({"metadata": {"name": name}, "spec": {"matchingPrecedence": precedence}});
        printer.row(
            schema.as_object().unwrap(),
            schema.as_object().unwrap(),
            IncludeObject::None,
            "meta.k8s.io/v1",
            now,
        )
    };
    let rows = [("a", 900), ("c", 1000), ("b", 1000), ("z", 5)].map(row);
    let table = printer.table(&ListMeta::default(), rows.to_vec(), "meta.k8s.io/v1", true);
    let names: Vec<&Value> = table["rows"].as_array().unwrap().iter().map(|row| &row["cells"][0]).collect();
    assert_eq!(names, ["z", "a", "b", "c"]);
}

#[test]
fn a_table_carries_columns_and_as_much_of_the_object_as_asked_for() {
    let printer = TablePrinter::of(catalog().resource("", "v1", "configmaps").unwrap(), None);
    let Value::Object(object) = json!({"kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}}) else {
        unreachable!("json! made an object")
    };
    let now = "2026-11-21T12:00:00Z".parse().unwrap();
    let row = printer.row(&object, &object, IncludeObject::Metadata, "meta.k8s.io/v1", now);
    assert_eq!(row["object"]["kind"], "PartialObjectMetadata");
    assert_eq!(row["cells"], json!(["a", 1, "<unknown>"]));
    let table = printer.table(&ListMeta::default(), vec![row], "meta.k8s.io/v1", true);
    assert_eq!(table["columnDefinitions"][0]["format"], "name");
    assert!(printer.table(&ListMeta::default(), vec![], "meta.k8s.io/v1", false)["columnDefinitions"].is_null());
    let roles = TablePrinter::of(catalog().resource("rbac.authorization.k8s.io", "v1", "roles").unwrap(), None);
    assert!(roles.table(&ListMeta::default(), vec![], "meta.k8s.io/v1", true)["rows"].is_null());
}

#[test]
fn annotations_that_stand_for_fields_are_no_metadata() {
    let object = |kind: &str, annotations: Value| {
        let Value::Object(object) = json!({"kind": kind, "metadata": {"name": "a", "annotations": annotations}}) else {
            unreachable!("an object is written above")
        };
        partial_metadata(&object, "meta.k8s.io/v1")["metadata"].clone()
    };
    let carried = json!({"deprecated.daemonset.template.generation": "2"});
    assert_eq!(object("DaemonSet", carried.clone()), json!({"name": "a"}));
    assert_eq!(object("Deployment", carried.clone())["annotations"], carried);
    let both = json!({"autoscaling.alpha.kubernetes.io/metrics": "[]", "own": "x"});
    assert_eq!(object("HorizontalPodAutoscaler", both)["annotations"], json!({"own": "x"}));
}
