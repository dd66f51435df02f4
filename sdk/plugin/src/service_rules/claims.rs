//! What services with a cluster IP or node ports claim from the host's pools.

use super::objects::Service;
use crate::Claim;

/// The host's pool of cluster IPs.
pub const POOL_CLUSTER_IPS: &str = "service-cluster-ips";
/// The host's pool of node ports: one space for all services and protocols.
pub const POOL_NODE_PORTS: &str = "service-node-ports";

/// What a headless service says instead of an address.
const HEADLESS: &str = "None";

/// The cluster IP: the one asked for, else the one it had, else any. Headless services claim none.
pub fn cluster_ip_claim(old: Option<&Service>, new: &Service) -> Option<Claim> {
    let had = old.filter(|old| old.spec.r#type != "ExternalName").map(|old| old.spec.cluster_ip.as_str());
    let wanted = [new.spec.cluster_ip.as_str(), had.unwrap_or_default()].into_iter().find(|ip| !ip.is_empty());
    (wanted != Some(HEADLESS)).then(|| Claim {
        pool: POOL_CLUSTER_IPS.to_owned(),
        want: wanted.map(str::to_owned),
        fields: vec!["/spec/clusterIP".to_owned(), "/spec/clusterIPs/0".to_owned()],
    })
}

/// One node port for each port number: a port on two protocols has the same on both. What a port keeps is named by now.
///
/// With `only_wanted`, ports that name no node port get none.
pub fn node_port_claims(new: &Service, only_wanted: bool) -> Vec<Claim> {
    let mut claims: Vec<(u16, Claim)> = Vec::new();
    for (index, port) in new.spec.ports.iter().enumerate() {
        let want = port.node_port;
        if want == 0 && only_wanted {
            continue;
        }
        let field = format!("/spec/ports/{index}/nodePort");
        let want = (want != 0).then(|| want.to_string());
        let same = |(number, claim): &&mut (u16, Claim)| {
            if want.is_some() { claim.want == want } else { *number == port.port && claim.want.is_none() }
        };
        match claims.iter_mut().find(same) {
            Some((_, claim)) => claim.fields.push(field),
            None => claims.push((port.port, Claim { pool: POOL_NODE_PORTS.to_owned(), want, fields: vec![field] })),
        }
    }
    claims.into_iter().map(|(_, claim)| claim).collect()
}

/// The port on which load balancers ask for local endpoints, under the external policy Local.
pub fn health_check_claim(old: Option<&Service>, new: &Service) -> Option<Claim> {
    let had = old.map(|old| old.spec.health_check_node_port).unwrap_or_default();
    let wanted = [new.spec.health_check_node_port, had].into_iter().find(|port| *port != 0);
    (new.spec.external_traffic_policy == "Local").then(|| Claim {
        pool: POOL_NODE_PORTS.to_owned(),
        want: wanted.map(|port| port.to_string()),
        fields: vec!["/spec/healthCheckNodePort".to_owned()],
    })
}
