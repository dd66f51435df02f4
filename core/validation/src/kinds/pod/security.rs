//! Security contexts, and the fields that belong to one operating system.

use gantry_kinds::{
    FieldName,
    fields::core_v1::{
        AppArmorProfile, Capabilities, Container, PodSecurityContext, PodSpec, SeccompProfile, SecurityContext, Sysctl,
    },
};

use super::windows;
use crate::{
    field::{Causes, Field},
    ratchet::Ratchet,
    rules::{numbers, paths},
};

/// The longest path that Linux takes.
const LOCALHOST_PROFILE_MAX_BYTES: usize = 4095;
const PROFILES: [&str; 3] = ["Localhost", "RuntimeDefault", "Unconfined"];

pub(super) fn pod_security_context(spec: &Field<'_>, causes: &mut Causes) {
    let context = spec.member(PodSpec::SECURITY_CONTEXT);
    if !context.is_set() {
        return;
    }
    for member in [PodSecurityContext::FS_GROUP, SecurityContext::RUN_AS_USER, SecurityContext::RUN_AS_GROUP] {
        numbers::id(&context.member(member), causes);
    }
    context.member(PodSecurityContext::SUPPLEMENTAL_GROUPS).items().for_each(|group| numbers::id(&group, causes));
    if spec.member(PodSpec::HOST_PID).flag() && spec.member(PodSpec::SHARE_PROCESS_NAMESPACE).flag() {
        let shared = spec
            .member(PodSpec::SHARE_PROCESS_NAMESPACE)
            .reported_at(&context.member(PodSpec::SHARE_PROCESS_NAMESPACE));
        causes.invalid(&shared, "ShareProcessNamespace and HostPID cannot both be enabled");
    }
    sysctls(spec, &context.member(PodSecurityContext::SYSCTLS), causes);
    optional_enum(&context.member(PodSecurityContext::FS_GROUP_CHANGE_POLICY), &["OnRootMismatch", "Always"], causes);
    seccomp_profile(&context.member(PodSecurityContext::SECCOMP_PROFILE), causes);
    windows::options(&context.member(PodSecurityContext::WINDOWS_OPTIONS), causes);
    app_armor_profile(&context.member(PodSecurityContext::APP_ARMOR_PROFILE), causes);
    optional_enum(&context.member(PodSecurityContext::SUPPLEMENTAL_GROUPS_POLICY), &["Merge", "Strict"], causes);
    // `MountOption` is behind a feature gate that is off.
    optional_enum(&context.member(PodSecurityContext::SE_LINUX_CHANGE_POLICY), &["Recursive"], causes);
}

fn optional_enum(field: &Field<'_>, supported: &[&str], causes: &mut Causes) {
    if field.is_set() {
        causes.one_of(field, supported);
    }
}

fn sysctls(spec: &Field<'_>, sysctls: &Field<'_>, causes: &mut Causes) {
    let mut seen: Vec<&str> = Vec::new();
    for sysctl in sysctls.items() {
        let name = sysctl.member(Sysctl::NAME);
        if name.is_empty() {
            causes.required(&name);
        } else if !is_sysctl(name.text()) {
            causes.invalid(&name, "must have at most 253 characters and match the form of a sysctl's name");
        } else if seen.contains(&name.text()) {
            causes.duplicate(&name);
        }
        causes.ratcheted(Ratchet::HostSysctl, |causes| host_sysctl(spec, &name, causes));
        seen.push(name.text());
    }
}

/// What a pod shares with the host it does not set.
fn host_sysctl(spec: &Field<'_>, name: &Field<'_>, causes: &mut Causes) {
    let host = |member| spec.member(member).flag();
    if host(PodSpec::HOST_NETWORK) && name.text().starts_with("net.") {
        causes.invalid(name, "may not be specified when 'hostNetwork' is true");
    }
    if host(PodSpec::HOST_IPC) && is_ipc_sysctl(name.text()) {
        causes.invalid(name, "may not be specified when 'hostIPC' is true");
    }
}

/// One of the namespace that `hostIPC` shares.
fn is_ipc_sysctl(name: &str) -> bool {
    const NAMES: [&str; 8] = ["sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced", "msgmax", "msgmnb", "msgmni"];
    const PREFIXES: [&str; 3] = ["kernel.shm.", "kernel.msg.", "fs.mqueue."];
    name.strip_prefix("kernel.").is_some_and(|name| NAMES.contains(&name))
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Segments of lower-case letters, digits, `-` and `_`, joined by dots or slashes.
fn is_sysctl(name: &str) -> bool {
    let edge = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let segment = |s: &str| {
        let b = s.as_bytes();
        !b.is_empty() && edge(b[0]) && edge(b[b.len() - 1]) && b.iter().all(|&b| edge(b) || matches!(b, b'-' | b'_'))
    };
    name.len() <= 253 && name.split(['.', '/']).all(segment)
}

pub fn seccomp_profile(profile: &Field<'_>, causes: &mut Causes) {
    if !profile.is_set() {
        return;
    }
    let local = profile.member(SeccompProfile::LOCALHOST_PROFILE);
    causes.require_one_of(&profile.member(SeccompProfile::TYPE), &PROFILES);
    if profile.member(SeccompProfile::TYPE).text() == "Localhost" {
        match local.is_set() {
            true => paths::local_descending(&local, causes),
            false => causes.required(&local),
        }
    } else if local.is_set() {
        causes.invalid(&local, "can only be set when seccomp type is Localhost");
    }
}

fn app_armor_profile(profile: &Field<'_>, causes: &mut Causes) {
    if !profile.is_set() {
        return;
    }
    let local = profile.member(AppArmorProfile::LOCALHOST_PROFILE);
    match profile.member(AppArmorProfile::TYPE).text() {
        "Localhost" => {
            if causes.require(&local) && local.text().trim() != local.text() {
                causes.invalid(&local, "must not be padded with whitespace");
            }
            if local.text().len() > LOCALHOST_PROFILE_MAX_BYTES {
                causes.too_long(&local, LOCALHOST_PROFILE_MAX_BYTES);
            }
        }
        "RuntimeDefault" | "Unconfined" => {
            if local.is_set() {
                causes.invalid(&local, "can only be set when type is Localhost");
            }
        }
        _ => causes.require_one_of(&profile.member(AppArmorProfile::TYPE), &PROFILES),
    }
}

pub(super) fn container_security_context(context: &Field<'_>, spec: &Field<'_>, causes: &mut Causes) {
    if !context.is_set() {
        return;
    }
    numbers::id(&context.member(SecurityContext::RUN_AS_USER), causes);
    numbers::id(&context.member(SecurityContext::RUN_AS_GROUP), causes);
    let proc_mount = context.member(SecurityContext::PROC_MOUNT);
    optional_enum(&proc_mount, &["Default", "Unmasked"], causes);
    if proc_mount.text() == "Unmasked" && spec.member(PodSpec::HOST_USERS).value() != Some(&false.into()) {
        causes.invalid(&proc_mount, "`hostUsers` must be false to use `Unmasked`");
    }
    seccomp_profile(&context.member(SecurityContext::SECCOMP_PROFILE), causes);
    no_new_privileges(context, causes);
    windows::options(&context.member(SecurityContext::WINDOWS_OPTIONS), causes);
    app_armor_profile(&context.member(SecurityContext::APP_ARMOR_PROFILE), causes);
}

fn no_new_privileges(context: &Field<'_>, causes: &mut Causes) {
    if context.member(SecurityContext::ALLOW_PRIVILEGE_ESCALATION).value() != Some(&false.into()) {
        return;
    }
    if context.member(SecurityContext::PRIVILEGED).flag() {
        causes.invalid(context, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
    }
    for capability in context.member(SecurityContext::CAPABILITIES).member(Capabilities::ADD).items() {
        if capability.text() == "CAP_SYS_ADMIN" {
            causes.invalid(
                context,
                "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN",
            );
        }
    }
}

/// A pod with users of its own cannot join the host's namespaces.
pub(super) fn host_users(spec: &Field<'_>, causes: &mut Causes) {
    if spec.member(PodSpec::HOST_USERS).value() != Some(&false.into()) {
        return;
    }
    let reports = [
        (PodSpec::HOST_NETWORK, PodSpec::HOST_NETWORK.as_str()),
        (PodSpec::HOST_PID, "HostPID"),
        (PodSpec::HOST_IPC, "HostIPC"),
    ];
    for (member, reported) in reports {
        if spec.member(member).flag() {
            causes.forbidden(&spec.member_as(member, reported), "when `hostUsers` is false");
        }
    }
    for container in [PodSpec::INIT_CONTAINERS, PodSpec::CONTAINERS, PodSpec::EPHEMERAL_CONTAINERS]
        .into_iter()
        .flat_map(|list| spec.member(list).items())
    {
        let devices = container.member(Container::VOLUME_DEVICES);
        if !devices.is_empty() {
            causes.ratcheted(Ratchet::DevicesOfUserNamespace, |causes| {
                causes.forbidden(&devices, "when `hostUsers` is false");
            });
        }
    }
}

/// Security contexts of the pod and of its containers.
pub(super) fn contexts<'a>(spec: &Field<'a>) -> impl Iterator<Item = Field<'a>> + use<'a> {
    let lists =
        [PodSpec::CONTAINERS, PodSpec::INIT_CONTAINERS, PodSpec::EPHEMERAL_CONTAINERS].map(|list| spec.member(list));
    let containers = lists.into_iter().flat_map(|list| list.items().collect::<Vec<_>>());
    std::iter::once(spec.member(PodSpec::SECURITY_CONTEXT))
        .chain(containers.map(|c| c.member(Container::SECURITY_CONTEXT)))
}

pub(super) fn no_linux_options(spec: &Field<'_>, causes: &mut Causes) {
    const OF_POD: [FieldName; 4] =
        [PodSpec::HOST_PID, PodSpec::HOST_IPC, PodSpec::HOST_USERS, PodSpec::SHARE_PROCESS_NAMESPACE];
    const OF_CONTEXT: [FieldName; 16] = [
        SecurityContext::APP_ARMOR_PROFILE,
        SecurityContext::SE_LINUX_OPTIONS,
        SecurityContext::SECCOMP_PROFILE,
        SecurityContext::CAPABILITIES,
        SecurityContext::READ_ONLY_ROOT_FILESYSTEM,
        SecurityContext::PRIVILEGED,
        SecurityContext::ALLOW_PRIVILEGE_ESCALATION,
        SecurityContext::PROC_MOUNT,
        PodSecurityContext::FS_GROUP,
        PodSecurityContext::FS_GROUP_CHANGE_POLICY,
        PodSecurityContext::SYSCTLS,
        SecurityContext::RUN_AS_USER,
        SecurityContext::RUN_AS_GROUP,
        PodSecurityContext::SUPPLEMENTAL_GROUPS,
        PodSecurityContext::SUPPLEMENTAL_GROUPS_POLICY,
        PodSecurityContext::SE_LINUX_CHANGE_POLICY,
    ];
    for member in OF_POD {
        if spec.member(member).is_set() {
            causes.forbidden(&spec.member(member), "cannot be set for a windows pod");
        }
    }
    for context in contexts(spec) {
        for member in OF_CONTEXT {
            if context.member(member).is_set() {
                causes.forbidden(&context.member(member), "cannot be set for a windows pod");
            }
        }
    }
}
