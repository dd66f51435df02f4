//! Pods for unit tests.

use bytes::Bytes;
use gantry_runtime::{CacheContent, Cached, ObjectKey, Observed};
use k8s_openapi::api::core::v1::Pod;

use super::desired::DesiredPod;

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
