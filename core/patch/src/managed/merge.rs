//! An applied configuration laid over the live object.

use std::convert::Infallible;

use gantry_kinds::Type;
use gantry_meta::{Object, Value};

use crate::engine::{self, Form, Parts, Policy, interleaved, join, merge_value};

/// Merges `config` into `live`: what it states replaces, lists with keys and sets merge item by item, the rest stays.
pub(crate) fn merge(ty: &Type, live: &mut Object, config: &Object) {
    let Ok(()) = engine::merge(Configuration, Parts::owned(ty), live, config);
}

/// What a manager states.
#[derive(Clone, Copy)]
struct Configuration;

impl Policy for Configuration {
    type Error = Infallible;

    /// Stating nothing takes nothing away.
    fn null(self, parts: Parts<'_>, live: &mut Value) -> bool {
        let holds_parts = match (parts.form, &*live) {
            (Form::Struct(_) | Form::Map(_), Value::Object(members)) => !members.is_empty(),
            (Form::Keyed(..) | Form::Set, Value::Array(items)) => !items.is_empty(),
            _ => false,
        };
        if !holds_parts {
            *live = Value::Null;
        }
        true
    }

    fn replace(self, live: &mut Value, stated: &Value) -> bool {
        if live != stated {
            *live = stated.clone();
        }
        true
    }

    fn added(self, stated: &Value) -> Option<Value> {
        Some(stated.clone())
    }

    fn items(self, parts: Parts<'_>, live: &mut Vec<Value>, stated: &[Value]) -> Result<(), Infallible> {
        // Most configurations state the items that are there.
        if parts.same_items(live, stated) {
            let mut pairs = live.iter_mut().zip(stated);
            return pairs.try_for_each(|(item, stated)| merge_value(self, parts.of_item(), item, stated).map(|_| ()));
        }
        let stated: Vec<&Value> = stated.iter().collect();
        *live = join(self, parts, std::mem::take(live), &stated)?.in_order(interleaved);
        Ok(())
    }
}
