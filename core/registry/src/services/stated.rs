//! Addresses and ports that a request names: what of them it cannot have is told alone, before all else that is wrong with the
//! service. Where all is well the commit itself finds out.

use std::collections::HashSet;

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

    /// Whether a new service asks for a node port twice, which no commit finds out: to the store it has one owner.
    pub fn repeats_node_ports(&self, new: &Object) -> bool {
        let mut seen = HashSet::new();
        self.claims_values() && node_ports_in_turn(new).into_iter().any(|(_, port)| !seen.insert(port))
    }

    /// Addresses are given when a service begins to have some. A dry run takes none, and so asks nobody for them.
    fn refused_address(&self, new: &Object, old: Option<&Object>) -> Option<Cause> {
        if old.is_some_and(|old| service_type(old) != "ExternalName") {
            return None;
        }
        let field = FieldPath::of("spec.clusterIPs");
        let pools = &self.state.service_claims.pools;
        let ips = cluster_ips(new);
        if let Some(cause) = ips.iter().find_map(|ip| pools.refuse(POOL_CLUSTER_IPS, ip, &field)) {
            return Some(cause);
        }
        if self.options.dry_run {
            return None;
        }
        if is_given_an_address(new) && !can_be_referred_to(new.name()) {
            return Some(Cause::invalid(&field, "no address can be kept for a service of this name"));
        }
        let taken = ips.into_iter().find(|ip| self.is_address_taken(ip));
        taken.map(|ip| pool::allocated(POOL_CLUSTER_IPS, ip, &field))
    }

    fn check_node_ports(&self, new: &Object, old: Option<&Object>) -> Result<(), Status> {
        let own: Vec<(String, String)> = old.map(claimed).unwrap_or_default();
        let all = || stated_node_ports(new).into_iter().map(|(_, field, port)| (field, port)).collect();
        let stated: Vec<(FieldPath, String)> = if old.is_some() { all() } else { node_ports_in_turn(new) };
        let mut stated = stated.iter().filter(|(_, port)| !own.iter().any(|(_, own)| own == port)).peekable();
        if stated.peek().is_none() {
            return Ok(());
        }
        let mut taken = self.taken_by_others()?;
        let pools = &self.state.service_claims.pools;
        let cause = stated.find_map(|(field, port)| {
            pools.refuse(POOL_NODE_PORTS, port, field).or_else(|| {
                // A new service that names a port twice takes it from itself; one that is changed may repeat its own.
                let is_taken = taken.contains(&(POOL_NODE_PORTS.to_owned(), port.clone()));
                if old.is_none() {
                    taken.insert((POOL_NODE_PORTS.to_owned(), port.clone()));
                }
                is_taken.then(|| pool::allocated(POOL_NODE_PORTS, port, field))
            })
        });
        cause.map_or(Ok(()), |cause| Err(self.refused(new, cause)))
    }
}

fn service_type(service: &Object) -> &str {
    service.get("spec").and_then(|spec| spec.get("type")).and_then(Value::as_str).unwrap_or("ClusterIP")
}

fn is_given_an_address(service: &Object) -> bool {
    let is_headless = service.get("spec").is_some_and(|spec| spec["clusterIPs"][0] == "None");
    service_type(service) != "ExternalName" && !is_headless
}

/// Whether an IPAddress may name a service so.
fn can_be_referred_to(name: &str) -> bool {
    !name.is_empty() && gantry_validation::names::path_segment(name).is_empty()
}

/// Node ports by the fields that name them, of types that have some.
fn stated_node_ports(service: &Object) -> Vec<(usize, FieldPath, String)> {
    if !matches!(service_type(service), "NodePort" | "LoadBalancer") {
        return Vec::new();
    }
    let ports = service.get("spec").and_then(|spec| spec.get("ports")?.as_array()).into_iter().flatten();
    let field = |index| FieldPath::of("spec.ports").index(index).field("nodePort");
    let numbers = ports.map(|port| port.get("nodePort").and_then(Value::as_i64).unwrap_or_default());
    let stated = numbers.enumerate().filter(|(_, port)| *port != 0);
    stated.map(|(index, port)| (index, field(index), port.to_string())).collect()
}

/// The node ports that a new service takes, one after the other: one for each port number, whatever its protocols, and another
/// one only where it is named.
fn node_ports_in_turn(service: &Object) -> Vec<(FieldPath, String)> {
    let ports =
        service.get("spec").and_then(|spec| spec.get("ports")?.as_array()).map(Vec::as_slice).unwrap_or_default();
    let number = |index: usize| ports[index].get("port").cloned().unwrap_or_default();
    let stated = stated_node_ports(service);
    let mut first_of: Vec<(Value, &str)> = Vec::new();
    let mut turns = Vec::new();
    for (index, field, port) in &stated {
        let known = first_of.iter().find(|(of, _)| *of == number(*index)).map(|(_, first)| *first);
        if known != Some(port.as_str()) {
            turns.push((field.clone(), port.clone()));
        }
        if known.is_none() {
            first_of.push((number(*index), port));
        }
    }
    turns
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
        let stated: Vec<_> = stated.iter().map(|(_, field, port)| (field.as_str(), port.as_str())).collect();
        assert_eq!(stated, [("spec.ports[1].nodePort", "40000"), ("spec.ports[2].nodePort", "-1")]);
        assert_eq!(stated_node_ports(&service("ClusterIP")), []);
    }

    #[test]
    fn a_port_on_two_protocols_takes_its_node_port_once() {
        let ports = json!([{"port": 53, "protocol": "UDP", "nodePort": 30053}, {"port": 53, "nodePort": 30053},
            {"port": 80, "nodePort": 30053}, {"port": 80, "nodePort": 30080}]);
        let service = json!({"spec": {"type": "NodePort", "ports": ports}}).as_object().cloned().unwrap();
        let turns = node_ports_in_turn(&service);
        let turns: Vec<_> = turns.iter().map(|(field, port)| (field.as_str(), port.as_str())).collect();
        let at = ["spec.ports[0].nodePort", "spec.ports[2].nodePort", "spec.ports[3].nodePort"];
        assert_eq!(turns, [(at[0], "30053"), (at[1], "30053"), (at[2], "30080")]);
    }
}
