//! Pods for unit tests.

use bytes::Bytes;
use gantry_runtime::{CacheContent, Cached, ObjectKey, Observed};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

use super::{
    desired::DesiredPod,
    observed::{ContainerPhase, ObservedContainer, ObservedPod, ObservedSandbox},
};

/// So many seconds after the epoch.
pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

/// A sandbox that is ready.
pub fn sandbox() -> ObservedSandbox {
    ObservedSandbox { id: "s0".into(), attempt: 0, created_at: at(1), is_ready: true, ips: vec!["10.0.0.1".into()] }
}

/// Container `NAME-ATTEMPT` of [`sandbox`]: made at second 1, started at 2, ended at 100 if it has.
pub fn container(name: &str, attempt: u32, phase: ContainerPhase, exit_code: i32) -> ObservedContainer {
    ObservedContainer {
        id: format!("{name}-{attempt}"),
        name: name.into(),
        attempt,
        sandbox_id: "s0".into(),
        phase,
        created_at: at(1),
        started_at: Some(at(2)),
        finished_at: (phase == ContainerPhase::Exited).then(|| at(100)),
        exit_code,
        reason: String::new(),
        message: String::new(),
        image: "i".into(),
        image_id: "i".into(),
        hash: String::new(),
        log_path: String::new(),
    }
}

/// These containers in a [`sandbox`].
pub fn observed(containers: &[ObservedContainer]) -> ObservedPod {
    ObservedPod { sandboxes: vec![sandbox()], containers: containers.to_vec() }
}

/// Pod `ns/pod` with uid `uid` and the given spec (JSON).
pub fn pod_of(spec: &str) -> DesiredPod {
    let json = format!(
        r#"{{"metadata":{{"name":"pod","namespace":"ns","uid":"uid","labels":{{"app":"web"}}}},"spec":{spec}}}"#
    );
    let observed = Observed {
        namespace: "ns".into(),
        name: "pod".into(),
        uid: "uid".into(),
        resource_version: "1".into(),
        json: Bytes::from(json),
    };
    let content = Pod::decode(&observed).expect("a pod");
    let key = ObjectKey::new("ns", "pod");
    let cached = Cached { key, uid: observed.uid, resource_version: observed.resource_version, content };
    DesiredPod::new(&cached).expect("a complete pod")
}
