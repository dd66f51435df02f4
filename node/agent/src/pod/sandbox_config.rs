//! What CRI is told about a pod's sandbox.

use gantry_cri::api;

use super::{desired::DesiredPod, dns::pod_dns, hosts_file::hostname, labels, security::sandbox_security};
use crate::NodeConfig;

/// The same for the sandbox itself and for every container made in it, but for the attempt number.
pub fn sandbox_config(
    pod: &DesiredPod,
    attempt: u32,
    node: &NodeConfig,
    log_directory: &str,
    cgroup: &str,
) -> api::PodSandboxConfig {
    let sysctls = pod.spec().security_context.as_ref().and_then(|c| c.sysctls.clone()).unwrap_or_default();
    api::PodSandboxConfig {
        metadata: Some(api::PodSandboxMetadata {
            name: pod.name().into(),
            uid: pod.uid().into(),
            namespace: pod.namespace().into(),
            attempt,
        }),
        hostname: if pod.is_host_network() { String::new() } else { hostname(pod) },
        log_directory: log_directory.into(),
        dns_config: Some(pod_dns(pod, node)),
        port_mappings: if pod.is_host_network() { Vec::new() } else { port_mappings(pod) },
        labels: labels::sandbox_labels(pod, &node.name),
        annotations: pod.metadata.annotations.clone().unwrap_or_default().into_iter().collect(),
        linux: Some(api::LinuxPodSandboxConfig {
            cgroup_parent: cgroup.into(),
            security_context: Some(sandbox_security(pod)),
            sysctls: sysctls.into_iter().map(|s| (s.name, s.value)).collect(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn port_mappings(pod: &DesiredPod) -> Vec<api::PortMapping> {
    let ports = pod.containers().flat_map(|(_, container)| container.ports.iter().flatten());
    ports
        .filter_map(|port| Some((port, port.host_port.filter(|p| *p > 0)?)))
        .map(|(port, host_port)| api::PortMapping {
            protocol: protocol(port.protocol.as_deref()) as i32,
            container_port: port.container_port,
            host_port,
            host_ip: port.host_ip.clone().unwrap_or_default(),
        })
        .collect()
}

fn protocol(name: Option<&str>) -> api::Protocol {
    match name {
        Some("UDP") => api::Protocol::Udp,
        Some("SCTP") => api::Protocol::Sctp,
        _ => api::Protocol::Tcp,
    }
}
