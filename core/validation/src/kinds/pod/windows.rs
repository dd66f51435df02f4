//! What belongs to Windows alone.

use gantry_kinds::fields::core_v1::{PodSpec, SecurityContext, WindowsSecurityContextOptions};

use super::security::contexts;
use crate::{
    field::{Causes, Field},
    names,
};

const CREDENTIAL_MAX_BYTES: usize = 64 * 1024;
const DOMAIN_MAX_BYTES: usize = 255;
const USER_MAX_BYTES: usize = 104;
const NETBIOS_MAX_CHARS: usize = 15;

/// `windowsOptions` of a pod or a container.
pub(super) fn options(options: &Field<'_>, causes: &mut Causes) {
    let (name, credential, user) = (
        options.member(WindowsSecurityContextOptions::GMSA_CREDENTIAL_SPEC_NAME),
        options.member(WindowsSecurityContextOptions::GMSA_CREDENTIAL_SPEC),
        options.member(WindowsSecurityContextOptions::RUN_AS_USER_NAME),
    );
    if name.is_set() {
        causes.invalid_each(&name, names::dns_subdomain(name.text()));
    }
    if credential.is_set() && !(1..=CREDENTIAL_MAX_BYTES).contains(&credential.text().len()) {
        causes.invalid(&credential, "must not be empty, and under 64 KiB");
    }
    if user.is_set() {
        causes.invalid_each(&user, user_name(user.text()));
    }
}

/// Reasons against `[DOMAIN\]USER`.
fn user_name(text: &str) -> names::Reasons {
    if text.is_empty() {
        return vec!["runAsUserName cannot be an empty string"];
    }
    if text.chars().any(|c| c.is_ascii_control()) {
        return vec!["runAsUserName cannot contain control characters"];
    }
    if text.matches('\\').count() > 1 {
        return vec!["runAsUserName cannot contain more than one backslash"];
    }
    let (domain, user) = text.split_once('\\').map_or((None, text), |(domain, user)| (Some(domain), user));
    let mut reasons = domain.map(domain_name).unwrap_or_default();
    let checks = [
        (user.is_empty(), "runAsUserName's User cannot be empty"),
        (user.len() > USER_MAX_BYTES, "runAsUserName's User length must not be longer than 104 characters"),
        (
            !user.is_empty() && user.chars().all(|c| matches!(c, '.' | ' ')),
            "runAsUserName's User cannot contain only periods or spaces",
        ),
        (
            user.contains(|c| "\"/:;|=,+*?<>@[]".contains(c)),
            "runAsUserName's User cannot contain any of \"/\\:;|=,+*?<>@[]",
        ),
    ];
    reasons.extend(checks.into_iter().filter_map(|(broken, why)| broken.then_some(why)));
    reasons
}

fn domain_name(domain: &str) -> names::Reasons {
    let of_netbios = |c: char| !"\\/:*?\"<>|".contains(c);
    let is_netbios = !domain.is_empty()
        && !domain.starts_with('.')
        && domain.chars().count() <= NETBIOS_MAX_CHARS
        && domain.chars().all(of_netbios);
    let is_dns = domain.split('.').all(|label| names::dns_label(&label.to_ascii_lowercase()).is_empty());
    let checks = [
        (domain.len() > DOMAIN_MAX_BYTES, "runAsUserName's Domain length must be under 256 characters"),
        (!is_netbios && !is_dns, "runAsUserName's Domain doesn't match the NetBios nor the DNS format"),
    ];
    checks.into_iter().filter_map(|(broken, why)| broken.then_some(why)).collect()
}

fn asked<'a>(context: &Field<'a>) -> Field<'a> {
    context.member(SecurityContext::WINDOWS_OPTIONS).member(WindowsSecurityContextOptions::HOST_PROCESS)
}

/// Containers that are processes of the host: all or none, on the host's network.
pub(super) fn host_process(spec: &Field<'_>, causes: &mut Causes) {
    let mut contexts = contexts(spec);
    let of_pod = contexts.next().and_then(|context| asked(&context).value());
    let (mut all, mut some) = (true, false);
    for own in contexts.map(|context| asked(&context)) {
        if own.is_set() && of_pod.is_some_and(|pod| Some(pod) != own.value()) {
            causes.invalid(&own, "pod hostProcess value must be identical if both are specified");
        }
        let is_of_host = own.value().or(of_pod) == Some(&true.into());
        all &= is_of_host;
        some |= is_of_host;
    }
    if some && !all {
        causes.invalid(
            spec,
            "If pod contains any hostProcess containers then all containers must be HostProcess containers",
        );
    }
    if some && !spec.member(PodSpec::HOST_NETWORK).flag() {
        causes.invalid(
            &spec.member(PodSpec::HOST_NETWORK),
            "hostNetwork must be true if pod contains any hostProcess containers",
        );
    }
}

/// A pod of Linux has none of it.
pub(super) fn none(spec: &Field<'_>, causes: &mut Causes) {
    for options in contexts(spec)
        .map(|context| context.member(SecurityContext::WINDOWS_OPTIONS))
        .filter(|options| options.is_set())
    {
        causes.forbidden(&options, "windows options cannot be set for a linux pod");
    }
}

#[cfg(test)]
mod tests {
    use super::user_name;

    #[test]
    fn users_may_come_with_a_domain() {
        for good in ["ContainerUser", "NT AUTHORITY\\Network Service", "corp.example\\me", "a.b"] {
            assert_eq!(user_name(good), [""; 0], "{good}");
        }
        for bad in ["", "a\\b\\c", "\\me", "corp\\", "...", "a/b", "x\ty", ".corp\\me?"] {
            assert!(!user_name(bad).is_empty(), "{bad}");
        }
    }
}
