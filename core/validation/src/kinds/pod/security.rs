//! Security contexts, and the fields that belong to one operating system.

use super::windows;
use crate::{
    field::{Causes, Field},
    rules::{numbers, paths},
};

const PROFILES: [&str; 3] = ["Localhost", "RuntimeDefault", "Unconfined"];

pub(super) fn pod_security_context(spec: &Field<'_>, causes: &mut Causes) {
    let context = spec.member("securityContext");
    if !context.is_set() {
        return;
    }
    for member in ["fsGroup", "runAsUser", "runAsGroup"] {
        numbers::id(&context.member(member), causes);
    }
    context.member("supplementalGroups").items().for_each(|group| numbers::id(&group, causes));
    if spec.member("hostPID").flag() && spec.member("shareProcessNamespace").flag() {
        let shared = spec.member("shareProcessNamespace").reported_at(&context.member("shareProcessNamespace"));
        causes.invalid(&shared, "ShareProcessNamespace and HostPID cannot both be enabled");
    }
    sysctls(spec, &context.member("sysctls"), causes);
    optional_enum(&context.member("fsGroupChangePolicy"), &["OnRootMismatch", "Always"], causes);
    seccomp_profile(&context.member("seccompProfile"), causes);
    windows::options(&context.member("windowsOptions"), causes);
    app_armor_profile(&context.member("appArmorProfile"), causes);
    optional_enum(&context.member("supplementalGroupsPolicy"), &["Merge", "Strict"], causes);
    // `MountOption` is behind a feature gate that is off.
    optional_enum(&context.member("seLinuxChangePolicy"), &["Recursive"], causes);
}

fn optional_enum(field: &Field<'_>, supported: &[&str], causes: &mut Causes) {
    if field.is_set() {
        causes.one_of(field, supported);
    }
}

fn sysctls(spec: &Field<'_>, sysctls: &Field<'_>, causes: &mut Causes) {
    let mut seen: Vec<&str> = Vec::new();
    for sysctl in sysctls.items() {
        let name = sysctl.member("name");
        if name.is_empty() {
            causes.required(&name);
        } else if !is_sysctl(name.text()) {
            causes.invalid(&name, "must have at most 253 characters and match the form of a sysctl's name");
        } else if seen.contains(&name.text()) {
            causes.duplicate(&name);
        }
        let host = |member| spec.member(member).flag();
        if host("hostNetwork") && name.text().starts_with("net.") {
            causes.invalid(&name, "may not be specified when 'hostNetwork' is true");
        }
        if host("hostIPC") && is_ipc_sysctl(name.text()) {
            causes.invalid(&name, "may not be specified when 'hostIPC' is true");
        }
        seen.push(name.text());
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
    let local = profile.member("localhostProfile");
    causes.require_one_of(&profile.member("type"), &PROFILES);
    if profile.member("type").text() == "Localhost" {
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
    let local = profile.member("localhostProfile");
    match profile.member("type").text() {
        "Localhost" => {
            if local.text().trim().is_empty() {
                causes.required(&local);
            } else if local.text().trim() != local.text() {
                causes.invalid(&local, "must not be padded with whitespace");
            }
        }
        "RuntimeDefault" | "Unconfined" => {
            if local.is_set() {
                causes.invalid(&local, "can only be set when type is Localhost");
            }
        }
        _ => causes.require_one_of(&profile.member("type"), &PROFILES),
    }
}

pub(super) fn container_security_context(context: &Field<'_>, spec: &Field<'_>, causes: &mut Causes) {
    if !context.is_set() {
        return;
    }
    numbers::id(&context.member("runAsUser"), causes);
    numbers::id(&context.member("runAsGroup"), causes);
    let proc_mount = context.member("procMount");
    optional_enum(&proc_mount, &["Default", "Unmasked"], causes);
    if proc_mount.text() == "Unmasked" && spec.member("hostUsers").value() != Some(&false.into()) {
        causes.invalid(&proc_mount, "`hostUsers` must be false to use `Unmasked`");
    }
    seccomp_profile(&context.member("seccompProfile"), causes);
    no_new_privileges(context, causes);
    windows::options(&context.member("windowsOptions"), causes);
    app_armor_profile(&context.member("appArmorProfile"), causes);
}

fn no_new_privileges(context: &Field<'_>, causes: &mut Causes) {
    if context.member("allowPrivilegeEscalation").value() != Some(&false.into()) {
        return;
    }
    if context.member("privileged").flag() {
        causes.invalid(context, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
    }
    for capability in context.member("capabilities").member("add").items() {
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
    if spec.member("hostUsers").value() != Some(&false.into()) {
        return;
    }
    let reports = [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")];
    for (member, reported) in reports {
        if spec.member(member).flag() {
            causes.forbidden(&spec.member_as(member, reported), "when `hostUsers` is false");
        }
    }
    for container in
        ["initContainers", "containers", "ephemeralContainers"].into_iter().flat_map(|list| spec.member(list).items())
    {
        if !container.member("volumeDevices").is_empty() {
            causes.forbidden(&container.member("volumeDevices"), "when `hostUsers` is false");
        }
    }
}

/// Security contexts of the pod and of its containers.
pub(super) fn contexts<'a>(spec: &Field<'a>) -> impl Iterator<Item = Field<'a>> + use<'a> {
    let lists = ["containers", "initContainers", "ephemeralContainers"].map(|list| spec.member(list));
    let containers = lists.into_iter().flat_map(|list| list.items().collect::<Vec<_>>());
    std::iter::once(spec.member("securityContext")).chain(containers.map(|c| c.member("securityContext")))
}

pub(super) fn no_linux_options(spec: &Field<'_>, causes: &mut Causes) {
    const OF_POD: [&str; 4] = ["hostPID", "hostIPC", "hostUsers", "shareProcessNamespace"];
    const OF_CONTEXT: [&str; 16] = [
        "appArmorProfile",
        "seLinuxOptions",
        "seccompProfile",
        "capabilities",
        "readOnlyRootFilesystem",
        "privileged",
        "allowPrivilegeEscalation",
        "procMount",
        "fsGroup",
        "fsGroupChangePolicy",
        "sysctls",
        "runAsUser",
        "runAsGroup",
        "supplementalGroups",
        "supplementalGroupsPolicy",
        "seLinuxChangePolicy",
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
