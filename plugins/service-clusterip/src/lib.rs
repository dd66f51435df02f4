//! The service type `ClusterIP`: an address that every node translates to the service's endpoints. With the address `None`
//! the service is headless, and has DNS records only.

use gantry_plugin::service_rules::{EndpointSlice, Reach, Service, checks, claims, plan};
use gantry_plugin::{Cause, Claim, Cx, Failure, HostRef, NoConfig, Plugin, ServiceType};

gantry_plugin::export!(ClusterIp: ServiceType);

pub struct ClusterIp;

impl Plugin for ClusterIp {
    const ID: &'static str = "service-clusterip";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = NoConfig;

    fn new(_: HostRef<'_>, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
}

impl ServiceType for ClusterIp {
    const TYPE: &'static str = "ClusterIP";

    fn validate(&self, _: &Cx<'_>, old: Option<&[u8]>, new: &[u8]) -> Result<Vec<Cause>, Failure> {
        let (old, new) = (read(old)?, serde_json::from_slice(new)?);
        Ok(wrong(old.as_ref(), &new))
    }

    fn allocate(&self, _: &Cx<'_>, old: Option<&[u8]>, new: &[u8]) -> Result<Vec<Claim>, Failure> {
        let (old, new) = (read(old)?, serde_json::from_slice(new)?);
        Ok(claims::cluster_ip_claim(old.as_ref(), &new).into_iter().collect())
    }

    fn plan(&self, _: &Cx<'_>, node: &str, services: &[u8], slices: &[u8]) -> Result<Vec<u8>, Failure> {
        let services: Vec<Service> = serde_json::from_slice(services)?;
        let slices: Vec<EndpointSlice> = serde_json::from_slice(slices)?;
        Ok(serde_json::to_vec(&plan(node, &services, &slices, Reach::Cluster))?)
    }
}

fn read(old: Option<&[u8]>) -> Result<Option<Service>, Failure> {
    Ok(old.map(serde_json::from_slice).transpose()?)
}

fn wrong(old: Option<&Service>, new: &Service) -> Vec<Cause> {
    checks::cluster_ip_unchanged(old, new).into_iter().chain(checks::no_node_ports(new)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(spec: serde_json::Value) -> Service {
        serde_json::from_value(serde_json::json!({"spec": spec})).expect("a Service")
    }

    #[test]
    fn an_address_once_given_stays_and_node_ports_belong_to_another_type() {
        let old = service(serde_json::json!({"type": "ClusterIP", "clusterIP": "10.96.0.7"}));
        let new = service(serde_json::json!({"type": "ClusterIP", "clusterIP": "10.96.0.8",
                                             "ports": [{"port": 80, "nodePort": 30080}]}));
        let fields: Vec<_> = wrong(Some(&old), &new).into_iter().map(|cause| cause.field).collect();
        assert_eq!(fields, ["spec.clusterIPs[0]", "spec.ports[0].nodePort"]);
        assert_eq!(wrong(None, &old), []);
    }
}
