//! An applied configuration laid over the live object.

use std::collections::BTreeMap;

use gantry_kinds::Type;
use gantry_meta::{Object, Value};

use super::{set::Element, shape::Parts};

/// Merges `config` into `live`: what it states replaces, lists with keys and sets merge item by item, the rest stays.
pub(crate) fn merge(ty: &Type, live: &mut Object, config: &Object) {
    merge_members(Parts::Struct(ty), live, config);
}

fn merge_members(parts: Parts<'_>, live: &mut Object, config: &Object) {
    for (name, stated) in config {
        match live.get_mut(name) {
            Some(current) => merge_value(parts.of_member(name), current, stated),
            None => {
                live.insert(name.clone(), stated.clone());
            }
        }
    }
}

fn merge_value(parts: Parts<'_>, live: &mut Value, stated: &Value) {
    match (parts, &mut *live, stated) {
        (Parts::Struct(_) | Parts::Map(_) | Parts::Untyped, Value::Object(current), Value::Object(stated)) => {
            merge_members(parts, current, stated);
        }
        // Most configurations state the items that are there.
        (Parts::Keyed(..) | Parts::Set, Value::Array(current), Value::Array(stated))
            if parts.same_items(current, stated) =>
        {
            current.iter_mut().zip(stated).for_each(|(item, stated)| merge_value(parts.of_item(), item, stated));
        }
        (Parts::Keyed(..) | Parts::Set, Value::Array(current), Value::Array(stated)) => {
            *current = merge_items(parts, std::mem::take(current), stated);
        }
        // Stating nothing takes nothing away.
        (Parts::Struct(_) | Parts::Map(_), Value::Object(current), Value::Null) if !current.is_empty() => {}
        (Parts::Keyed(..) | Parts::Set, Value::Array(current), Value::Null) if !current.is_empty() => {}
        (_, live, stated) if live == stated => {}
        _ => *live = stated.clone(),
    }
}

/// Items of both lists: those that are stated in the stated order, the live ones between them as near to their places as
/// that allows.
fn merge_items(parts: Parts<'_>, live: Vec<Value>, stated: &[Value]) -> Vec<Value> {
    let keys = |items: &[Value]| items.iter().map(|item| parts.item_element(item)).collect::<Vec<_>>();
    let (live_keys, stated_keys) = (keys(&live), keys(stated));
    let mut merging = ListMerge {
        parts,
        stated,
        live_by_key: by_key(&live_keys),
        stated_by_key: by_key(&stated_keys),
        live: live.into_iter().map(Some).collect(),
        merged: vec![false; stated.len()],
        out: Vec::new(),
    };
    merging.run(&live_keys, &stated_keys);
    merging.out
}

type Keys<'a> = [Option<Element<'a>>];
type Places<'a> = BTreeMap<Element<'a>, usize>;

/// The first place of each element.
fn by_key<'a>(keys: &Keys<'a>) -> Places<'a> {
    let mut places = Places::new();
    for (at, key) in keys.iter().enumerate() {
        if let Some(key) = key {
            places.entry(key.clone()).or_insert(at);
        }
    }
    places
}

struct ListMerge<'s, 'k> {
    parts: Parts<'s>,
    stated: &'s [Value],
    live: Vec<Option<Value>>,
    live_by_key: Places<'k>,
    stated_by_key: Places<'k>,
    /// Which stated items are in `out` already.
    merged: Vec<bool>,
    out: Vec<Value>,
}

impl ListMerge<'_, '_> {
    fn run(&mut self, live_keys: &Keys<'_>, stated_keys: &Keys<'_>) {
        let place =
            |places: &Places<'_>, key: &Option<Element<'_>>| key.as_ref().and_then(|key| places.get(key).copied());
        let shared: Vec<usize> =
            (0..stated_keys.len()).filter(|&at| place(&self.live_by_key, &stated_keys[at]).is_some()).collect();
        let mut shared = shared.into_iter().peekable();
        let (mut l, mut s) = (0, 0);
        while l < live_keys.len() || s < stated_keys.len() {
            if l < live_keys.len() {
                match place(&self.stated_by_key, &live_keys[l]) {
                    // Only the server has it.
                    None => {
                        self.out.extend(self.live[l].take());
                        l += 1;
                        continue;
                    }
                    // Its turn is now, was before, or comes later than another shared item's.
                    Some(at) if at == s => {
                        self.take_stated(s, place(&self.live_by_key, &stated_keys[s]));
                        shared.next_if_eq(&s);
                        (l, s) = (l + 1, s + 1);
                        continue;
                    }
                    Some(at) if self.merged[at] || shared.peek().is_some_and(|&next| next != at) => {
                        l += 1;
                        continue;
                    }
                    Some(_) => {}
                }
            }
            if s < stated_keys.len() {
                self.take_stated(s, place(&self.live_by_key, &stated_keys[s]));
                shared.next_if_eq(&s);
                s += 1;
            }
        }
    }

    /// The stated item at `s`, merged into the live one where there is one.
    fn take_stated(&mut self, s: usize, live: Option<usize>) {
        let item = match live.and_then(|at| self.live[at].take()) {
            Some(mut item) => {
                merge_value(self.parts.of_item(), &mut item, &self.stated[s]);
                item
            }
            None => self.stated[s].clone(),
        };
        self.merged[s] = true;
        self.out.push(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Items of a set.
    fn merged(live: Value, stated: Value) -> Value {
        let (Value::Array(live), Value::Array(stated)) = (live, stated) else { panic!("the test gives lists") };
        Value::Array(merge_items(Parts::Set, live, &stated))
    }

    #[test]
    fn stated_items_keep_their_order_and_live_ones_their_neighbourhood() {
        assert_eq!(merged(json!(["a", "b", "c"]), json!(["c", "a"])), json!(["b", "c", "a"]));
        assert_eq!(merged(json!(["a", "b", "c"]), json!(["a", "x", "c"])), json!(["a", "b", "x", "c"]));
        assert_eq!(merged(json!(["a"]), json!(["x", "y"])), json!(["a", "x", "y"]));
        assert_eq!(merged(json!([]), json!(["x"])), json!(["x"]));
        assert_eq!(merged(json!(["a", "b"]), json!([])), json!(["a", "b"]));
    }
}
