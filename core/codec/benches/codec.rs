//! What a write costs in the codec: decode, defaults, encode. Run with `cargo bench -p gantry-codec`.

use gantry_codec::{Expected, Format, Splice, Strictness, Surroundings, apply_defaults, decode, encode_stored};
use gantry_kinds::{Resource, catalog};
use std::{hint::black_box, time::Instant};

const ROUNDS: u32 = 20_000;

fn write(resource: &Resource, body: &[u8], format: Format) -> Vec<u8> {
    let decoded = decode(Expected::from(resource), body, format, Strictness::Warn).expect("a good body");
    let mut object = decoded.object;
    apply_defaults(&resource.root, &mut object, &Surroundings { now: jiff::Timestamp::UNIX_EPOCH });
    let stored = encode_stored(&object);
    let mut wire = Vec::with_capacity(stored.len() + 32);
    Splice::of(resource).write_object(&stored, 42, &mut wire);
    wire
}

/// Prints microseconds per round of the best of five runs.
fn measure(name: &str, mut round: impl FnMut()) {
    let run = |round: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..ROUNDS).for_each(|_| round());
        start.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS)
    };
    let best = (0..5).map(|_| run(&mut round)).fold(f64::INFINITY, f64::min);
    println!("{name:48} {best:8.2} µs");
}

fn config_map() -> Vec<u8> {
    let value = "x".repeat(90);
    let data: serde_json::Map<String, serde_json::Value> =
        (0..9).map(|n| (format!("key-{n}"), value.clone().into())).collect();
    let labels = serde_json::json!({"app": "web", "tier": "front"});
    let body = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "default", "labels": labels}, "data": data});
    serde_json::to_vec(&body).expect("a tree")
}

fn deployment() -> Vec<u8> {
    let container = serde_json::json!({"name": "web", "image": "registry.example/web:1.2",
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/web"}]});
    let template = serde_json::json!({"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [container], "volumes": [{"name": "config", "configMap": {"name": "web"}}]}});
    let body = serde_json::json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template}});
    serde_json::to_vec(&body).expect("a tree")
}

fn main() {
    let start = Instant::now();
    let config_maps = catalog().resource("", "v1", "configmaps").expect("built in");
    println!("{:48} {:8.2} µs", "catalogue, first use", start.elapsed().as_secs_f64() * 1e6);
    let deployments = catalog().resource("apps", "v1", "deployments").expect("built in");
    let (small, large) = (config_map(), deployment());
    measure(&format!("ConfigMap of {} bytes", small.len()), || {
        black_box(write(config_maps, black_box(&small), Format::Json));
    });
    measure(&format!("Deployment of {} bytes", large.len()), || {
        black_box(write(deployments, black_box(&large), Format::Json));
    });
    let yaml = gantry_codec::to_yaml(&serde_json::from_slice(&large).expect("JSON")).into_bytes();
    measure(&format!("Deployment of {} bytes, YAML", yaml.len()), || {
        black_box(write(deployments, black_box(&yaml), Format::Yaml));
    });
    let start = Instant::now();
    let whole = serde_json::to_vec(&gantry_codec::openapi::v2_document(catalog())).expect("a tree");
    println!("OpenAPI v2, {} bytes {:38.2} ms", whole.len(), start.elapsed().as_secs_f64() * 1e3);
    let start = Instant::now();
    let core = gantry_codec::openapi::v3_document(catalog(), "api/v1").expect("a document");
    let core = serde_json::to_vec(&core).expect("a tree");
    println!("OpenAPI v3 of api/v1, {} bytes {:29.2} ms", core.len(), start.elapsed().as_secs_f64() * 1e3);
}
