//! Whether the node takes a pod that the API gave it. One that it does not take fails, with a reason for whoever made it.

use super::{
    desired::DesiredPod,
    resize::{Allocations, Room},
};

/// Kernel parameters that a pod may set: they have an effect on that pod alone.
const SAFE_SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

/// Reason and message of a pod's failure.
pub type Failure = (&'static str, String);

/// Takes a new pod and notes what it was granted, or says why not.
pub fn admit(pod: &DesiredPod, allocations: &Allocations) -> Result<(), Failure> {
    let refused = |reason, message: String| Err((reason, format!("Pod was rejected: {message}")));
    if let Some(message) = forbidden_sysctl(pod) {
        return refused("SysctlForbidden", message);
    }
    match allocations.grant(pod) {
        Room::Enough => Ok(()),
        Room::Taken { resource, message } | Room::TooMuch { resource, message } => {
            refused(if resource == "cpu" { "OutOfcpu" } else { "OutOfmemory" }, message)
        }
    }
}

fn forbidden_sysctl(pod: &DesiredPod) -> Option<String> {
    let spec = pod.spec();
    let wanted = spec.security_context.iter().flat_map(|context| context.sysctls.iter().flatten());
    wanted.map(|sysctl| sysctl.name.replace('/', ".")).find_map(|name| {
        if !SAFE_SYSCTLS.contains(&name.as_str()) {
            return Some(format!("forbidden sysctl: {name:?} not allowlisted"));
        }
        let of_host = if name.starts_with("net.") { spec.host_network } else { spec.host_ipc };
        let which = if name.starts_with("net.") { "net" } else { "ipc" };
        of_host.unwrap_or_default().then(|| format!("forbidden sysctl: {name:?} not allowed with host {which} enabled"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::{resources::Amounts, testing::pod_of};

    fn reason(spec: &str) -> Option<&'static str> {
        let allocations = Allocations::new(Amounts { cpu_milli: Some(1000), memory_bytes: Some(1 << 30) });
        admit(&pod_of(spec), &allocations).err().map(|(reason, _)| reason)
    }

    #[test]
    fn only_sysctls_of_the_pods_own_namespaces_are_taken() {
        let sysctl = |name: &str, more: &str| {
            reason(&format!(
                r#"{{"containers":[],{more}"securityContext":{{"sysctls":[{{"name":"{name}","value":"1"}}]}}}}"#
            ))
        };
        assert_eq!(sysctl("kernel.shm_rmid_forced", ""), None);
        assert_eq!(sysctl("net/ipv4/tcp_syncookies", ""), None);
        assert_eq!(sysctl("kernel.msgmax", ""), Some("SysctlForbidden"));
        assert_eq!(sysctl("net.ipv4.tcp_syncookies", r#""hostNetwork":true,"#), Some("SysctlForbidden"));
        assert_eq!(sysctl("kernel.shm_rmid_forced", r#""hostIPC":true,"#), Some("SysctlForbidden"));
    }

    #[test]
    fn a_pod_that_asks_for_more_than_is_left_is_turned_away() {
        let asks = |cpu: &str| {
            reason(&format!(r#"{{"containers":[{{"name":"a","resources":{{"requests":{{"cpu":"{cpu}"}}}}}}]}}"#))
        };
        assert_eq!(asks("1"), None);
        assert_eq!(asks("1001m"), Some("OutOfcpu"));
    }
}
