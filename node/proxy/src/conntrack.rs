//! Connections that the kernel remembers by an old translation. TCP ends by itself; a UDP client that never stops sending
//! would go to the old endpoint, or to none, for as long as it sends.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use gantry_plugin::rule_ir::Destination;
use gantry_runtime::ObjectKey;
use tokio::process::Command;
use tracing::{debug, warn};

/// What the kernel is to forget: connections to a destination, all or those translated to one backend.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Stale {
    pub to: Destination,
    pub backend: Option<IpAddr>,
}

/// The UDP translations of all services, as last written.
#[derive(Debug, Default)]
pub struct UdpFlows {
    services: BTreeMap<ObjectKey, Vec<(Destination, Vec<IpAddr>)>>,
}

impl UdpFlows {
    /// Takes over a service's translations; what of the old ones must be forgotten.
    pub fn update(&mut self, key: &ObjectKey, new: Vec<(Destination, Vec<IpAddr>)>) -> Vec<Stale> {
        let old = self.services.remove(key).unwrap_or_default();
        let stale = stale(&old, &new);
        if !new.is_empty() {
            self.services.insert(key.clone(), new);
        }
        stale
    }
}

fn stale(old: &[(Destination, Vec<IpAddr>)], new: &[(Destination, Vec<IpAddr>)]) -> Vec<Stale> {
    let backends = |flows: &[(Destination, Vec<IpAddr>)], to: Destination| -> BTreeSet<IpAddr> {
        flows.iter().filter(|(other, _)| *other == to).flat_map(|(_, backends)| backends.iter().copied()).collect()
    };
    let gone = old.iter().flat_map(|(to, known)| {
        let now = backends(new, *to);
        known.iter().filter(move |b| !now.contains(b)).map(|b| Stale { to: *to, backend: Some(*b) })
    });
    // Packets that came before the first endpoint was there are remembered untranslated.
    let first = new.iter().filter(|(to, now)| !now.is_empty() && backends(old, *to).is_empty());
    gone.chain(first.map(|(to, _)| Stale { to: *to, backend: None })).collect()
}

/// Makes the kernel forget. A failure is logged: the rules stand, and the connections end when they fall silent.
pub async fn forget(stale: &[Stale]) {
    let unique: BTreeSet<_> = stale.iter().collect();
    for flow in unique {
        match Command::new("conntrack").args(arguments(flow)).output().await {
            // It fails also when nothing was there to delete.
            Ok(output) => {
                debug!(?flow, answer = %String::from_utf8_lossy(&output.stderr).trim(), "UDP connections forgotten")
            }
            Err(error) => {
                warn!(%error, "conntrack cannot be started: UDP clients may keep their old endpoints for a while")
            }
        }
    }
}

fn arguments(flow: &Stale) -> Vec<String> {
    let mut arguments: Vec<String> = ["-D", "-f", "ipv4", "-p", "udp"].map(str::to_owned).into();
    let port = match flow.to {
        Destination::Address { address, port } => {
            arguments.extend(["--orig-dst".into(), address.to_string()]);
            port
        }
        Destination::NodePort { port } => port,
    };
    arguments.extend(["--orig-port-dst".into(), port.to_string()]);
    if let Some(backend) = flow.backend {
        arguments.extend(["--dst-nat".into(), backend.to_string()]);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flows(port: u16, backends: &[u8]) -> Vec<(Destination, Vec<IpAddr>)> {
        let backends = backends.iter().map(|last| IpAddr::from([10, 244, 0, *last])).collect();
        vec![(Destination::NodePort { port }, backends)]
    }

    #[test]
    fn backends_that_went_and_destinations_that_got_their_first_are_forgotten() {
        let to = Destination::NodePort { port: 30053 };
        let key = ObjectKey::new("kube-system", "dns");
        let mut known = UdpFlows::default();
        assert_eq!(known.update(&key, flows(30053, &[])), []);
        assert_eq!(known.update(&key, flows(30053, &[1, 2])), [Stale { to, backend: None }]);
        let gone = Stale { to, backend: Some([10, 244, 0, 1].into()) };
        assert_eq!(known.update(&key, flows(30053, &[2, 3])), [gone]);
        assert_eq!(known.update(&key, Vec::new()).len(), 2);
    }
}
