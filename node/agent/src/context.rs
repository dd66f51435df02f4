//! What all pod workers of a node share.

use std::{collections::HashMap, sync::Arc};

use gantry_cri::RuntimeClient;
use gantry_runtime::{Cache, ObjectSink};
use gantry_volumes::NodeFolders;
use k8s_openapi::api::core::v1::Service;
use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::{
    NodeConfig,
    cgroups::Cgroups,
    events::EventRecorder,
    image_pull::ImagePuller,
    machine::Machine,
    pod::{desired::DesiredPod, downward::PodFacts, resize::Allocations, service_env},
    references::References,
};

/// The node as a pod worker sees it.
pub struct NodeContext {
    pub config: NodeConfig,
    pub machine: Machine,
    pub runtime: RuntimeClient,
    pub images: ImagePuller,
    pub sink: Arc<dyn ObjectSink>,
    pub events: EventRecorder,
    pub references: References,
    pub services: Arc<Cache<Service>>,
    pub cgroups: Cgroups,
    pub folders: NodeFolders,
    pub owners: Owners,
    pub allocations: Allocations,
    /// Ids of containers as they end.
    pub exits: broadcast::Sender<String>,
}

impl NodeContext {
    /// What a pod may read about itself and the node.
    pub fn facts(&self, pod: &DesiredPod, sandbox_ips: &[String]) -> PodFacts {
        let host_ip = self.config.ip.to_string();
        let pod_ips = if pod.is_host_network() { vec![host_ip.clone()] } else { sandbox_ips.to_vec() };
        let allocatable = self.allocations.capacity();
        PodFacts { node_name: self.config.name.clone(), host_ips: vec![host_ip], pod_ips, allocatable }
    }

    /// The service variables of a pod: `kubernetes` always, its namespace's services if the spec asks for links.
    pub fn service_variables(&self, pod: &DesiredPod) -> Vec<(String, String)> {
        let links = pod.spec().enable_service_links.unwrap_or(true);
        let mut services = if links { self.services.list_namespace(pod.namespace()) } else { Vec::new() };
        if !(links && pod.namespace() == "default") {
            services.extend(self.services.get("default", "kubernetes"));
        }
        service_env::variables(services.iter().map(|service| (service.key.name.as_ref(), &service.content)))
    }

    pub fn log_directory(&self, pod: &DesiredPod) -> String {
        self.folders.pod_logs(pod.namespace(), pod.name(), pod.uid()).to_string_lossy().into_owned()
    }
}

/// Which pod a container or sandbox belongs to: where the runtime's events are sent.
#[derive(Debug, Default)]
pub struct Owners {
    by_id: Mutex<HashMap<String, String>>,
}

impl Owners {
    pub fn add(&self, id: &str, pod_uid: &str) {
        self.by_id.lock().insert(id.into(), pod_uid.into());
    }

    pub fn owner(&self, id: &str) -> Option<String> {
        self.by_id.lock().get(id).cloned()
    }

    /// Forgets everything of a pod.
    pub fn remove_pod(&self, pod_uid: &str) {
        self.by_id.lock().retain(|_, owner| owner != pod_uid);
    }
}
