//! Volumes and claims in a cluster in memory.

use gantry_controllers_cluster::{
    ClaimProtection, ClassProtection, PersistentVolumeBinder, VolumeProtection,
    volumes::{CLAIMS, CLASSES, VOLUMES},
};
use gantry_plugin::{Key, Resource, resource::PODS, testing::ControllerHarness};
use serde_json::{Value, json};

fn claim(deleted: bool, finalizers: &Value) -> Value {
    let mut claim = json!({"metadata": {"namespace": "n", "name": "c", "uid": "c", "finalizers": finalizers}});
    if deleted {
        claim["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    }
    claim
}

fn pod(node: &str) -> Value {
    json!({"metadata": {"namespace": "n", "name": "p", "uid": "p"}, "spec": {"nodeName": node,
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}})
}

fn finalizers_after(claim: Value, pod: Option<Value>) -> Value {
    let harness = ControllerHarness::<ClaimProtection>::new(json!({})).expect("takes no configuration");
    harness.cluster().put(&CLAIMS, claim);
    if let Some(pod) = pod {
        harness.cluster().put(&PODS, pod);
    }
    harness.settle(&Key::of("n", "c")).expect("settles");
    let cluster = harness.cluster();
    cluster.get(&CLAIMS, "n", "c").map(|claim| claim["metadata"]["finalizers"].clone()).unwrap_or_default()
}

#[test]
fn a_claim_that_a_pod_uses_waits_and_one_that_none_uses_goes() {
    let held = json!(["kubernetes.io/pvc-protection"]);
    assert_eq!(finalizers_after(claim(true, &held), Some(pod("node"))), held);
    for pod in [None, Some(pod(""))] {
        let left = finalizers_after(claim(true, &held), pod);
        assert!(left.as_array().is_none_or(Vec::is_empty), "{left}");
    }
    assert_eq!(finalizers_after(claim(false, &json!([])), None), held, "a claim that lives is protected");
}

#[test]
fn a_bound_volume_waits_and_a_free_one_goes() {
    let finalizers = |phase: &str| {
        let harness = ControllerHarness::<VolumeProtection>::new(json!({})).expect("takes no configuration");
        let volume = json!({"metadata": {"name": "v", "uid": "v", "deletionTimestamp": "2026-01-01T00:00:00Z",
            "finalizers": ["x.io/mine", "kubernetes.io/pv-protection"]}, "status": {"phase": phase}});
        harness.cluster().put(&VOLUMES, volume);
        harness.settle(&Key::of("", "v")).expect("settles");
        let cluster = harness.cluster();
        cluster.get(&VOLUMES, "", "v").map(|volume| volume["metadata"]["finalizers"].clone())
    };
    assert_eq!(finalizers("Released"), Some(json!(["x.io/mine"])));
    assert_eq!(finalizers("Bound"), Some(json!(["x.io/mine", "kubernetes.io/pv-protection"])));
}

#[test]
fn a_volume_without_a_bound_claim_is_available() {
    let phase = |spec: Value| {
        let harness = ControllerHarness::<PersistentVolumeBinder>::new(json!({})).expect("takes no configuration");
        let volume = json!({"metadata": {"name": "v", "uid": "v"}, "spec": spec, "status": {"phase": "Pending"}});
        harness.cluster().put(&VOLUMES, volume);
        harness.settle(&Key::of("", "v")).expect("settles");
        let cluster = harness.cluster();
        cluster.get(&VOLUMES, "", "v").map(|volume| volume["status"]["phase"].clone())
    };
    assert_eq!(phase(json!({})), Some(json!("Available")));
    assert_eq!(phase(json!({"claimRef": {"namespace": "n", "name": "c"}})), Some(json!("Available")));
    assert_eq!(phase(json!({"claimRef": {"namespace": "n", "name": "c", "uid": "u"}})), Some(json!("Pending")));
}

#[test]
fn a_class_that_a_claim_or_volume_names_waits_and_one_that_none_names_goes() {
    let is_left = |user: Option<(&Resource<'static>, Value)>| {
        let harness = ControllerHarness::<ClassProtection>::new(json!({})).expect("takes no configuration");
        harness.cluster().put(
            &CLASSES,
            json!({"metadata": {"name": "gold", "uid": "gold",
            "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["kubernetes.io/vac-protection"]}}),
        );
        if let Some((resource, user)) = user {
            harness.cluster().put(resource, user);
        }
        harness.settle(&Key::of("", "gold")).expect("settles");
        harness.cluster().get(&CLASSES, "", "gold").is_some()
    };
    assert!(!is_left(None));
    let claim = json!({"metadata": {"namespace": "n", "name": "c", "uid": "c"},
        "status": {"modifyVolumeStatus": {"targetVolumeAttributesClassName": "gold"}}});
    assert!(is_left(Some((&CLAIMS, claim))));
    let volume =
        |class: &str| json!({"metadata": {"name": "v", "uid": "v"}, "spec": {"volumeAttributesClassName": class}});
    assert!(is_left(Some((&VOLUMES, volume("gold")))));
    assert!(!is_left(Some((&VOLUMES, volume("silver")))));
}
