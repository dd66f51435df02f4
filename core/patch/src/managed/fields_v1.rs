//! `FieldsV1`: the wire form of a field set. `{"f:data":{".":{},"f:k":{}}}` holds `data` itself and `data.k`.

use gantry_meta::{Object, Value};

use crate::engine::{BadElement, Element, FieldSet, Marks, Node};

/// Reads a set that [`encode`] has written; `None` if a name in it is no element. Values other than objects count as empty ones.
pub(crate) fn decode(fields: &Value) -> Option<FieldSet<'_>> {
    let Value::Object(members) = fields else { return Some(FieldSet::default()) };
    let mut set = FieldSet(Vec::with_capacity(members.len()));
    for (name, below) in members.iter().filter(|(name, _)| *name != ".") {
        let leaf = below.as_object().is_none_or(|below| below.is_empty() || below.contains_key("."));
        set.push(Element::parse(name)?, if leaf { Marks::OWNED } else { Marks::NONE }, decode(below)?);
    }
    set.sort();
    set.0.dedup_by(|a, b| a.element == b.element);
    Some(set)
}

/// Reads a set that a client has written; `None` if it is none. Elements of unknown kinds are left out.
pub(crate) fn read(fields: &Value) -> Option<FieldSet<'_>> {
    let Value::Object(members) = fields else { return None };
    let mut set = FieldSet(Vec::with_capacity(members.len()));
    for (name, below) in members.iter().filter(|(name, _)| *name != ".") {
        let element = match Element::parse_sent(name) {
            Ok(element) => element,
            Err(BadElement::Unknown) => continue,
            Err(BadElement::Malformed) => return None,
        };
        let is_member = below.get(".").is_some();
        let below = read(below)?;
        let marks = if is_member || below.is_empty() { Marks::OWNED } else { Marks::NONE };
        set.push(element, marks, below);
    }
    set.sort();
    set.0.dedup_by(|a, b| a.element == b.element);
    Some(set)
}

/// True if `fields` is what [`encode`] makes of the set, which is cheaper to see than to make. Members on the wire stand in the
/// order of a set's nodes.
pub(crate) fn is_spelled(set: &FieldSet<'_>, fields: &Value) -> bool {
    let Value::Object(members) = fields else { return false };
    let mut members = members.iter().filter(|(name, _)| *name != ".");
    let same = set.0.iter().all(|node| {
        let member = members.next();
        member.is_some_and(|(name, below)| node.element.is_spelled(name) && is_node_spelled(node, below))
    });
    same && members.next().is_none()
}

fn is_node_spelled(node: &Node<'_>, below: &Value) -> bool {
    let marked_within = node.marks != Marks::NONE && !node.below.is_empty();
    let dot = below.get(".");
    let dot_is_right = dot.map_or(!marked_within, |dot| marked_within && *dot == Value::Object(Object::new()));
    dot_is_right && is_spelled(&node.below, below)
}

pub(crate) fn encode(set: &FieldSet<'_>) -> Value {
    Value::Object(set.0.iter().map(|node| (node.element.wire(), encode_node(node))).collect())
}

fn encode_node(node: &Node<'_>) -> Value {
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
        assert_eq!(encode(&decode(&wire).unwrap()), wire);
        assert!(is_spelled(&decode(&wire).unwrap(), &wire));
    }

    #[test]
    fn a_set_is_spelled_in_one_way_alone() {
        let set = json!({"f:a": {".": {}, "f:b": {}}, "k:{\"name\":\"x\"}": {"f:c": {}}, "v:1": {}});
        let set = decode(&set).unwrap();
        for other in [
            json!({"f:a": {"f:b": {}}, "k:{\"name\":\"x\"}": {"f:c": {}}, "v:1": {}}),
            json!({"f:a": {".": {}, "f:b": {}}, "k:{\"name\":\"x\"}": {".": {}, "f:c": {}}, "v:1": {}}),
            json!({"f:a": {".": {}, "f:b": {".": {}}}, "k:{\"name\":\"x\"}": {"f:c": {}}, "v:1": {}}),
            json!({"f:a": {".": 1, "f:b": {}}, "k:{\"name\":\"x\"}": {"f:c": {}}, "v:1": {}}),
            json!({"f:a": {".": {}, "f:b": 1}, "k:{\"name\":\"x\"}": {"f:c": {}}, "v:1": {}}),
            json!({"f:a": {".": {}, "f:b": {}}, "k:{\"name\": \"x\"}": {"f:c": {}}, "v:1": {}}),
            json!({"f:a": {".": {}, "f:b": {}}, "k:{\"name\":\"x\"}": {"f:c": {}}}),
            json!({"f:a": {".": {}, "f:b": {}}, "k:{\"name\":\"x\"}": {"f:c": {}}, "v:1": {}, "v:2": {}}),
            json!("text"),
        ] {
            assert!(!is_spelled(&set, &other), "{other}");
        }
    }

    #[test]
    fn what_a_client_wrote_is_read_strictly_and_respelled() {
        let spaced = json!({"f:a": {".": {}}, "f:b": {"k:{\"y\": 1, \"x\": 2}": {}}, "x:unknown": {"f:c": {}}});
        assert_eq!(encode(&read(&spaced).unwrap()), json!({"f:a": {}, "f:b": {"k:{\"x\":2,\"y\":1}": {}}}));
        for bad in [
            json!("text"),
            json!([]),
            json!({"f:a": 1}),
            json!({"f:a": {"bad": {}}}),
            json!({"k:{\"name\":": {}}),
            json!({"k:1": {}}),
            json!({"v:": {}}),
            json!({"i:x": {}}),
            json!({"": {}}),
        ] {
            assert!(read(&bad).is_none(), "{bad}");
        }
    }
}
