//! Networking, storage, classes.

use serde_json::{Value, json};

use crate::support::{create, update, update_status};

const NOTHING: [&str; 0] = [];

#[test]
fn a_backend_that_is_a_resource_is_named_as_one() {
    let ingress = |resource: Value| json!({"spec": {"defaultBackend": {"resource": resource}}});
    for (resource, causes) in [
        (json!({"kind": "Bucket", "name": "b"}), vec![]),
        (json!({"kind": "Bucket", "name": "b", "apiGroup": ""}), vec!["Invalid:spec.defaultBackend.resource.apiGroup"]),
        (
            json!({"kind": "a/b", "name": ".."}),
            vec!["Invalid:spec.defaultBackend.resource.kind", "Invalid:spec.defaultBackend.resource.name"],
        ),
        (json!({"kind": "", "name": "b"}), vec!["Required:spec.defaultBackend.resource.kind"]),
    ] {
        assert_eq!(create("networking.k8s.io/ingresses", ingress(resource.clone())), causes, "{resource}");
    }
}

#[test]
fn an_ingress_names_one_class_however_often() {
    let annotated = json!({"kubernetes.io/ingress.class": "a"});
    for (class, causes) in [
        (json!("a"), vec![]),
        (Value::Null, vec![]),
        (json!("b"), vec!["Invalid:annotations.kubernetes.io/ingress.class"]),
    ] {
        let spec =
            json!({"ingressClassName": class, "defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}});
        let ingress = json!({"metadata": {"annotations": annotated}, "spec": spec});
        assert_eq!(create("networking.k8s.io/ingresses", ingress), causes, "{class}");
    }
}

#[test]
fn the_status_of_an_ingress_is_checked_for_addresses_alone() {
    let spec = json!({"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}});
    let status = |point: Value| json!({"loadBalancer": {"ingress": [point]}});
    for (point, causes) in [
        (json!({"ip": "192.0.2.1", "ports": [{"port": 0, "protocol": "X", "error": "not a name"}]}), vec![]),
        (json!({"ip": "192.0.2"}), vec!["Invalid:status.loadBalancer.ingress[0].ip"]),
        (json!({"hostname": "192.0.2.7"}), vec!["Invalid:status.loadBalancer.ingress[0].hostname"]),
    ] {
        assert_eq!(
            update_status("networking.k8s.io/ingresses", spec.clone(), status(point.clone())),
            causes,
            "{point}"
        );
    }
}

#[test]
fn ranges_with_host_bits_are_refused_and_still_compared() {
    let policy = |block: Value| json!({"spec": {"podSelector": {}, "ingress": [{"from": [{"ipBlock": block}]}]}});
    let (cidr, except) = ("spec.ingress[0].from[0].ipBlock.cidr", "spec.ingress[0].from[0].ipBlock.except[0]");
    for (block, causes) in [
        (json!({"cidr": "10.0.0.9/8", "except": ["10.1.0.0/16"]}), vec![format!("Invalid:{cidr}")]),
        (
            json!({"cidr": "10.0.0.9/8", "except": ["11.0.0.1/16"]}),
            vec![format!("Invalid:{cidr}"), format!("Invalid:{except}"), format!("Invalid:{except}")],
        ),
    ] {
        assert_eq!(create("networking.k8s.io/networkpolicies", policy(block.clone())), causes, "{block}");
    }
    for (ranges, causes) in [
        (json!(["10.9.0.0/16", "10.8.0.1/16"]), vec!["Invalid:spec.cidrs[1]", "Invalid:spec.cidrs"]),
        (json!(["10.9.0.0/16", "fd00::/64", "x"]), vec!["Invalid:spec.cidrs"]),
    ] {
        let body = json!({"spec": {"cidrs": ranges}});
        assert_eq!(create("networking.k8s.io/servicecidrs", body), causes, "{ranges}");
    }
}

#[test]
fn an_address_is_named_by_itself_and_keeps_its_parent() {
    let address = |name: &str, parent: Value| json!({"metadata": {"name": name}, "spec": {"parentRef": parent}});
    let parent = json!({"resource": "services", "name": "s"});
    assert_eq!(create("networking.k8s.io/ipaddresses", address("192.0.2.1", parent.clone())), NOTHING);
    for name in ["192.0.2.01", "FD00::1", "a/b", "web"] {
        let causes = create("networking.k8s.io/ipaddresses", address(name, parent.clone()));
        assert_eq!(causes, ["Invalid:metadata.name"], "{name}");
    }
    let other = address("192.0.2.1", json!({"resource": "services", "name": ""}));
    let causes = update("networking.k8s.io/ipaddresses", address("192.0.2.1", parent), other);
    assert_eq!(causes, ["Required:spec.parentRef.name", "Invalid:spec.parentRef"]);
}

#[test]
fn topologies_say_something_and_each_something_else() {
    let class = |topologies: Value| json!({"provisioner": "example.com/p", "allowedTopologies": topologies});
    let zone = json!({"matchLabelExpressions": [{"key": "zone", "values": ["a", "b"]}]});
    let turned = json!({"matchLabelExpressions": [{"key": "zone", "values": ["b", "a"]}]});
    let expressions = "allowedTopologies[0].matchLabelExpressions";
    for (topologies, causes) in [
        (json!([zone]), vec![]),
        (json!([zone, turned]), vec!["Duplicate:allowedTopologies[1].matchLabelExpressions".to_owned()]),
        (json!([{}]), vec![format!("Duplicate:{expressions}")]),
        (
            json!([{"matchLabelExpressions": [{"key": "a b", "values": []}, {"key": "z", "values": ["x", "x"]}]}]),
            vec![
                format!("Required:{expressions}[0].values"),
                format!("Invalid:{expressions}[0].key"),
                format!("Duplicate:{expressions}[1].values[1]"),
            ],
        ),
    ] {
        assert_eq!(create("storage.k8s.io/storageclasses", class(topologies.clone())), causes, "{topologies}");
    }
}

#[test]
fn drivers_say_how_tokens_reach_them_and_how_often_they_count() {
    for (spec, causes) in [
        (json!({"serviceAccountTokenInSecrets": false}), vec!["Invalid:spec.serviceAccountTokenInSecrets"]),
        (json!({"serviceAccountTokenInSecrets": true, "tokenRequests": [{"audience": "a"}]}), vec![]),
        (json!({"nodeAllocatableUpdatePeriodSeconds": 9}), vec!["Invalid:spec.nodeAllocatableUpdatePeriodSeconds"]),
    ] {
        assert_eq!(create("storage.k8s.io/csidrivers", json!({"spec": spec})), causes, "{spec}");
    }
    let node = |driver: Value| json!({"spec": {"drivers": [driver]}});
    let driver = |id: &str, keys: Value| json!({"name": "d.example.com", "nodeID": id, "topologyKeys": keys});
    let causes = create("storage.k8s.io/csinodes", node(driver("n", json!(["zone", "zone", ""]))));
    let at = "spec.drivers[0]";
    let expected = ["Duplicate", "Required", "Invalid", "Invalid"].map(|reason| format!("{reason}:{at}"));
    assert_eq!(causes, expected);
    let changed = update("storage.k8s.io/csinodes", node(driver("n", json!([]))), node(driver("m", json!([]))));
    assert_eq!(changed, ["Invalid:spec.drivers"]);
}

#[test]
fn a_volume_within_an_attachment_is_a_drivers_and_nothing_more() {
    let attachment = |volume: Value| json!({"spec": {"attacher": "a.example.com", "nodeName": "n", "source": {"inlineVolumeSpec": volume}}});
    let csi = json!({"driver": "d.example.com", "volumeHandle": "h"});
    for (volume, causes) in [
        (json!({"accessModes": ["ReadWriteOnce"], "csi": csi}), vec![]),
        (
            json!({"accessModes": ["ReadWriteOnce"], "csi": csi, "volumeMode": "Block"}),
            vec!["Forbidden:spec.source.inlineVolumeSpec.volumeMode"],
        ),
    ] {
        assert_eq!(create("storage.k8s.io/volumeattachments", attachment(volume.clone())), causes, "{volume}");
    }
}

#[test]
fn what_may_not_change_is_still_checked_for_itself() {
    let class = |handler: &str| json!({"handler": handler});
    assert_eq!(update("node.k8s.io/runtimeclasses", class("a"), class("B")), ["Invalid:handler", "Invalid:handler"]);
    let class = |driver: &str| json!({"driverName": driver, "parameters": {"a": "b"}});
    assert_eq!(
        update("storage.k8s.io/volumeattributesclasses", class("example.com/d"), class("a b")),
        ["Forbidden:driverName", "Invalid:driverName"]
    );
}

#[test]
fn finalizers_are_qualified_where_the_reference_asks_for_it() {
    let with = |mut body: Value| {
        body["metadata"] = json!({"finalizers": ["plain"]});
        body
    };
    assert_eq!(create("node.k8s.io/runtimeclasses", with(json!({"handler": "h"}))), NOTHING);
    let class = with(json!({"value": 1}));
    assert_eq!(create("scheduling.k8s.io/priorityclasses", class), ["Invalid:metadata.finalizers[0]"]);
}
