//! Values that services take: addresses of one range, ports of another.

use std::{net::Ipv4Addr, ops::RangeInclusive};

use gantry_meta::{Cause, FieldPath, Value};
use rand::Rng as _;

use super::{POOL_CLUSTER_IPS, POOL_NODE_PORTS};

/// The ranges of this cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServicePools {
    /// First address of the service network.
    pub network: Ipv4Addr,
    /// Length of its prefix, at most 30.
    pub prefix_len: u8,
    pub node_ports: RangeInclusive<u16>,
}

impl Default for ServicePools {
    /// 10.96.0.0/16 and 30000–32767.
    fn default() -> Self {
        Self { network: Ipv4Addr::new(10, 96, 0, 0), prefix_len: 16, node_ports: 30000..=32767 }
    }
}

impl ServicePools {
    /// Addresses that can be had: all but the first and the last.
    fn addresses(&self) -> RangeInclusive<u32> {
        let first = u32::from(self.network);
        let size = 1u32 << (32 - u32::from(self.prefix_len.min(30)));
        first + 1..=first + size - 2
    }

    /// Addresses that are handed out without being asked for: the lower ones are left to who asks by number, as upstream
    /// does, because cluster DNS and the API have well-known ones.
    fn dynamic_addresses(&self) -> RangeInclusive<u32> {
        let all = self.addresses();
        let size = all.end() - all.start() + 1;
        let reserved = (size / 16).clamp(16, 256).min(size / 2);
        all.start() + reserved..=*all.end()
    }

    /// Node ports that are handed out without being asked for: the lower ones are left as those of addresses are.
    fn dynamic_node_ports(&self) -> RangeInclusive<u16> {
        let (first, last) = (*self.node_ports.start(), *self.node_ports.end());
        let size = last.saturating_sub(first).saturating_add(1);
        let reserved = if size > 16 { (size / 32).clamp(16, 128).min(size - 1) } else { 0 };
        first + reserved..=last
    }

    /// Any value of a pool that nothing is known to have.
    pub(super) fn any(&self, pool: &str, is_taken: impl Fn(&str) -> bool) -> Option<String> {
        let mut random = rand::rng();
        const TRIES: usize = 32;
        match pool {
            POOL_CLUSTER_IPS => {
                let range = self.dynamic_addresses();
                let drawn = (0..TRIES).map(|_| random.random_range(range.clone()));
                let in_order = self.dynamic_addresses().chain(self.addresses());
                drawn.chain(in_order).map(|n| Ipv4Addr::from(n).to_string()).find(|value| !is_taken(value))
            }
            POOL_NODE_PORTS => {
                let range = self.dynamic_node_ports();
                let drawn = (0..TRIES).map(|_| random.random_range(range.clone()));
                drawn
                    .chain(self.dynamic_node_ports())
                    .chain(self.node_ports.clone())
                    .map(|port| port.to_string())
                    .find(|value| !is_taken(value))
            }
            _ => None,
        }
    }

    /// What a dry run shows in place of a value: one that no service can have.
    pub(super) fn placeholder(&self, pool: &str, index: u16) -> String {
        match pool {
            POOL_CLUSTER_IPS => self.network.to_string(),
            _ => self.node_ports.end().saturating_add(1 + index).to_string(),
        }
    }

    /// Why a value cannot be of the pool.
    pub(super) fn refuse(&self, pool: &str, value: &str, field: &FieldPath) -> Option<Cause> {
        match pool {
            POOL_CLUSTER_IPS => {
                let inside = value.parse().is_ok_and(|ip: Ipv4Addr| self.addresses().contains(&u32::from(ip)));
                let (network, len) = (self.network, self.prefix_len);
                (!inside).then(|| Cause::invalid(field, format!("{value:?} is not within the range {network}/{len}")))
            }
            _ => {
                let inside = value.parse().is_ok_and(|port| self.node_ports.contains(&port));
                let (first, last) = (self.node_ports.start(), self.node_ports.end());
                (!inside).then(|| Cause::invalid(field, format!("{value}: provided port is not in the valid range. The range of valid ports is {first}-{last}")))
            }
        }
    }
}

/// A value that was asked for and that somebody has.
pub(super) fn allocated(pool: &str, value: &str, field: &FieldPath) -> Cause {
    let why = if pool == POOL_CLUSTER_IPS {
        "provided IP is already allocated"
    } else {
        "provided port is already allocated"
    };
    Cause::invalid(field, format!("{value}: {why}"))
}

/// Ports are numbers in objects, addresses are text.
pub(super) fn to_json(pool: &str, value: &str) -> Value {
    match value.parse::<u16>() {
        Ok(port) if pool == POOL_NODE_PORTS => port.into(),
        _ => value.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_node_ports_are_left_to_who_asks_for_them() {
        let ranges = [(30000..=32767, 30086), (30000..=30015, 30000), (30000..=30031, 30016), (20000..=40000, 20128)];
        for (node_ports, first) in ranges {
            let pools = ServicePools { node_ports, ..ServicePools::default() };
            assert_eq!(*pools.dynamic_node_ports().start(), first, "{pools:?}");
        }
    }

    #[test]
    fn values_come_from_their_range_and_are_not_taken() {
        let pools = ServicePools { network: Ipv4Addr::new(10, 0, 0, 0), prefix_len: 29, node_ports: 30000..=30001 };
        assert_eq!(pools.any(POOL_NODE_PORTS, |port| port == "30000").as_deref(), Some("30001"));
        assert_eq!(pools.any(POOL_NODE_PORTS, |_| true), None);
        for _ in 0..20 {
            let address: Ipv4Addr = pools.any(POOL_CLUSTER_IPS, |_| false).unwrap().parse().unwrap();
            assert!((1..=6).contains(&address.octets()[3]), "{address}");
        }
        let field = FieldPath::of("spec.clusterIPs");
        assert!(pools.refuse(POOL_CLUSTER_IPS, "10.0.0.7", &field).is_some(), "the last address is no host's");
        assert!(pools.refuse(POOL_CLUSTER_IPS, "10.0.0.6", &field).is_none());
    }
}
