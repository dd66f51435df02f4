//! What CRI is told about one container.

use std::{collections::HashMap, path::Path};

use gantry_cri::api;
use gantry_volumes::{PodFolders, VolumeError, folders::create_folder, sub_path};
use k8s_openapi::api::core::v1::{Container, VolumeMount};
use thiserror::Error;

use super::{
    desired::DesiredPod,
    env::EnvError,
    expansion::expand,
    labels,
    resources::container_resources,
    security::{SecurityError, container_security},
    volumes::MountedVolumes,
};

/// Why a container cannot be made; its reason in the status is CreateContainerConfigError.
#[derive(Debug, Error)]
pub enum ContainerConfigError {
    #[error(transparent)]
    Env(#[from] EnvError),
    #[error(transparent)]
    Security(#[from] SecurityError),
    #[error(transparent)]
    Volume(#[from] VolumeError),
    #[error("volume {0:?} is mounted but not defined")]
    UnknownVolume(String),
}

/// Everything that one container's configuration is made from.
pub struct ContainerInput<'a> {
    pub pod: &'a DesiredPod,
    pub container: &'a Container,
    pub attempt: u32,
    /// The id of the container whose processes this one sees.
    pub target: Option<&'a str>,
    pub env: Vec<(String, String)>,
    pub image: &'a api::Image,
    pub volumes: &'a MountedVolumes,
    pub folders: &'a PodFolders,
    pub node_name: &'a str,
    pub node_memory_bytes: u64,
    /// `None` where the image brings its own (containers that must not get one).
    pub hosts_file: Option<&'a Path>,
}

/// Makes the configuration, and the files on the node that it points to (termination message, subPaths). Blocks.
pub fn container_config(input: &ContainerInput<'_>) -> Result<api::ContainerConfig, ContainerConfigError> {
    let container = input.container;
    let lookup = |name: &str| input.env.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    let expanded = |words: &Option<Vec<String>>| words.iter().flatten().map(|word| expand(word, lookup)).collect();
    let mut mounts = volume_mounts(input)?;
    let termination_file = termination_file(input)?;
    mounts.push(mount(container_termination_path(container), &termination_file, false));
    let owns_hosts = |m: &api::Mount| m.container_path == "/etc/hosts";
    if let Some(hosts) = input.hosts_file.filter(|_| !mounts.iter().any(owns_hosts)) {
        mounts.push(mount("/etc/hosts", &hosts.to_string_lossy(), false));
    }
    Ok(api::ContainerConfig {
        metadata: Some(api::ContainerMetadata { name: container.name.clone(), attempt: input.attempt }),
        image: Some(api::ImageSpec { image: input.image.id.clone(), ..Default::default() }),
        command: expanded(&container.command),
        args: expanded(&container.args),
        working_dir: container.working_dir.clone().unwrap_or_default(),
        envs: input.env.iter().map(|(key, value)| api::KeyValue { key: key.clone(), value: value.clone() }).collect(),
        mounts,
        labels: labels::container_labels(input.pod, container, input.node_name),
        annotations: annotations(input, &termination_file),
        log_path: format!("{}/{}.log", container.name, input.attempt),
        stdin: container.stdin.unwrap_or_default(),
        stdin_once: container.stdin_once.unwrap_or_default(),
        tty: container.tty.unwrap_or_default(),
        linux: Some(api::LinuxContainerConfig {
            resources: Some(container_resources(input.pod, container, input.node_memory_bytes)),
            security_context: Some(container_security(input.pod, container, input.image, input.target)?),
        }),
        ..Default::default()
    })
}

fn annotations(input: &ContainerInput<'_>, termination_file: &str) -> HashMap<String, String> {
    let container = input.container;
    let policy = container.termination_message_policy.as_deref().unwrap_or("File");
    HashMap::from([
        (labels::HASH.into(), labels::container_hash(container)),
        (labels::RESTART_COUNT.into(), input.attempt.to_string()),
        (labels::TERMINATION_PATH.into(), container_termination_path(container).into()),
        (labels::TERMINATION_POLICY.into(), policy.into()),
        (labels::TERMINATION_FILE.into(), termination_file.into()),
        (labels::POD_GRACE.into(), input.pod.grace_seconds().to_string()),
    ])
}

fn container_termination_path(container: &Container) -> &str {
    container.termination_message_path.as_deref().unwrap_or("/dev/termination-log")
}

/// A file of its own for each start, writable by whatever user the container runs as.
fn termination_file(input: &ContainerInput<'_>) -> Result<String, ContainerConfigError> {
    use std::os::unix::fs::PermissionsExt;
    let folder = input.folders.container(&input.container.name);
    create_folder(&folder, 0o755)?;
    let file = folder.join(input.attempt.to_string());
    let make = || {
        std::fs::write(&file, b"")?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666))
    };
    make().map_err(|source| VolumeError::Io { action: "creating", path: file.clone(), source })?;
    Ok(file.to_string_lossy().into_owned())
}

fn mount(container_path: &str, host_path: &str, readonly: bool) -> api::Mount {
    api::Mount { container_path: container_path.into(), host_path: host_path.into(), readonly, ..Default::default() }
}

fn volume_mounts(input: &ContainerInput<'_>) -> Result<Vec<api::Mount>, ContainerConfigError> {
    let mounts = input.container.volume_mounts.iter().flatten().enumerate();
    mounts.map(|(index, wanted)| volume_mount(input, index, wanted)).collect()
}

fn volume_mount(
    input: &ContainerInput<'_>,
    index: usize,
    wanted: &VolumeMount,
) -> Result<api::Mount, ContainerConfigError> {
    let volume =
        input.volumes.get(&wanted.name).ok_or_else(|| ContainerConfigError::UnknownVolume(wanted.name.clone()))?;
    let readonly = wanted.read_only.unwrap_or_default() || volume.read_only;
    let lookup = |name: &str| input.env.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    let expression = wanted.sub_path_expr.as_deref().filter(|e| !e.is_empty()).map(|e| expand(e, lookup));
    let path = match expression.as_deref().or(wanted.sub_path.as_deref()).filter(|p| !p.is_empty()) {
        Some(inner) => {
            let at = input.folders.sub_path(&input.container.name, index);
            sub_path::bind(&volume.path, inner, &at, !volume.read_only)?
        }
        None => volume.path.clone(),
    };
    let absolute = format!("/{}", wanted.mount_path.trim_start_matches('/'));
    let mut mount = mount(&absolute, &path.to_string_lossy(), readonly);
    mount.propagation = match wanted.mount_propagation.as_deref() {
        Some("HostToContainer") => api::MountPropagation::PropagationHostToContainer as i32,
        Some("Bidirectional") => api::MountPropagation::PropagationBidirectional as i32,
        _ => api::MountPropagation::PropagationPrivate as i32,
    };
    Ok(mount)
}
