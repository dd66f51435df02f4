//! Security contexts as CRI takes them.

use gantry_cri::api;
use k8s_openapi::api::core::v1::{Container, SeccompProfile, SecurityContext};
use thiserror::Error;

use super::desired::DesiredPod;

#[derive(Debug, Error, PartialEq, Eq)]
pub enum SecurityError {
    #[error("container has runAsNonRoot and image will run as root (container: {0})")]
    RunsAsRoot(String),
    #[error(
        "container has runAsNonRoot and image has non-numeric user ({user}), cannot verify user is non-root (container: {container})"
    )]
    UserNotNumeric { user: String, container: String },
}

/// Kernel interfaces hidden from containers, unless `procMount: Unmasked` or privileged.
const MASKED_PATHS: [&str; 10] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
];
const READONLY_PATHS: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

pub fn namespace_options(pod: &DesiredPod) -> api::NamespaceOption {
    let spec = pod.spec();
    let mode = |host: Option<bool>, otherwise: api::NamespaceMode| {
        if host.unwrap_or_default() { api::NamespaceMode::Node as i32 } else { otherwise as i32 }
    };
    let shared = spec.share_process_namespace.unwrap_or_default();
    let own_pid = if shared { api::NamespaceMode::Pod } else { api::NamespaceMode::Container };
    api::NamespaceOption {
        network: mode(spec.host_network, api::NamespaceMode::Pod),
        ipc: mode(spec.host_ipc, api::NamespaceMode::Pod),
        pid: mode(spec.host_pid, own_pid),
        ..Default::default()
    }
}

/// A pod whose containers share their processes anyway has nothing to target.
fn targeting(options: api::NamespaceOption, target: Option<&str>) -> api::NamespaceOption {
    match target {
        Some(id) if options.pid == api::NamespaceMode::Container as i32 => {
            api::NamespaceOption { pid: api::NamespaceMode::Target as i32, target_id: id.into(), ..options }
        }
        _ => options,
    }
}

fn number(value: i64) -> api::Int64Value {
    api::Int64Value { value }
}

fn seccomp(profile: Option<&SeccompProfile>, privileged: bool) -> api::SecurityProfile {
    use api::security_profile::ProfileType;
    let (kind, reference) = match profile.map(|p| p.type_.as_str()) {
        _ if privileged => (ProfileType::Unconfined, String::new()),
        Some("RuntimeDefault") => (ProfileType::RuntimeDefault, String::new()),
        Some("Localhost") => {
            let path = profile.and_then(|p| p.localhost_profile.clone()).unwrap_or_default();
            (ProfileType::Localhost, format!("/var/lib/kubelet/seccomp/{path}"))
        }
        _ => (ProfileType::Unconfined, String::new()),
    };
    api::SecurityProfile { profile_type: kind as i32, localhost_ref: reference }
}

/// Groups of every process of the pod: the pod's supplemental groups and its fsGroup.
fn supplemental_groups(pod: &DesiredPod) -> Vec<i64> {
    let Some(context) = &pod.spec().security_context else { return Vec::new() };
    context.supplemental_groups.iter().flatten().copied().chain(context.fs_group).collect()
}

pub fn sandbox_security(pod: &DesiredPod) -> api::LinuxSandboxSecurityContext {
    let context = pod.spec().security_context.clone().unwrap_or_default();
    let privileged = pod.containers().any(|(_, c)| is_privileged(c.security_context.as_ref()));
    api::LinuxSandboxSecurityContext {
        namespace_options: Some(namespace_options(pod)),
        run_as_user: context.run_as_user.map(number),
        run_as_group: context.run_as_user.and(context.run_as_group).map(number),
        supplemental_groups: supplemental_groups(pod),
        privileged,
        seccomp: Some(seccomp(context.seccomp_profile.as_ref(), false)),
        ..Default::default()
    }
}

fn is_privileged(context: Option<&SecurityContext>) -> bool {
    context.and_then(|c| c.privileged).unwrap_or_default()
}

/// What CRI is told about one container; `image` says which user it runs as by itself, `target` whose processes it sees
/// if not its own.
pub fn container_security(
    pod: &DesiredPod,
    container: &Container,
    image: &api::Image,
    target: Option<&str>,
) -> Result<api::LinuxContainerSecurityContext, SecurityError> {
    let of_pod = pod.spec().security_context.clone().unwrap_or_default();
    let own = container.security_context.clone().unwrap_or_default();
    let privileged = is_privileged(Some(&own));
    let user = own.run_as_user.or(of_pod.run_as_user);
    if own.run_as_non_root.or(of_pod.run_as_non_root).unwrap_or_default() {
        check_non_root(container, user, image)?;
    }
    let unmasked = privileged || own.proc_mount.as_deref() == Some("Unmasked");
    let paths = |paths: &[&str]| if unmasked { Vec::new() } else { paths.iter().map(|p| (*p).to_owned()).collect() };
    let capabilities = own.capabilities.clone().unwrap_or_default();
    let run_as_user = user.map(number).or_else(|| image.uid.filter(|_| image.username.is_empty()));
    Ok(api::LinuxContainerSecurityContext {
        capabilities: Some(api::Capability {
            add_capabilities: capabilities.add.unwrap_or_default(),
            drop_capabilities: capabilities.drop.unwrap_or_default(),
            ..Default::default()
        }),
        privileged,
        namespace_options: Some(targeting(namespace_options(pod), target)),
        run_as_group: run_as_user.as_ref().and(own.run_as_group.or(of_pod.run_as_group)).map(number),
        run_as_user,
        run_as_username: if user.is_none() { image.username.clone() } else { String::new() },
        readonly_rootfs: own.read_only_root_filesystem.unwrap_or_default(),
        supplemental_groups: supplemental_groups(pod),
        no_new_privs: own.allow_privilege_escalation == Some(false),
        masked_paths: paths(&MASKED_PATHS),
        readonly_paths: paths(&READONLY_PATHS),
        seccomp: Some(seccomp(own.seccomp_profile.as_ref().or(of_pod.seccomp_profile.as_ref()), privileged)),
        ..Default::default()
    })
}

fn check_non_root(container: &Container, user: Option<i64>, image: &api::Image) -> Result<(), SecurityError> {
    let image_user = image.uid.as_ref().map(|uid| uid.value);
    match user.or(image_user) {
        Some(0) => Err(SecurityError::RunsAsRoot(container.name.clone())),
        Some(_) => Ok(()),
        None if image.username.is_empty() => Err(SecurityError::RunsAsRoot(container.name.clone())),
        None => Err(SecurityError::UserNotNumeric { user: image.username.clone(), container: container.name.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::testing::pod_of;

    fn security(spec: &str, image: &api::Image) -> Result<api::LinuxContainerSecurityContext, SecurityError> {
        let pod = pod_of(spec);
        container_security(&pod, pod.main_containers().next().expect("one container"), image, None)
    }

    #[test]
    fn the_container_overrides_the_pod() {
        let spec = r#"{"securityContext":{"runAsUser":5,"runAsGroup":6,"fsGroup":7},
            "containers":[{"name":"a","securityContext":{"runAsUser":8,"allowPrivilegeEscalation":false}}]}"#;
        let made = security(spec, &api::Image::default()).expect("made");
        assert_eq!(made.run_as_user, Some(number(8)));
        assert_eq!(made.run_as_group, Some(number(6)));
        assert_eq!((made.supplemental_groups, made.no_new_privs), (vec![7], true));
    }

    #[test]
    fn run_as_non_root_refuses_root_and_names() {
        let spec = r#"{"securityContext":{"runAsNonRoot":true},"containers":[{"name":"a"}]}"#;
        let image = |uid: Option<i64>, name: &str| api::Image {
            uid: uid.map(number),
            username: name.into(),
            ..Default::default()
        };
        assert_eq!(security(spec, &image(Some(0), "")), Err(SecurityError::RunsAsRoot("a".into())));
        assert!(matches!(security(spec, &image(None, "web")), Err(SecurityError::UserNotNumeric { .. })));
        assert!(security(spec, &image(Some(1000), "")).is_ok());
    }
}
