//! Which pods stand behind a service, and on which ports.

use gantry_plugin::{
    Event, Failure, Key, Query, Reader,
    resource::{NODES, PODS, SERVICES},
};
use jiff::Timestamp;
use serde_json::Value;

use crate::model::{EndpointPort, Pod, Service, ServicePort, TargetRef, ZONE};

/// One pod behind a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    pub ip: String,
    /// May be sent new connections.
    pub ready: bool,
    /// Answers, even if it is about to end.
    pub serving: bool,
    pub terminating: bool,
    pub node_name: String,
    pub zone: String,
    /// Only where the pod's subdomain is the service.
    pub hostname: String,
    pub target: TargetRef,
    /// Ports as this pod has them; sorted.
    pub ports: Vec<EndpointPort>,
    /// When the pod last changed in a way that matters here.
    pub changed: Option<Timestamp>,
}

/// Every pod behind the service that has an address, in order of name.
pub fn find(service: &Service, read: &Reader<'_>) -> Result<Vec<Backend>, Failure> {
    let selector: Vec<String> = service.spec.selector.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let selector = selector.join(",");
    let pods = read.list::<Pod>(&Query::within(&PODS, &service.metadata.namespace).labels(&selector))?;
    let mut backends = Vec::with_capacity(pods.len());
    for pod in pods.iter().filter(|pod| !pod.is_finished()) {
        backends.extend(backend(service, pod, read)?);
    }
    Ok(backends)
}

fn backend(service: &Service, pod: &Pod, read: &Reader<'_>) -> Result<Option<Backend>, Failure> {
    let Some(ip) = pod.status.pod_ips.iter().map(|p| &p.ip).find(|ip| !ip.is_empty() && !ip.contains(':')) else {
        return Ok(None);
    };
    let node = match pod.spec.node_name.as_str() {
        "" => None,
        name => read.find(&NODES, "", name)?,
    };
    let publish = service.spec.publish_not_ready_addresses;
    if node.is_none() && !pod.spec.node_name.is_empty() && !publish {
        return Ok(None);
    }
    let zone = node.map(|n| n.metadata()).transpose()?.and_then(|m| m.labels.get(ZONE).cloned()).unwrap_or_default();
    let (serving, terminating) = (pod.is_ready(), pod.metadata.is_terminating());
    let named = pod.spec.subdomain == service.metadata.name;
    Ok(Some(Backend {
        ip: ip.clone(),
        ready: publish || (serving && !terminating),
        serving,
        terminating,
        node_name: pod.spec.node_name.clone(),
        zone,
        hostname: if named { pod.spec.hostname.clone() } else { String::new() },
        target: TargetRef {
            kind: "Pod".into(),
            namespace: pod.metadata.namespace.clone(),
            name: pod.metadata.name.clone(),
            uid: pod.metadata.uid.clone(),
        },
        ports: ports(service, pod),
        changed: pod.metadata.deletion_timestamp.or(pod.ready_changed()),
    }))
}

/// The service's ports that this pod has. A name that none of its containers knows is left out.
fn ports(service: &Service, pod: &Pod) -> Vec<EndpointPort> {
    let of = |port: &ServicePort| {
        Some(EndpointPort {
            name: port.name.clone(),
            port: target_port(port, pod)?,
            protocol: port.protocol.clone(),
            app_protocol: port.app_protocol.clone(),
        })
    };
    let mut ports: Vec<EndpointPort> = service.spec.ports.iter().filter_map(of).collect();
    ports.sort_by(|a, b| (&a.protocol, a.port, &a.name).cmp(&(&b.protocol, b.port, &b.name)).reverse());
    ports
}

fn target_port(port: &ServicePort, pod: &Pod) -> Option<i64> {
    match &port.target_port {
        Value::Number(number) => number.as_i64().map(|n| if n == 0 { port.port } else { n }),
        Value::String(name) if !name.is_empty() => pod
            .serving_containers()
            .flat_map(|c| &c.ports)
            .find(|p| p.name == *name && p.protocol == port.protocol)
            .map(|p| p.container_port),
        _ => Some(port.port),
    }
}

/// The services that a pod's change concerns: those that select it now, or did.
pub fn services_of_pod(event: &Event<'_>, read: &Reader<'_>) -> Result<Vec<Key>, Failure> {
    let mut keys = Vec::new();
    for state in [event.old, event.new].into_iter().flatten() {
        let labels = state.metadata()?.labels;
        let services = read.list::<Service>(&Query::within(&SERVICES, state.namespace))?;
        let selecting = services.iter().filter(|s| s.matches(&labels));
        keys.extend(selecting.map(|s| Key::of(state.namespace, &s.metadata.name)));
    }
    keys.sort();
    keys.dedup();
    Ok(keys)
}

/// The services with pods on a node that is new or gone: its pods count only while it exists.
pub fn services_of_node(event: &Event<'_>, read: &Reader<'_>) -> Result<Vec<Key>, Failure> {
    let zone = |state: Option<gantry_plugin::Obj<'_>>| -> Result<Option<String>, Failure> {
        Ok(state.map(|s| s.metadata()).transpose()?.and_then(|m| m.labels.get(ZONE).cloned()))
    };
    if event.old.is_some() && event.new.is_some() && zone(event.old)? == zone(event.new)? {
        return Ok(Vec::new());
    }
    let services = read.list::<Service>(&Query::all(&SERVICES))?;
    let selecting = services.iter().filter(|s| s.selects());
    Ok(selecting.map(|s| Key::of(&s.metadata.namespace, &s.metadata.name)).collect())
}
