//! Nodes: their status is written through its subresource. A configuration that the server once gave them is gone.

use gantry_meta::{Object, Value};

use super::Strategy;

pub(super) struct Nodes;

impl Strategy for Nodes {
    fn prepare_create(&self, node: &mut Object) {
        CONFIGURATION.iter().for_each(|(part, member)| drop_member(node, part, member));
        settle_ranges(node);
    }

    fn prepare_update(&self, _subresource: &str, new: &mut Object, old: &Object) {
        for (part, member) in CONFIGURATION {
            if old.get(part).and_then(|part| part.get(member)).is_none() {
                drop_member(new, part, member);
            }
        }
        settle_ranges(new);
    }
}

/// Where a configuration was, and what the node made of it.
const CONFIGURATION: [(&str, &str); 2] = [("spec", "configSource"), ("status", "config")];

fn drop_member(node: &mut Object, part: &str, member: &str) {
    if let Some(part) = node.get_mut(part).and_then(Value::as_object_mut) {
        part.remove(member);
    }
}

/// `podCIDR` is the first of `podCIDRs`; where they differ, it is the only one.
fn settle_ranges(node: &mut Object) {
    let Some(spec) = node.get_mut("spec").and_then(Value::as_object_mut) else { return };
    let one = spec.get("podCIDR").filter(|one| one.as_str().is_some_and(|text| !text.is_empty())).cloned();
    let first = spec.get("podCIDRs").and_then(|all| all.get(0)).cloned();
    match (one, first) {
        (Some(one), first) if first.as_ref() != Some(&one) => _ = spec.insert("podCIDRs".into(), vec![one].into()),
        (None, Some(first)) => _ = spec.insert("podCIDR".into(), first),
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
