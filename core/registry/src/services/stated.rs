//! Addresses and ports that a request names: what of them it cannot have is told alone, before all else that is wrong with the
//! service. Where all is well the commit itself finds out.

use gantry_meta::{Cause, FieldPath, Object, ObjectView as _, Status, Value};

use super::{
    POOL_CLUSTER_IPS, POOL_NODE_PORTS,
    claims::{claimed, cluster_ips},
    pool,
};
use crate::write::Write;

impl Write<'_> {
    /// 422 for addresses and families that do not go together.
    pub fn check_addresses(&self, new: &Object, old: Option<&Object>) -> Result<(), Status> {
        if !self.claims_values() {
            return Ok(());
        }
        match gantry_validation::service_addresses(new, old) {
            causes if causes.is_empty() => Ok(()),
            causes => Err(self.served.invalid(new.name(), causes)),
        }
    }

    /// 422 for the first value that the request names and that its service cannot have.
    pub fn check_stated(&self, new: &Object, old: Option<&Object>) -> Result<(), Status> {
        if !self.claims_values() {
            return Ok(());
        }
        match self.refused_address(new, old) {
            Some(cause) => Err(self.refused(new, cause)),
            None => self.check_node_ports(new, old),
        }
    }

    /// Addresses are given when a service begins to have some. A dry run takes none, and so asks nobody for them.
    fn refused_address(&self, new: &Object, old: Option<&Object>) -> Option<Cause> {
        if old.is_some_and(|old| service_type(old) != "ExternalName") {
            return None;
        }
        let field = FieldPath::of("spec.clusterIPs");
        let is_taken = |ip: &str| !self.options.dry_run && self.is_address_taken(ip);
        let taken = |ip: &str| is_taken(ip).then(|| pool::allocated(POOL_CLUSTER_IPS, ip, &field));
        let pools = &self.state.service_claims.pools;
        cluster_ips(new).into_iter().find_map(|ip| pools.refuse(POOL_CLUSTER_IPS, ip, &field).or_else(|| taken(ip)))
    }

    fn check_node_ports(&self, new: &Object, old: Option<&Object>) -> Result<(), Status> {
        let own: Vec<(String, String)> = old.map(claimed).unwrap_or_default();
        let stated = stated_node_ports(new);
        let mut stated = stated.iter().filter(|(_, port)| !own.iter().any(|(_, own)| own == port)).peekable();
        if stated.peek().is_none() {
            return Ok(());
        }
        let taken = self.taken_by_others()?;
        let is_taken = |port: &str| taken.contains(&(POOL_NODE_PORTS.to_owned(), port.to_owned()));
        let pools = &self.state.service_claims.pools;
        let cause = stated.find_map(|(field, port)| {
            let taken = || is_taken(port).then(|| pool::allocated(POOL_NODE_PORTS, port, field));
            pools.refuse(POOL_NODE_PORTS, port, field).or_else(taken)
        });
        cause.map_or(Ok(()), |cause| Err(self.refused(new, cause)))
    }
}

fn service_type(service: &Object) -> &str {
    service.get("spec").and_then(|spec| spec.get("type")).and_then(Value::as_str).unwrap_or("ClusterIP")
}

/// Node ports by the fields that name them, of types that have some.
fn stated_node_ports(service: &Object) -> Vec<(FieldPath, String)> {
    if !matches!(service_type(service), "NodePort" | "LoadBalancer") {
        return Vec::new();
    }
    let ports = service.get("spec").and_then(|spec| spec.get("ports")?.as_array()).into_iter().flatten();
    let field = |index| FieldPath::of("spec.ports").index(index).field("nodePort");
    let numbers = ports.map(|port| port.get("nodePort").and_then(Value::as_i64).unwrap_or_default());
    let stated = numbers.enumerate().filter(|(_, port)| *port != 0);
    stated.map(|(index, port)| (field(index), port.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn node_ports_are_named_by_types_that_have_some() {
        let service = |kind: &str| {
            let ports = json!([{"port": 80}, {"port": 81, "nodePort": 40000}, {"port": 82, "nodePort": -1}]);
            json!({"spec": {"type": kind, "ports": ports}}).as_object().cloned().unwrap()
        };
        let stated = stated_node_ports(&service("LoadBalancer"));
        let stated: Vec<_> = stated.iter().map(|(field, port)| (field.as_str(), port.as_str())).collect();
        assert_eq!(stated, [("spec.ports[1].nodePort", "40000"), ("spec.ports[2].nodePort", "-1")]);
        assert_eq!(stated_node_ports(&service("ClusterIP")), []);
    }
}
