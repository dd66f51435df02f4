//! Nodes: their status is written through its subresource. A configuration that the server once gave them is gone.

use gantry_kinds::{
    FieldName, Members as _,
    fields::core_v1::{Node, NodeSpec, NodeStatus},
};
use gantry_meta::Object;

use super::Strategy;

pub(super) struct Nodes;

impl Strategy for Nodes {
    fn prepare_create(&self, node: &mut Object) {
        CONFIGURATION.iter().for_each(|(part, member)| drop_member(node, *part, *member));
        settle_ranges(node);
    }

    fn prepare_update(&self, _subresource: &str, new: &mut Object, old: &Object) {
        for (part, member) in CONFIGURATION {
            if old.object(part).is_none_or(|part| !part.has(member)) {
                drop_member(new, part, member);
            }
        }
        settle_ranges(new);
    }
}

/// Where a configuration was, and what the node made of it.
const CONFIGURATION: [(FieldName, FieldName); 2] =
    [(Node::SPEC, NodeSpec::CONFIG_SOURCE), (Node::STATUS, NodeStatus::CONFIG)];

fn drop_member(node: &mut Object, part: FieldName, member: FieldName) {
    if let Some(part) = node.object_mut(part) {
        part.unset(member);
    }
}

/// `podCIDR` is the first of `podCIDRs`; where they differ, it is the only one.
fn settle_ranges(node: &mut Object) {
    let Some(spec) = node.object_mut(Node::SPEC) else { return };
    let one = spec.member(NodeSpec::POD_CIDR).filter(|one| one.as_str().is_some_and(|text| !text.is_empty())).cloned();
    let first = spec.items(NodeSpec::POD_CIDRS).first().cloned();
    match (one, first) {
        (Some(one), first) if first.as_ref() != Some(&one) => spec.set(NodeSpec::POD_CIDRS, vec![one]),
        (None, Some(first)) => spec.set(NodeSpec::POD_CIDR, first),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_range_and_all_of_them_agree() {
        for (given, settled) in [
            (json!({"podCIDR": "a"}), json!({"podCIDR": "a", "podCIDRs": ["a"]})),
            (json!({"podCIDRs": ["a", "b"]}), json!({"podCIDR": "a", "podCIDRs": ["a", "b"]})),
            (json!({"podCIDR": "c", "podCIDRs": ["a"]}), json!({"podCIDR": "c", "podCIDRs": ["c"]})),
            (json!({"configSource": {}}), json!({})),
        ] {
            let mut node = json!({ "spec": given }).as_object().cloned().unwrap();
            Nodes.prepare_create(&mut node);
            assert_eq!(node["spec"], settled);
        }
    }
}
