//! Values that the server fills in when a body is decoded (stage `decode` of `defaults.tsv`).
//!
//! One walk over the tree applies the rows wherever their type occurs: those without a condition, and those whose condition
//! the tables can say (`gantry/default_conditions.tsv`). What is left are small functions ([`rules`]). What is filled in on
//! create or by admission is done there, not here.

mod image;
mod objects;
mod pod;
mod rules;

use gantry_kinds::{ConditionalDefault, DefaultValue, Field, Shape, Text, Type};
use gantry_meta::{Object, Value, time};
use jiff::Timestamp;

/// What defaults may depend on besides the object.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings {
    pub now: Timestamp,
}

/// Fills in what is unset, as decoding does for every body and every stored object. The object is in canonical form before
/// and after.
pub fn apply_defaults(ty: &Type, object: &mut Object, surroundings: &Surroundings) {
    if !ty.reaches_defaults {
        return;
    }
    fill_conditional(ty, object, surroundings, true);
    members(ty, object, surroundings);
    for field in ty.defaulted() {
        fill_plain(field, object, surroundings);
    }
    fill_conditional(ty, object, surroundings, false);
    if let Some(rule) = rules::of(&ty.name) {
        rule(object);
    }
}

/// What lies below a struct, but none of its own members.
fn members(ty: &Type, object: &mut Object, surroundings: &Surroundings) {
    for (name, value) in object.iter_mut() {
        match (ty.field(name), value) {
            (Some(Field { shape: Shape::Struct(ty), only_below: true, .. }), Value::Object(value)) => {
                members(ty, value, surroundings);
            }
            (Some(field), value) => below(&field.shape, value, surroundings),
            (None, _) => {}
        }
    }
}

fn below(shape: &Shape, value: &mut Value, surroundings: &Surroundings) {
    match (shape, value) {
        (Shape::Struct(ty), Value::Object(members)) => apply_defaults(ty, members, surroundings),
        (Shape::List(item), Value::Array(items)) if item.leaf_type().is_some_and(|t| t.reaches_defaults) => {
            items.iter_mut().for_each(|v| below(item, v, surroundings));
        }
        (Shape::Map(inner), Value::Object(members)) if inner.leaf_type().is_some_and(|t| t.reaches_defaults) => {
            members.values_mut().for_each(|v| below(inner, v, surroundings));
        }
        _ => {}
    }
}

fn fill_plain(field: &Field, object: &mut Object, surroundings: &Surroundings) {
    let Some(default) = &field.default else { return };
    if !is_unset(field, object.get(&*field.name)) {
        return;
    }
    let mut value = default.to_value();
    below(&field.shape, &mut value, surroundings);
    object.insert(field.name.clone().into_owned(), value);
}

/// Fields that are always written carry their zero while unset, unless they are pointers.
fn is_unset(field: &Field, value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(_) if field.emitted.is_none() || field.pointer => false,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Number(number)) => number.as_i64() == Some(0),
        Some(_) => false,
    }
}

/// Rows with a condition. `first`: those that must see what the client gave, before other rows fill it in.
fn fill_conditional(ty: &Type, object: &mut Object, surroundings: &Surroundings, first: bool) {
    for default in ty.conditional.iter().filter(|default| default.first == first) {
        if default.applies_to(object) {
            fill_by(default, ty, object, surroundings);
        }
    }
}

fn fill_by(default: &ConditionalDefault, ty: &Type, object: &mut Object, surroundings: &Surroundings) {
    let value = match &default.value {
        DefaultValue::Constant(literal) => literal.to_value(),
        DefaultValue::Now => time::format_time(surroundings.now).into(),
        DefaultValue::Copy(path) => match look_up(object, path) {
            Some(value) => value.clone(),
            None => return,
        },
        DefaultValue::Removed => {
            default.path.iter().for_each(|name| _ = object.remove(&**name));
            return;
        }
    };
    Fill { default, value: &value, surroundings }.write(ty, object, &default.path);
}

fn look_up<'a>(object: &'a Object, path: &[Text]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let found = rest.iter().try_fold(object.get(&**first)?, |at, name| at.get(&**name));
    found.filter(|value| !value.is_null())
}

/// A default on its way to its field.
struct Fill<'a> {
    default: &'a ConditionalDefault,
    value: &'a Value,
    surroundings: &'a Surroundings,
}

impl Fill<'_> {
    fn write(&self, ty: &Type, object: &mut Object, path: &[Text]) {
        match path {
            [] => {}
            [name] if self.default.replaces(object.get(&**name)) => {
                object.insert(name.clone().into_owned(), self.value.clone());
            }
            [_] => {}
            [name, rest @ ..] => {
                if let Some(field) = ty.field(name) {
                    self.below(field, object, rest);
                }
            }
        }
    }

    /// Into the struct that a field holds, made where it is absent, or into each of a list.
    fn below(&self, field: &Field, object: &mut Object, path: &[Text]) {
        let Some(ty) = field.shape.leaf_type() else { return };
        if field.shape.as_struct().is_some() && object.get(&*field.name).is_none_or(Value::is_null) {
            let mut made = Object::new();
            apply_defaults(ty, &mut made, self.surroundings);
            object.insert(field.name.clone().into_owned(), made.into());
        }
        match object.get_mut(&*field.name) {
            Some(Value::Object(members)) => self.write(ty, members, path),
            Some(Value::Array(items)) => {
                items.iter_mut().filter_map(Value::as_object_mut).for_each(|item| self.write(ty, item, path));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod rows;
#[cfg(test)]
mod tests;
