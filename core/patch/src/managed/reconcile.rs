//! Sets that say more than can be owned: what was owned by parts once, or is by a client's word, and is owned as a whole.

use gantry_kinds::{Shape, Type};

use crate::engine::{FieldSet, Form, Marks, Parts};

/// Owns lists, maps and structs that are owned as a whole themselves, instead of anything in them.
pub(crate) fn reconcile(ty: &Type, set: &mut FieldSet<'_>) {
    for node in &mut set.0 {
        let Some(field) = node.element.field_name().and_then(|name| ty.field(name)) else { continue };
        value(&field.shape, Parts::of_owned_field(field), &mut node.marks, &mut node.below);
    }
}

fn value(shape: &Shape, parts: Parts<'_>, marks: &mut Marks, below: &mut FieldSet<'_>) {
    match (parts.form, shape) {
        (Form::Leaf, Shape::List(_) | Shape::Map(_) | Shape::Struct(_) | Shape::RawObject) => {
            (*marks, *below) = (Marks::OWNED, FieldSet::default());
        }
        (Form::Struct(ty), _) => reconcile(ty, below),
        (Form::Map(of), _) => each(of, Parts::of_shape(of), below),
        (Form::Keyed(..), Shape::List(of)) => each(of, parts.of_item(), below),
        _ => {}
    }
}

fn each(shape: &Shape, parts: Parts<'_>, set: &mut FieldSet<'_>) {
    for node in &mut set.0 {
        value(shape, parts, &mut node.marks, &mut node.below);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::managed::fields_v1::{encode, read};
    use serde_json::json;

    #[test]
    fn what_is_owned_as_a_whole_is_not_owned_by_parts() {
        let ty = gantry_kinds::catalog().type_of_kind("apps", "v1", "ReplicaSet").unwrap();
        let sent = json!({"f:spec": {"f:selector": {"f:matchLabels": {"f:a": {}}}, "f:replicas": {},
            "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {"f:args": {"v:\"x\"": {}}}}}}}});
        let mut set = read(&sent).unwrap();
        reconcile(ty, &mut set);
        let whole = json!({"f:spec": {"f:selector": {}, "f:replicas": {},
            "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {"f:args": {}}}}}}});
        assert_eq!(encode(&set), whole);
    }
}
