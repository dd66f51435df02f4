//! Fields that a JSON body has twice.
//!
//! The reference reads the second value into what the first one made: structs keep what the second does not name, maps keep
//! their other entries, and everything else is replaced.

use gantry_kinds::{Field, Shape};
use gantry_meta::{Object, Value};

/// What a field holds after both values; `None` is `null`.
pub(super) fn onto(field: &Field, first: Option<Value>, second: Option<Value>) -> Option<Value> {
    match (&field.shape, first, second) {
        // A struct held by value cannot be unset.
        (Shape::Struct(_), first, None) if field.by_value => first,
        (Shape::Struct(ty), Some(Value::Object(mut first)), Some(Value::Object(second))) => {
            for (name, value) in second {
                let Some(member) = ty.field(&name) else { continue };
                // Nobody can say any more whether it was given or filled in.
                if first.contains_key(&name) && member.emitted.as_ref().is_some_and(|zero| zero.to_value() == value) {
                    continue;
                }
                let before = first.remove(&name);
                first.extend(onto(member, before, Some(value)).map(|value| (name, value)));
            }
            Some(Value::Object(first))
        }
        (Shape::Map(_), Some(Value::Object(first)), Some(Value::Object(second))) => {
            Some(Value::Object(first.into_iter().chain(second).collect::<Object>()))
        }
        (_, _, second) => second,
    }
}
