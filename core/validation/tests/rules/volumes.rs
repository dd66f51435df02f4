//! Volumes, the paths at which containers have them, and ranges of addresses.

use serde_json::{Value, json};

use super::support::create;

#[test]
fn a_path_of_a_container_is_that_of_the_last_of_a_name() {
    let pod = |mounts: Value, devices: Value| {
        let container = json!({"name": "c", "image": "i", "volumeMounts": mounts, "volumeDevices": devices});
        let claim = |name: &str| json!({"name": name, "persistentVolumeClaim": {"claimName": "x"}});
        create("pods", json!({"spec": {"containers": [container], "volumes": [claim("disk"), claim("files")]}}))
    };
    let mounts = json!([{"name": "files", "mountPath": "/one"}, {"name": "files", "mountPath": "/two"}]);
    let device = |path: &str| json!([{"name": "disk", "devicePath": path}]);
    let at = "spec.containers[0]";
    assert_eq!(pod(mounts.clone(), device("/one")), [format!("Invalid:{at}.volumeMounts[0].mountPath")]);
    let both = [format!("Invalid:{at}.volumeMounts[1].mountPath"), format!("Invalid:{at}.volumeDevices[0].devicePath")];
    assert_eq!(pod(mounts, device("/two")), both);
}

#[test]
fn the_only_mode_may_be_named_twice() {
    let claim = |modes: Value| {
        create(
            "persistentvolumeclaims",
            json!({"spec": {"accessModes": modes, "resources": {"requests": {"storage": "1Gi"}}}}),
        )
    };
    assert!(claim(json!(["ReadWriteOncePod", "ReadWriteOncePod"])).is_empty());
    assert_eq!(claim(json!(["ReadWriteOncePod", "ReadWriteMany"])), ["Forbidden:spec.accessModes"]);
}

#[test]
fn ranges_of_a_node_and_of_services_are_one_of_each_family() {
    let node = |ranges: Value| create("nodes", json!({"spec": {"podCIDRs": ranges}}));
    assert!(node(json!(["10.7.0.0/24", "fd00:7::/64"])).is_empty());
    assert_eq!(node(json!(["10.7.0.0/24", "10.8.0.0/24"])), ["Invalid:spec.podCIDRs"]);
    let broken = ["Invalid:spec.podCIDRs[1]", "InternalError:spec.podCIDRs", "Invalid:spec.podCIDRs"];
    assert_eq!(node(json!(["10.7.0.0/24", "10.8.0.0/99"])), broken);
    let services = |range: &str| create("networking.k8s.io/servicecidrs", json!({"spec": {"cidrs": [range]}}));
    assert!(services("fd00:9::/112").is_empty());
    assert_eq!(services("FD00:9::/112"), ["Invalid:spec.cidrs[0]"]);
}
