//! Each node gets a range of pod addresses, cut from the cluster's, for as long as it exists.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::{Mutex, PoisonError},
};

use gantry_plugin::{EventType, Failure, ObjectReference, Ops, resource::NODES};
use serde_json::json;

use super::Node;

/// Equal parts of one range.
#[derive(Debug)]
pub struct PodCidrs {
    first: u32,
    parts: u32,
    bits: u8,
    /// Given away, but not yet seen on the node: two nodes that come at once must not get the same.
    pending: Mutex<BTreeMap<String, u32>>,
}

impl PodCidrs {
    pub fn new(cluster: &str, bits: u8) -> Result<Self, String> {
        let bad = || format!("clusterCidr {cluster:?} is not an IPv4 range with a prefix of at most {bits} bits");
        let (address, prefix) = cluster.split_once('/').ok_or_else(bad)?;
        let address: Ipv4Addr = address.parse().map_err(|_| bad())?;
        let prefix: u8 = prefix.parse().ok().filter(|p| (1..=bits).contains(p)).ok_or_else(bad)?;
        let first = u32::from(address) & (u32::MAX << (32 - prefix));
        Ok(Self { first, parts: 1 << (bits - prefix), bits, pending: Mutex::default() })
    }

    fn text(&self, part: u32) -> String {
        format!("{}/{}", Ipv4Addr::from(self.first + (part << (32 - self.bits))), self.bits)
    }

    fn part_of(&self, cidr: &str) -> Option<u32> {
        let (address, bits) = cidr.split_once('/')?;
        let address = u32::from(address.parse::<Ipv4Addr>().ok()?);
        let part = address.checked_sub(self.first)? >> (32 - self.bits);
        (bits.parse() == Ok(self.bits) && part < self.parts).then_some(part)
    }

    /// Gives the node the first free part, if it has none.
    pub fn assign(&self, node: &Node, nodes: &[Node], ops: &mut Ops) -> Result<(), Failure> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if !node.spec.pod_cidr.is_empty() {
            pending.remove(&node.metadata.name);
            return Ok(());
        }
        let mut taken: BTreeSet<u32> = nodes.iter().filter_map(|n| self.part_of(&n.spec.pod_cidr)).collect();
        taken.extend(pending.iter().filter(|(name, _)| **name != node.metadata.name).map(|(_, part)| part));
        let Some(part) = (0..self.parts).find(|part| !taken.contains(part)) else {
            let about = ObjectReference::to(&NODES, &node.metadata);
            let message = format!("Node {} status is now: CIDRNotAvailable", node.metadata.name);
            ops.event(&about, EventType::Normal, "CIDRNotAvailable", &message).done();
            return Err("no pod range is left for another node".into());
        };
        pending.insert(node.metadata.name.clone(), part);
        let cidr = self.text(part);
        let patch = json!({"spec": {"podCIDR": cidr, "podCIDRs": [cidr]}});
        ops.patch_merge(&NODES, "", &node.metadata.name, &patch).expect_uid(&node.metadata.uid).done();
        Ok(())
    }

    pub fn forget(&self, node: &str) {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).remove(node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, cidr: &str) -> Node {
        let mut node = Node::default();
        node.metadata.name = name.into();
        node.spec.pod_cidr = cidr.into();
        node
    }

    fn assigned(ranges: &PodCidrs, node: &Node, nodes: &[Node]) -> Option<String> {
        let mut ops = Ops::default();
        ranges.assign(node, nodes, &mut ops).unwrap();
        let op = ops.list().first()?;
        Some(op.body_value().unwrap()["spec"]["podCIDR"].as_str()?.to_owned())
    }

    #[test]
    fn nodes_that_come_at_once_get_different_ranges_and_freed_ones_are_used_again() {
        let ranges = PodCidrs::new("10.244.0.0/16", 24).unwrap();
        let nodes = [node("a", "10.244.0.0/24"), node("b", ""), node("c", "")];
        assert_eq!(assigned(&ranges, &nodes[1], &nodes).as_deref(), Some("10.244.1.0/24"));
        assert_eq!(assigned(&ranges, &nodes[2], &nodes).as_deref(), Some("10.244.2.0/24"));
        assert_eq!(assigned(&ranges, &nodes[0], &nodes), None);
        ranges.forget("b");
        assert_eq!(assigned(&ranges, &node("d", ""), &nodes[..1]).as_deref(), Some("10.244.1.0/24"));
    }

    #[test]
    fn a_cluster_range_must_hold_node_ranges() {
        assert!(PodCidrs::new("10.244.0.0/28", 24).is_err());
        assert!(PodCidrs::new("nonsense", 24).is_err());
    }
}
