//! A pod as the API wants it, checked once for what every part of the daemon relies on.

use std::{collections::HashMap, ops::Deref};

use gantry_runtime::Cached;
use k8s_openapi::api::core::v1::{Container, EphemeralContainer, Pod, PodSpec, PodStatus, ResourceRequirements};

use super::resize::differ;

/// The API takes any number; clocks and the runtime overflow on the largest. A century is as good as for ever.
pub const LONGEST_GRACE_SECONDS: i64 = 100 * 365 * 24 * 3600;

/// A pod that has a spec and a uid.
#[derive(Clone, Debug)]
pub struct DesiredPod {
    pod: Pod,
    ephemeral: Vec<Ephemeral>,
    uid: String,
    namespace: String,
    name: String,
    resource_version: String,
}

/// What a container is to its pod.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Runs to its end before the next one starts.
    Init,
    /// An init container with `restartPolicy: Always`: the next one starts once it has started.
    Sidecar,
    Main,
    /// Added to a running pod to look into it; never restarted, and nothing depends on it.
    Ephemeral,
}

/// An ephemeral container in the form of the others.
#[derive(Clone, Debug)]
struct Ephemeral {
    container: Container,
    /// Whose processes it sees.
    target: Option<String>,
}

impl DesiredPod {
    /// `None` for an object without a spec or a uid, which no API server sends.
    pub fn new(cached: &Cached<Pod>) -> Option<Self> {
        let pod = cached.content.clone();
        pod.spec.as_ref()?;
        Some(Self {
            uid: pod.metadata.uid.clone()?,
            namespace: cached.key.namespace.to_string(),
            name: cached.key.name.to_string(),
            resource_version: cached.resource_version.clone(),
            ephemeral: pod.spec.iter().flat_map(ephemeral).collect(),
            pod,
        })
    }

    pub fn uid(&self) -> &str {
        &self.uid
    }

    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn resource_version(&self) -> &str {
        &self.resource_version
    }

    pub fn spec(&self) -> &PodSpec {
        self.pod.spec.as_ref().expect("checked when made")
    }

    /// The status that the API last sent, empty for a new pod.
    pub fn api_status(&self) -> PodStatus {
        self.pod.status.clone().unwrap_or_default()
    }

    pub fn is_terminating(&self) -> bool {
        self.pod.metadata.deletion_timestamp.is_some()
    }

    /// How long containers get to end, in seconds: the deletion's own grace, else the spec's.
    pub fn grace_seconds(&self) -> i64 {
        let spec = self.spec().termination_grace_period_seconds.unwrap_or(30);
        let deletion = self.pod.metadata.deletion_grace_period_seconds.filter(|_| self.is_terminating());
        deletion.unwrap_or(spec).min(LONGEST_GRACE_SECONDS)
    }

    pub fn restart_policy(&self) -> &str {
        self.spec().restart_policy.as_deref().unwrap_or("Always")
    }

    pub fn is_host_network(&self) -> bool {
        self.spec().host_network.unwrap_or_default()
    }

    pub fn service_account(&self) -> &str {
        self.spec().service_account_name.as_deref().unwrap_or("default")
    }

    /// All containers that are the pod's own, in the order in which they start.
    pub fn containers(&self) -> impl Iterator<Item = (Role, &Container)> {
        let init = self.spec().init_containers.iter().flatten().map(|container| (role_of_init(container), container));
        init.chain(self.main_containers().map(|container| (Role::Main, container)))
    }

    pub fn main_containers(&self) -> impl Iterator<Item = &Container> {
        self.spec().containers.iter()
    }

    pub fn ephemeral_containers(&self) -> impl Iterator<Item = &Container> {
        self.ephemeral.iter().map(|ephemeral| &ephemeral.container)
    }

    /// The container whose processes an ephemeral one is to see.
    pub fn ephemeral_target(&self, name: &str) -> Option<&str> {
        self.ephemeral.iter().find(|e| e.container.name == name)?.target.as_deref()
    }

    /// [`Self::containers`] and the ephemeral ones.
    pub fn all_containers(&self) -> impl Iterator<Item = (Role, &Container)> {
        self.containers().chain(self.ephemeral_containers().map(|container| (Role::Ephemeral, container)))
    }

    pub fn container(&self, name: &str) -> Option<(Role, &Container)> {
        self.all_containers().find(|(_, container)| container.name == name)
    }

    /// The same pod with the resources that containers of the same names have in `granted`.
    pub fn with_resources(&self, granted: &HashMap<String, ResourceRequirements>) -> Self {
        let mut pod = self.pod.clone();
        let spec = pod.spec.as_mut().expect("checked when made");
        for container in spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()) {
            if let Some(granted) = granted.get(&container.name) {
                container.resources = Some(granted.clone());
            }
        }
        Self { pod, ..self.clone() }
    }

    /// The resources of all containers that are the pod's own, by name.
    pub fn resources(&self) -> HashMap<String, ResourceRequirements> {
        self.containers().map(|(_, c)| (c.name.clone(), c.resources.clone().unwrap_or_default())).collect()
    }

    /// Whether a container has other requests or limits than in `other`.
    pub fn resources_differ(&self, other: &Self) -> bool {
        self.containers().any(|(_, container)| {
            let same = other.container(&container.name);
            same.is_some_and(|(_, same)| differ(container.resources.as_ref(), same.resources.as_ref()))
        })
    }

    /// Whether nothing but the status differs from `other`: no reason to look at the pod again.
    pub fn differs_only_in_status(&self, other: &Self) -> bool {
        let (a, b) = (&self.metadata, &other.metadata);
        self.uid == other.uid
            && self.spec() == other.spec()
            && a.labels == b.labels
            && a.annotations == b.annotations
            && a.deletion_timestamp == b.deletion_timestamp
            && a.deletion_grace_period_seconds == b.deletion_grace_period_seconds
    }
}

impl Deref for DesiredPod {
    type Target = Pod;

    fn deref(&self) -> &Pod {
        &self.pod
    }
}

/// The type of ephemeral containers has the fields of the others and one more.
fn ephemeral(spec: &PodSpec) -> Vec<Ephemeral> {
    let convert = |given: &EphemeralContainer| {
        let container = serde_json::to_value(given).and_then(serde_json::from_value);
        let container =
            container.inspect_err(|error| tracing::warn!(%error, name = given.name, "cannot be read")).ok()?;
        Some(Ephemeral { container, target: given.target_container_name.clone().filter(|name| !name.is_empty()) })
    };
    spec.ephemeral_containers.iter().flatten().filter_map(convert).collect()
}

fn role_of_init(container: &Container) -> Role {
    if container.restart_policy.as_deref() == Some("Always") { Role::Sidecar } else { Role::Init }
}
