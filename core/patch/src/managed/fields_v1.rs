//! `FieldsV1`: the wire form of a field set. `{"f:data":{".":{},"f:k":{}}}` holds `data` itself and `data.k`.

use gantry_meta::{Object, Value};

use super::set::{Element, FieldSet, Marks};

/// Reads a set; what is no element is left out.
pub(crate) fn decode(fields: &Value) -> FieldSet<'_> {
    let Value::Object(members) = fields else { return FieldSet::default() };
    let mut set = FieldSet(Vec::with_capacity(members.len()));
    for (name, below) in members {
        if let Some(element) = Element::parse(name) {
            let leaf = below.as_object().is_none_or(|below| below.is_empty() || below.contains_key("."));
            set.push(element, if leaf { Marks::OWNED } else { Marks::NONE }, decode(below));
        }
    }
    set.sort();
    set.0.dedup_by(|a, b| a.element == b.element);
    set
}

pub(crate) fn encode(set: &FieldSet<'_>) -> Value {
    Value::Object(set.0.iter().map(|node| (node.element.wire(), encode_node(node))).collect())
}

fn encode_node(node: &super::set::Node<'_>) -> Value {
    let mut below = encode(&node.below);
    if let Value::Object(members) = &mut below
        && !members.is_empty()
        && node.marks != Marks::NONE
    {
        members.insert(".".to_owned(), Value::Object(Object::new()));
    }
    below
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_set_survives_the_wire() {
        let wire = json!({
            "f:data": {".": {}, "f:k": {}},
            "f:spec": {"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}}},
            "f:metadata": {"f:finalizers": {"v:\"a\"": {}}},
        });
        assert_eq!(encode(&decode(&wire)), wire);
    }

    #[test]
    fn what_is_no_field_set_reads_as_what_can_be_read() {
        assert_eq!(encode(&decode(&json!("text"))), json!({}));
        assert_eq!(encode(&decode(&json!({"bad": {}, "f:a": 1}))), json!({"f:a": {}}));
    }
}
