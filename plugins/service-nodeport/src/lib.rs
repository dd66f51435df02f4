//! The service types `NodePort` and `LoadBalancer`.
//!
//! A NodePort service is a ClusterIP service that is also reached on a port of every node. A LoadBalancer service is that
//! too; without a cloud nobody gives it an address of its own: `EXTERNAL-IP` stays pending, as on every cluster without one.
//! An address that somebody writes into its status (MetalLB, a cloud's controller) is served.

use gantry_plugin::service_rules::{EndpointSlice, Reach, Service, checks, claims, plan};
use gantry_plugin::{Cause, Claim, Cx, Failure, HostRef, NoConfig, Plugin, ServiceType};

gantry_plugin::export!(NodePort: ServiceType, LoadBalancer: ServiceType);

pub struct NodePort;
pub struct LoadBalancer;

impl Plugin for NodePort {
    const ID: &'static str = "service-nodeport";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = NoConfig;

    fn new(_: HostRef<'_>, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
}

impl Plugin for LoadBalancer {
    const ID: &'static str = "service-loadbalancer";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = NoConfig;

    fn new(_: HostRef<'_>, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
}

impl ServiceType for NodePort {
    const TYPE: &'static str = "NodePort";

    fn validate(&self, _: &Cx<'_>, old: Option<&[u8]>, new: &[u8]) -> Result<Vec<Cause>, Failure> {
        let (old, new) = read(old, new)?;
        Ok(wrong(old.as_ref(), &new))
    }

    fn allocate(&self, _: &Cx<'_>, old: Option<&[u8]>, new: &[u8]) -> Result<Vec<Claim>, Failure> {
        let (old, new) = read(old, new)?;
        let address = claims::cluster_ip_claim(old.as_ref(), &new);
        Ok(address.into_iter().chain(claims::node_port_claims(&new, false)).collect())
    }

    fn plan(&self, _: &Cx<'_>, node: &str, services: &[u8], slices: &[u8]) -> Result<Vec<u8>, Failure> {
        planned(node, services, slices, Reach::NodePorts)
    }
}

impl ServiceType for LoadBalancer {
    const TYPE: &'static str = "LoadBalancer";

    fn validate(&self, _: &Cx<'_>, old: Option<&[u8]>, new: &[u8]) -> Result<Vec<Cause>, Failure> {
        let (old, new) = read(old, new)?;
        Ok(wrong(old.as_ref(), &new))
    }

    fn allocate(&self, _: &Cx<'_>, old: Option<&[u8]>, new: &[u8]) -> Result<Vec<Claim>, Failure> {
        let (old, new) = read(old, new)?;
        Ok(load_balancer_claims(old.as_ref(), &new))
    }

    fn plan(&self, _: &Cx<'_>, node: &str, services: &[u8], slices: &[u8]) -> Result<Vec<u8>, Failure> {
        planned(node, services, slices, Reach::LoadBalancer)
    }
}

fn read(old: Option<&[u8]>, new: &[u8]) -> Result<(Option<Service>, Service), Failure> {
    Ok((old.map(serde_json::from_slice).transpose()?, serde_json::from_slice(new)?))
}

fn wrong(old: Option<&Service>, new: &Service) -> Vec<Cause> {
    let address = checks::not_headless(new).or_else(|| checks::cluster_ip_unchanged(old, new));
    address.into_iter().chain(checks::node_ports_differ(new)).collect()
}

fn load_balancer_claims(old: Option<&Service>, new: &Service) -> Vec<Claim> {
    let only_wanted = new.spec.allocate_load_balancer_node_ports == Some(false);
    let address = claims::cluster_ip_claim(old, new).into_iter();
    let ports = claims::node_port_claims(new, only_wanted);
    address.chain(ports).chain(claims::health_check_claim(old, new)).collect()
}

fn planned(node: &str, services: &[u8], slices: &[u8], reach: Reach) -> Result<Vec<u8>, Failure> {
    let services: Vec<Service> = serde_json::from_slice(services)?;
    let slices: Vec<EndpointSlice> = serde_json::from_slice(slices)?;
    Ok(serde_json::to_vec(&plan(node, &services, &slices, reach))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service(spec: serde_json::Value) -> Service {
        serde_json::from_value(json!({"spec": spec})).expect("a Service")
    }

    #[test]
    fn a_headless_service_and_a_repeated_node_port_are_refused() {
        let new = service(json!({"type": "NodePort", "clusterIP": "None",
            "ports": [{"port": 80, "nodePort": 30080}, {"port": 81, "nodePort": 30080}]}));
        let fields: Vec<_> = wrong(None, &new).into_iter().map(|cause| cause.field).collect();
        assert_eq!(fields, ["spec.clusterIPs[0]", "spec.ports[1].nodePort"]);
    }

    #[test]
    fn a_load_balancer_claims_address_ports_and_health_check() {
        let new = service(json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": [{"port": 80}]}));
        let fields: Vec<_> =
            load_balancer_claims(None, &new).into_iter().map(|claim| claim.fields[0].clone()).collect();
        assert_eq!(fields, ["/spec/clusterIP", "/spec/ports/0/nodePort", "/spec/healthCheckNodePort"]);
        let without =
            service(json!({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ports": [{"port": 80}]}));
        assert_eq!(load_balancer_claims(None, &without).len(), 1);
    }
}
