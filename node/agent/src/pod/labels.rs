//! What we write on sandboxes and containers, so that a daemon that starts again knows whose they are and what became of
//! them. Names are kubelet's, for tools that read them; the owner label is ours.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::Container;

use super::desired::DesiredPod;

pub const POD_NAME: &str = "io.kubernetes.pod.name";
pub const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
pub const POD_UID: &str = "io.kubernetes.pod.uid";
pub const CONTAINER_NAME: &str = "io.kubernetes.container.name";
/// The node that made it. What does not carry our node's name here is never touched.
pub const OWNER: &str = "io.gantry.node";

pub const HASH: &str = "io.kubernetes.container.hash";
pub const RESTART_COUNT: &str = "io.kubernetes.container.restartCount";
pub const TERMINATION_PATH: &str = "io.kubernetes.container.terminationMessagePath";
pub const TERMINATION_POLICY: &str = "io.kubernetes.container.terminationMessagePolicy";
/// Where the termination message lies on the node.
pub const TERMINATION_FILE: &str = "io.gantry.container.terminationMessageFile";
pub const POD_GRACE: &str = "io.kubernetes.pod.terminationGracePeriod";

pub fn sandbox_labels(pod: &DesiredPod, node: &str) -> HashMap<String, String> {
    let mut labels: HashMap<String, String> = pod.metadata.labels.clone().unwrap_or_default().into_iter().collect();
    labels.extend([
        (POD_NAME.into(), pod.name().into()),
        (POD_NAMESPACE.into(), pod.namespace().into()),
        (POD_UID.into(), pod.uid().into()),
        (OWNER.into(), node.into()),
    ]);
    labels
}

pub fn container_labels(pod: &DesiredPod, container: &Container, node: &str) -> HashMap<String, String> {
    HashMap::from([
        (POD_NAME.into(), pod.name().into()),
        (POD_NAMESPACE.into(), pod.namespace().into()),
        (POD_UID.into(), pod.uid().into()),
        (CONTAINER_NAME.into(), container.name.clone()),
        (OWNER.into(), node.into()),
    ])
}

/// Tells whether a running container is still the one that the spec asks for: its name and image (FNV-1a), as kubelet
/// hashes only what forces a restart.
pub fn container_hash(container: &Container) -> String {
    let text = format!("{}\n{}", container.name, container.image.as_deref().unwrap_or_default());
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:x}")
}
