//! A small controller, run by the fake host and exported behind the C line.

use std::time::Duration;

use gantry_plugin::{
    Controller, Cx, Event, EventType, Failure, Key, Metadata, NoConfig, Ops, Outcome, Plugin, Query, Reader, Watch,
    abi, controller::Verb, export::Exported, resource, testing::ControllerHarness,
};
use serde_json::json;

/// Keeps one pod per ConfigMap of a namespace, and says so.
struct OnePod;

impl Plugin for OnePod {
    const ID: &'static str = "example.com/one-pod";
    const VERSION: &'static str = "0.1.0";
    type Config = NoConfig;

    fn new(host: gantry_plugin::HostRef<'_>, _: NoConfig) -> Result<Self, String> {
        host.setup_log().info("made");
        Ok(Self)
    }
}

impl Controller for OnePod {
    const WATCHES: &'static [Watch] = &[
        Watch::primary(resource::CONFIG_MAPS),
        Watch::owned(resource::PODS, resource::CONFIG_MAPS).indexed(&["spec.nodeName"]),
        Watch::mapped(resource::NODES),
    ];

    fn reconcile(&self, cx: &Cx<'_>, key: &Key, read: &Reader<'_>, ops: &mut Ops) -> Result<Outcome, Failure> {
        let Some(owner) = read.find(&resource::CONFIG_MAPS, &key.namespace, &key.name)? else {
            return Ok(Outcome::Done);
        };
        let pods = read.objects(&Query::within(&resource::PODS, &key.namespace).owned_by(owner.uid))?;
        if pods.is_empty() {
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {
                "generateName": format!("{}-", owner.name),
                "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": owner.name, "uid": owner.uid, "controller": true}],
            }});
            let created = ops.create(&resource::PODS, owner.namespace, &pod).id();
            ops.event(&(&owner).into(), EventType::Normal, "Created", "made {name}").if_succeeded(created).done();
        }
        let age = cx.now().as_second() - owner.metadata()?.creation_timestamp.map_or(0, |t| t.as_second());
        Ok(if age > 60 { Outcome::RequeueAfter(Duration::from_secs(5)) } else { Outcome::Done })
    }
}

gantry_plugin::export!(OnePod: Controller);

fn harness() -> ControllerHarness<OnePod> {
    ControllerHarness::new(json!({})).expect("takes no configuration")
}

#[test]
fn a_reconciler_reads_the_cluster_and_returns_operations() {
    let harness = harness();
    harness.cluster().put(&resource::CONFIG_MAPS, json!({"metadata": {"namespace": "a", "name": "web"}}));
    let tried = harness.reconcile(&Key::of("a", "web"));
    assert_eq!(tried.outcome, Ok(Outcome::Done));
    assert_eq!(tried.ops[0].verb, Verb::Create);
    assert_eq!(tried.ops[0].body_value().expect("JSON")["metadata"]["generateName"], "web-");
    assert_eq!(harness.settle(&Key::of("a", "web")), Ok(1));
    assert_eq!(harness.cluster().all(&resource::PODS).len(), 1);
}

#[test]
fn time_comes_from_the_call() {
    let mut harness = harness();
    let object = json!({"metadata": {"namespace": "a", "name": "old", "creationTimestamp": "2026-01-01T00:00:00Z"}});
    harness.cluster().put(&resource::CONFIG_MAPS, object);
    harness.now = "2026-01-01T00:02:00Z".parse().expect("a time");
    let tried = harness.reconcile(&Key::of("a", "old"));
    assert_eq!(tried.outcome, Ok(Outcome::RequeueAfter(Duration::from_secs(5))));
}

#[test]
fn a_missing_object_needs_nothing() {
    let tried = harness().reconcile(&Key::of("a", "gone"));
    assert_eq!((tried.outcome, tried.ops.len()), (Ok(Outcome::Done), 0));
}

#[test]
fn an_event_maps_to_the_object_by_default() {
    let event = Event { watch: 2, old: None, new: None };
    assert_eq!(harness().map(&event), Ok(vec![]));
}

#[test]
fn metadata_tells_the_controlling_owner() {
    let text = r#"{"name":"p","ownerReferences":[{"uid":"1"},{"uid":"2","apiVersion":"apps/v1","controller":true}]}"#;
    let metadata: Metadata = serde_json::from_str(text).expect("metadata");
    assert_eq!(metadata.controller().map(|o| (o.uid.as_str(), o.group())), Some(("2", "apps")));
}

#[test]
fn the_manifest_says_what_describe_says() {
    let manifest: serde_json::Value =
        // SAFETY: constant data of this program.
        serde_json::from_slice(unsafe { gantry_plugin_entry_manifest().bytes() }).expect("the manifest is JSON");
    assert_eq!(manifest["abi"], json!([abi::ABI_MAJOR, abi::ABI_MINOR]));
    let plugin = &manifest["plugins"][0];
    assert_eq!(plugin["id"], OnePod::ID);
    assert_eq!(plugin["interfaces"], json!([abi::CTL_RECONCILE]));
    assert_eq!(plugin["configSchema"]["type"], "object");
    assert_eq!(OnePod::DESC.n_interfaces, 1);
}

/// The entry as the host's loader finds it: by its symbol.
fn gantry_plugin_entry_manifest() -> abi::Str {
    unsafe extern "C" {
        static gantry_plugin_entry: abi::Entry;
    }
    // SAFETY: defined by `export!` above.
    unsafe { gantry_plugin_entry.manifest }
}
