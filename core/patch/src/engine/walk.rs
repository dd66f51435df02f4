//! The walk over a live value and a change that is laid over it.

use std::collections::HashSet;

use gantry_meta::{Object, Value};

use super::parts::{Form, Parts};

/// What a kind of change means where others mean something else.
pub(crate) trait Policy: Copy {
    /// What can be wrong with a change.
    type Error;

    /// Follows what an object of the change says about itself, before its members are merged.
    fn enter<'c>(self, _: Parts<'_>, _: &mut Object, _: &'c Object) -> Result<Entered<'c>, Self::Error> {
        Ok(Entered::ALL)
    }

    /// Lays null over a value that is there. False: the value goes.
    fn null(self, parts: Parts<'_>, live: &mut Value) -> bool;

    /// Lays over a value another one that does not merge with it. False: the value goes.
    fn replace(self, live: &mut Value, change: &Value) -> bool;

    /// The change as it is added where nothing was; `None` adds nothing.
    fn added(self, change: &Value) -> Option<Value>;

    /// Merges lists whose items are found by their elements.
    fn items(self, parts: Parts<'_>, live: &mut Vec<Value>, change: &[Value]) -> Result<(), Self::Error>;
}

/// What is left to do for an object of the change.
pub(crate) enum Entered<'c> {
    /// Nothing.
    Settled,
    /// To merge its members, but for those.
    Members { but: Option<HashSet<&'c str>> },
}

impl Entered<'_> {
    pub const ALL: Self = Entered::Members { but: None };
}

/// Lays `change` over `live`.
pub(crate) fn merge<P: Policy>(
    policy: P,
    parts: Parts<'_>,
    live: &mut Object,
    change: &Object,
) -> Result<(), P::Error> {
    let Entered::Members { but } = policy.enter(parts, live, change)? else { return Ok(()) };
    for (name, change) in change {
        if but.as_ref().is_some_and(|but| but.contains(&**name)) {
            continue;
        }
        match live.get_mut(name) {
            Some(current) => {
                if !merge_value(policy, parts.of_member(name), current, change)? {
                    live.remove(name);
                }
            }
            None => {
                if let Some(added) = policy.added(change) {
                    live.insert(name.clone(), added);
                }
            }
        }
    }
    Ok(())
}

/// [`merge`] for any value. False: the value goes.
pub(crate) fn merge_value<P: Policy>(
    policy: P,
    parts: Parts<'_>,
    live: &mut Value,
    change: &Value,
) -> Result<bool, P::Error> {
    match (parts.form, &mut *live, change) {
        (Form::Struct(_) | Form::Map(_) | Form::Untyped, Value::Object(live), Value::Object(change)) => {
            merge(policy, parts, live, change)?;
            Ok(true)
        }
        (Form::Keyed(..) | Form::Set, Value::Array(live), Value::Array(change)) => {
            policy.items(parts, live, change)?;
            Ok(true)
        }
        (_, live, Value::Null) => Ok(policy.null(parts, live)),
        (_, live, change) => Ok(policy.replace(live, change)),
    }
}
