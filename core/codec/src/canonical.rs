//! The canonical form of a tree: what the reference would write for it.
//!
//! Go structs drop unset fields marked `omitempty` and write the others; which is which stands in the field table.

use gantry_kinds::{Field, Literal, Shape, Type};
use gantry_meta::{Object, Value};

/// Adds what is always written, in this object alone: members are expected to be canonical already.
pub fn fill(ty: &Type, object: &mut Object) {
    for field in ty.emitting() {
        if let Some(zero) = &field.emitted
            && !object.contains_key(&*field.name)
        {
            object.insert(field.name.clone().into_owned(), zero_of(field, zero));
        }
    }
}

/// The zero of a struct has members of its own that are always written; that of what has no type is written as null, whatever
/// its schema gives as a default.
fn zero_of(field: &Field, zero: &Literal) -> Value {
    if matches!(field.shape, Shape::Raw | Shape::RawObject) {
        return Value::Null;
    }
    let mut value = zero.to_value();
    if let (Value::Object(members), Some(ty)) = (&mut value, field.shape.as_struct()) {
        fill(ty, members);
    }
    value
}

/// True for a value that is not written: a zero of a field that is neither always written nor a pointer.
pub fn is_omitted(field: &Field, value: &Value) -> bool {
    if field.emitted.is_some() {
        return false;
    }
    match (&field.shape, value) {
        (_, Value::Null) => true,
        (Shape::List(_), Value::Array(items)) => items.is_empty(),
        (Shape::Map(_), Value::Object(members)) => members.is_empty(),
        (Shape::Bytes, Value::String(text)) => text.is_empty(),
        (Shape::String, Value::String(text)) => text.is_empty() && !field.pointer,
        (Shape::Bool, Value::Bool(value)) => !value && !field.pointer,
        (Shape::Int32 | Shape::Int64 | Shape::Double, Value::Number(n)) => n.as_f64() == Some(0.0) && !field.pointer,
        _ => false,
    }
}

/// Empty lists and maps that are always written are written `null`: the reference stores them as protobuf, which does not
/// know them from absent ones.
pub fn null_if_empty(field: &Field, value: &mut Value) {
    let is_empty = match (&field.shape, &*value) {
        // What has no type is kept as it is.
        (Shape::Raw | Shape::RawObject, _) => false,
        (_, Value::Array(items)) => items.is_empty(),
        (Shape::Map(_), Value::Object(members)) => members.is_empty(),
        _ => false,
    };
    if is_empty && field.emitted == Some(Literal::Null) {
        *value = Value::Null;
    }
}

/// True for an empty list or map of a field for which that says something else than none. Rules see it; it is not stored.
pub fn is_stated_empty(field: &Field, value: &Value) -> bool {
    let is_empty = match (&field.shape, value) {
        (Shape::List(_), Value::Array(items)) => items.is_empty(),
        (Shape::Map(_), Value::Object(members)) => members.is_empty(),
        _ => false,
    };
    is_empty && field.pointer
}

/// Brings a tree that code has built or changed into the form in which it is stored.
pub fn canonicalise(ty: &Type, object: &mut Object) {
    Form { stated: false, found: false }.of_struct(ty, object);
}

/// As [`canonicalise`], but for what [`is_stated_empty`]: that stays for the rules to see. Returns whether there is any.
#[must_use]
pub fn canonicalise_for_rules(ty: &Type, object: &mut Object) -> bool {
    let mut form = Form { stated: true, found: false };
    form.of_struct(ty, object);
    form.found
}

/// One walk over a tree.
struct Form {
    /// Whether empty lists and maps that say something stay.
    stated: bool,
    /// Whether one did.
    found: bool,
}

impl Form {
    fn of_struct(&mut self, ty: &Type, object: &mut Object) {
        let mut all_kept = true;
        for (name, value) in object.iter_mut() {
            let Some(field) = ty.field(name) else { continue };
            self.of_value(&field.shape, value);
            null_if_empty(field, value);
            all_kept &= self.keeps(field, value);
        }
        // Mostly nothing goes, and taking members out costs more than looking at them.
        if !all_kept {
            object.retain(|name, value| ty.field(name).is_none_or(|field| self.keeps(field, value)));
        }
        fill(ty, object);
    }

    fn keeps(&mut self, field: &Field, value: &Value) -> bool {
        if !is_omitted(field, value) {
            return true;
        }
        let stays = self.stated && is_stated_empty(field, value);
        self.found |= stays;
        stays
    }

    fn of_value(&mut self, shape: &Shape, value: &mut Value) {
        match (shape, value) {
            (Shape::Struct(ty) | Shape::SchemaOr(ty, _), Value::Object(members)) => self.of_struct(ty, members),
            (Shape::SchemaOr(ty, _), Value::Array(items)) => {
                for item in items.iter_mut().filter_map(Value::as_object_mut) {
                    self.of_struct(ty, item);
                }
            }
            (Shape::List(item), Value::Array(items)) if item.leaf_type().is_some() => {
                items.iter_mut().for_each(|v| self.of_value(item, v));
            }
            (Shape::Map(inner), Value::Object(members)) if inner.leaf_type().is_some() => {
                members.values_mut().for_each(|v| self.of_value(inner, v));
            }
            _ => {}
        }
    }
}

/// Whole numbers are written without a fraction.
pub(crate) fn double(value: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT { Value::from(value as i64) } else { Value::from(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_kinds::catalog;
    use serde_json::json;

    #[test]
    fn a_tree_built_by_code_becomes_what_the_reference_writes() {
        let pod = catalog().type_of_kind("", "v1", "Pod").unwrap();
        let tree = json!({"kind": "Pod", "apiVersion": "v1", "spec": {"containers": [{"image": "", "ports": []}],
            "nodeSelector": {}, "hostNetwork": false, "terminationGracePeriodSeconds": 0}});
        let Value::Object(mut tree) = tree else { unreachable!("json! made an object") };
        canonicalise(pod, &mut tree);
        let expected = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {}, "status": {},
            "spec": {"containers": [{"name": "", "resources": {}}], "terminationGracePeriodSeconds": 0}});
        assert_eq!(Value::Object(tree), expected);
    }

    #[test]
    fn what_is_empty_and_says_something_stays_for_the_rules_alone() {
        let pod = catalog().type_of_kind("", "v1", "Pod").unwrap();
        let tree = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {}, "status": {},
            "spec": {"containers": [{"name": "c", "args": [], "resources": {}}], "overhead": {}}});
        let Value::Object(mut tree) = tree else { unreachable!("json! made an object") };
        assert!(canonicalise_for_rules(pod, &mut tree));
        assert_eq!(tree["spec"], json!({"containers": [{"name": "c", "resources": {}}], "overhead": {}}));
        canonicalise(pod, &mut tree);
        assert_eq!(tree["spec"], json!({"containers": [{"name": "c", "resources": {}}]}));
        assert!(!canonicalise_for_rules(pod, &mut tree));
    }
}
