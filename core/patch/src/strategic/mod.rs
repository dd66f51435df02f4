//! Strategic merge patch: a merge patch that knows, by the field tables, which lists merge item by item.
//!
//! Source: the API conventions and the design document "Strategic Merge Patch"; the order of merged lists follows the
//! reference. Directives: `$patch` (replace, delete, merge), `$retainKeys`, `$setElementOrder/LIST`,
//! `$deleteFromPrimitiveList/LIST`. What the reference answers with 500 (an unknown directive, a missing merge key, an
//! order that does not match or is of no list) is malformed here.

mod directives;
mod lists;

use gantry_kinds::Type;
use gantry_meta::{Object, Value};

use crate::{
    PatchError,
    engine::{self, Entered, Parts, Policy},
};

/// Applies `patch` to an object of type `ty`. A null changes nothing.
///
/// # Errors
/// [`PatchError::Malformed`] if the patch is no object or a directive in it cannot be followed.
pub fn apply(ty: &Type, object: &Object, patch: &Value) -> Result<Object, PatchError> {
    let mut patched = object.clone();
    match patch {
        Value::Object(patch) => engine::merge(Strategic, Parts::patched(ty), &mut patched, patch)?,
        Value::Null => {}
        _ => return Err(malformed("error decoding patch: a strategic merge patch is an object")),
    }
    Ok(patched)
}

fn malformed(why: impl Into<String>) -> PatchError {
    PatchError::Malformed(why.into())
}

#[derive(Clone, Copy)]
struct Strategic;

impl Policy for Strategic {
    type Error = PatchError;

    fn enter<'c>(self, parts: Parts<'_>, live: &mut Object, change: &'c Object) -> Result<Entered<'c>, PatchError> {
        directives::follow(parts, live, change)
    }

    fn null(self, _: Parts<'_>, _: &mut Value) -> bool {
        false
    }

    /// Objects and lists that are replaced by the field's strategy are taken as they stand.
    fn replace(self, live: &mut Value, change: &Value) -> bool {
        let new = match (&*live, change) {
            (Value::Object(_), Value::Object(_)) | (Value::Array(_), Value::Array(_)) => Some(change.clone()),
            _ => as_new(change),
        };
        new.map(|new| *live = new).is_some()
    }

    fn added(self, change: &Value) -> Option<Value> {
        if change.is_null() { None } else { as_new(change) }
    }

    fn items(self, parts: Parts<'_>, live: &mut Vec<Value>, change: &[Value]) -> Result<(), PatchError> {
        *live = lists::merge(parts, std::mem::take(live), change)?.items;
        Ok(())
    }
}

/// The value as it is added where there was none: objects that carry a `$patch` go, whatever it says, and so do nulls of
/// objects. `None` if that leaves nothing. Other directives stay, as fields that nobody knows.
fn as_new(value: &Value) -> Option<Value> {
    match value {
        Value::Object(members) if members.contains_key(directives::PATCH) => None,
        Value::Object(members) => {
            let given = members.iter().filter(|(_, value)| !value.is_null());
            Some(Value::Object(given.filter_map(|(name, value)| Some((name.clone(), as_new(value)?))).collect()))
        }
        Value::Array(items) => Some(Value::Array(items.iter().filter_map(as_new).collect())),
        other => Some(other.clone()),
    }
}
