//! Puts the node daemon together.

use std::sync::Arc;

use async_trait::async_trait;
use gantry_base::Shutdown;
use gantry_cri::{
    CriError, ImageClient, RuntimeClient, image_folder::ImageFolder, import::ImageImporter, runtime::connect,
};
use gantry_meta::GroupVersionResource;
use gantry_runtime::{BatchingSink, Cache, ListOptions, ObjectSink, ObjectSource, inform};
use gantry_volumes::NodeFolders;
use k8s_openapi::api::core::v1::{Pod, Service};
use thiserror::Error;
use tokio::sync::{Notify, broadcast};

use crate::{
    NodeConfig,
    cgroups::Cgroups,
    context::{NodeContext, Owners},
    events::EventRecorder,
    image_pull::ImagePuller,
    machine::Machine,
    node::{lease, registration::Registration},
    pod::{resize::Allocations, resources::Amounts},
    pods::Pods,
    references::References,
};

/// Ends of containers that one who listens may lag behind; who lags more looks at everything.
const EXITS_KEPT: usize = 256;

/// What makes the pods' network once the node knows its addresses.
#[async_trait]
pub trait PodNetwork: Send + Sync {
    /// Configures the node for pods in these networks. Idempotent. The error is for the log and is tried again.
    async fn prepare(&self, pod_cidrs: &[String]) -> Result<(), String>;
}

/// What the daemon is given besides its configuration.
pub struct NodeParts {
    pub source: Arc<dyn ObjectSource>,
    pub sink: Arc<dyn ObjectSink>,
    pub network: Arc<dyn PodNetwork>,
    /// The kubelet API is served if this is given.
    pub kubelet: Option<crate::kubelet::KubeletServing>,
}

#[derive(Debug, Error)]
pub enum NodeError {
    #[error(transparent)]
    Runtime(#[from] CriError),
    #[error("the kubelet API cannot be served: {0}")]
    Kubelet(std::io::Error),
}

/// Runs the node daemon until shutdown. Containers stay as they are when it ends.
pub async fn run(config: NodeConfig, parts: NodeParts, shutdown: Shutdown) -> Result<(), NodeError> {
    let channel = connect(&config.runtime_socket)?;
    let runtime = RuntimeClient::new(channel.clone());
    let images = ImageClient::new(channel.clone());
    let images_changed = Arc::new(Notify::new());
    import_images(&config, &images, &images_changed, &shutdown).await?;
    let stop = shutdown.token();
    let machine = Machine::read();
    let sink: Arc<dyn ObjectSink> = Arc::new(BatchingSink::start(parts.sink));
    let registration = Registration {
        config: config.clone(),
        machine: machine.clone(),
        runtime: runtime.clone(),
        images: images.clone(),
        source: parts.source.clone(),
        sink: sink.clone(),
        changed: images_changed,
    };
    let events = EventRecorder::start(sink.clone(), &config.name);
    let (references, reference_changes) = References::new(parts.source.clone());
    let services = GroupVersionResource::new("", "v1", "services");
    let services =
        inform(parts.source.clone(), services, ListOptions::default(), Cache::<Service>::new(), stop.clone());
    let node = Arc::new(NodeContext {
        runtime,
        images: ImagePuller::new(images, events.clone()),
        sink,
        events,
        references,
        services,
        allocations: Allocations::new(allocatable(&machine)),
        cgroups: Cgroups::new(&config.cgroup_root),
        folders: NodeFolders::new(&config.data_dir),
        owners: Owners::default(),
        machine,
        exits: broadcast::Sender::new(EXITS_KEPT),
        config,
    });
    let pods = Pods::new(node.clone(), follow_pods(&node.config.name, parts.source.clone(), &shutdown));
    if let Some(serving) = parts.kubelet {
        crate::kubelet::serve(serving, node.clone(), pods.clone(), &shutdown).await.map_err(NodeError::Kubelet)?;
    }
    shutdown.spawn(pods.clone().follow_runtime(channel, stop.clone()));
    shutdown.spawn(pods.clone().follow_references(reference_changes, stop.clone()));
    shutdown.spawn(crate::log_rotation::run(node.clone(), stop.clone()));
    shutdown.spawn(be_present(registration, parts.network, shutdown.clone()));
    pods.follow_api(stop).await;
    Ok(())
}

/// What the node has for pods: everything.
fn allocatable(machine: &Machine) -> Amounts {
    let cpus = i64::try_from(machine.cpus).unwrap_or(i64::MAX);
    Amounts { cpu_milli: Some(cpus.saturating_mul(1000)), memory_bytes: i64::try_from(machine.memory_bytes).ok() }
}

fn follow_pods(node: &str, source: Arc<dyn ObjectSource>, shutdown: &Shutdown) -> Arc<Cache<Pod>> {
    let options = ListOptions { field_selector: format!("spec.nodeName={node}"), ..ListOptions::default() };
    let pods = GroupVersionResource::new("", "v1", "pods");
    inform(source, pods, options, Cache::<Pod>::new(), shutdown.token())
}

/// The pause image is there before the first pod; archives of the folder are imported beside everything else.
async fn import_images(
    config: &NodeConfig,
    images: &ImageClient,
    changed: &Arc<Notify>,
    shutdown: &Shutdown,
) -> Result<(), CriError> {
    let importer = ImageImporter::new(&config.runtime_socket, images.clone());
    std::fs::create_dir_all(&config.data_dir)
        .map_err(|source| CriError::Io { context: format!("creating {}", config.data_dir.display()), source })?;
    importer.import_pause_image(&config.data_dir).await?;
    let Some(path) = &config.image_folder else { return Ok(()) };
    let folder = ImageFolder::open(path)?;
    folder.import_present(&importer).await?;
    let (changed, stop) = (changed.clone(), shutdown.token());
    shutdown.spawn(async move {
        let follow = async {
            if let Err(error) = folder.follow(&importer, || changed.notify_one()).await {
                tracing::warn!(%error, "the image folder is no longer followed");
            }
        };
        stop.run_until_cancelled(follow).await;
    });
    Ok(())
}

/// The node in the API: registered, networked, its lease renewed and its status posted.
async fn be_present(registration: Registration, network: Arc<dyn PodNetwork>, shutdown: Shutdown) {
    let stop = shutdown.token();
    let Some(node) = stop.run_until_cancelled(registration.register()).await else { return };
    shutdown.spawn(lease::renew(
        registration.sink.clone(),
        registration.config.name.clone(),
        node.uid.clone(),
        stop.clone(),
    ));
    let prepare = async {
        let cidrs = registration.pod_cidrs(&node).await;
        while let Err(error) = network.prepare(&cidrs).await {
            tracing::warn!(error, "the pod network could not be prepared yet");
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    };
    stop.run_until_cancelled(prepare).await;
    registration.report(stop).await;
}
