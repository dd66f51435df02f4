//! A Rust plugin that panics, loops and fails, behind the SDK's guard and the host's watchdog.

use std::{path::PathBuf, sync::LazyLock, time::Duration};

use gantry_plugin_host::{CallError, CallSpec, Fault, Plugin, PluginConfig, PluginHost};
use serde_json::json;

static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| gantry_testkit::plugin_library("gantry-testdata"));

fn host() -> (tempfile::TempDir, PluginHost) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let host = PluginHost::new(dir.path()).expect("a host");
    host.load_all(&LIBRARY).expect("the test library");
    (dir, host)
}

fn validate(plugin: &Plugin, object: &[u8]) -> Result<String, CallError> {
    let spec = CallSpec { budget: Some(Duration::from_millis(100)), ..CallSpec::default() };
    plugin.service_validate(&spec, None, object).map(|causes| causes[0].message.clone())
}

#[test]
fn the_manifest_is_read_without_loading() {
    let checked = gantry_plugin_host::check(&LIBRARY, &Default::default()).expect("good");
    let ids: Vec<&str> = checked.manifest.plugins.iter().map(|p| p.id.as_str()).collect();
    assert_eq!(ids, ["test/hostile", "test/pods", "test/moody"]);
    assert_eq!(checked.manifest.plugins[1].interfaces, ["gantry.ctl.reconcile/1"]);
}

#[test]
fn a_configuration_is_checked_against_the_schema_before_the_plugin_sees_it() {
    let (_dir, host) = host();
    let greet = |greeting| PluginConfig { config: json!({"greeting": greeting}), ..PluginConfig::default() };
    let plugin = host.configure("test/hostile", greet("hello")).expect("within the schema");
    assert_eq!(validate(&plugin, b"x"), Ok("hello".into()));
    let refused = host.configure("test/hostile", greet("a greeting of more than twenty")).expect_err("too long");
    assert!(refused.to_string().contains("/greeting: may have 20 characters"), "{refused}");
    let plugin = host.configure("test/hostile", greet("refuse")).expect("within the schema");
    let error = plugin.start().expect_err("the plugin says no");
    assert!(error.to_string().contains("refused as asked"), "{error}");
}

#[test]
fn a_panic_costs_the_instance_and_not_the_server() {
    let (_dir, host) = host();
    let plugin = host.plugin("test/hostile").expect("configured");
    assert_eq!(validate(&plugin, b"x"), Ok(String::new()));
    let error = validate(&plugin, b"panic").expect_err("a panic");
    let text = error.to_string();
    assert!(text.starts_with("plugin test/hostile panicked at ") && text.ends_with(": as asked"), "{text}");
    assert_eq!(validate(&plugin, b"x"), Ok(String::new()), "a fresh instance answers");
    let status = plugin.status();
    assert_eq!((status.instances, status.faults, status.health), (2, 1, "Healthy"));
    assert!(validate(&plugin, b"panic").is_err() && validate(&plugin, b"panic").is_err());
    assert_eq!(plugin.status().health, "Quarantined");
    assert!(matches!(validate(&plugin, b"x"), Err(CallError::Quarantined { .. })));
}

#[test]
fn a_refusal_of_the_plugin_is_no_fault() {
    let (_dir, host) = host();
    let plugin = host.plugin("test/hostile").expect("configured");
    let error = validate(&plugin, b"fail").expect_err("refused");
    assert_eq!(error, CallError::Refused { code: 1, message: "failed as asked".into() });
    assert_eq!(plugin.status().faults, 0);
}

#[test]
fn a_late_answer_is_a_fault() {
    let (_dir, host) = host();
    let plugin = host.plugin("test/hostile").expect("configured");
    let error = validate(&plugin, b"late").expect_err("late");
    assert!(matches!(error, CallError::Fault { fault: Fault::Deadline, .. }), "{error}");
}

#[test]
fn a_call_may_not_take_memory_without_end() {
    let (_dir, host) = host();
    let plugin = host.plugin("test/hostile").expect("configured");
    let error = validate(&plugin, b"memory").expect_err("100 MiB of results");
    assert!(error.to_string().contains("memory limit"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_does_not_return_is_given_up_and_the_plugin_quarantined() {
    let (_dir, host) = host();
    let plugin = host.plugin("test/hostile").expect("configured");
    let error = plugin
        .run(|plugin, hang| {
            let spec = CallSpec { budget: Some(Duration::from_millis(20)), hang: Some(hang), ..CallSpec::default() };
            plugin.service_validate(&spec, None, b"spin")
        })
        .await
        .expect_err("it hangs");
    assert!(matches!(error, CallError::Fault { fault: Fault::Hang, .. }), "{error}");
    assert_eq!(plugin.status().health, "Quarantined");
    assert!(matches!(validate(&plugin, b"x"), Err(CallError::Quarantined { .. })));
    assert_eq!(host.plugin("test/pods").expect("configured").status().health, "Healthy");
}

#[test]
fn an_interface_that_is_not_there_is_named() {
    let (_dir, host) = host();
    let plugin = host.plugin("test/pods").expect("configured");
    let error = plugin.service_type(&CallSpec::default()).expect_err("a controller");
    assert_eq!(error.to_string(), "plugin test/pods does not implement gantry.svc.type/1");
}
