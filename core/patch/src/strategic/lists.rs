//! Lists that merge item by item, and their order.

use std::collections::HashSet;

use gantry_meta::Value;

use super::{Strategic, as_new, directives::PATCH, malformed};
use crate::{
    PatchError,
    engine::{Element, Form, Index, Parts, Place, arranged, join},
};

type Elements = Vec<Option<Element<'static>>>;

/// A list with a patch merged into it.
pub(super) struct Merged {
    pub items: Vec<Value>,
    /// What an order that the patch gives goes by for items that it does not name.
    server_order: Elements,
}

/// Merges `change` into `live`, whose items are found by their elements. Items of the patch come in its order; items that only
/// the server has keep their places between them.
pub(super) fn merge(parts: Parts<'_>, live: Vec<Value>, change: &[Value]) -> Result<Merged, PatchError> {
    let Form::Keyed(..) = parts.form else { return merge_values(parts, live, change) };
    if !live.iter().chain(change).all(Value::is_object) {
        // Not items of this list: decoding the result will say so.
        return Ok(Merged { items: change.to_vec(), server_order: Elements::new() });
    }
    let server_order = elements(parts, &live);
    let Directed { live, change, replaced } = Directed::read(parts, live, change)?;
    every_element(parts, change.iter().copied())?;
    let joined = join(Strategic, parts, live, &change)?;
    every_element(parts, &joined.items)?;
    // The reference takes the places of what was deleted for the first items that are added: they count as the server's.
    let server_order = match replaced {
        true => server_order,
        false => elements(parts, &joined.items[..joined.items.len().min(server_order.len())]),
    };
    Ok(Merged { items: joined.in_order(arranged), server_order })
}

/// A list of texts or numbers: a set.
fn merge_values(parts: Parts<'_>, live: Vec<Value>, change: &[Value]) -> Result<Merged, PatchError> {
    let server_order = elements(parts, &live);
    let mut seen = HashSet::new();
    let live = live.into_iter().filter(|value| seen.insert(parts.item_element(value))).collect();
    let joined = join(Strategic, parts, live, &change.iter().collect::<Vec<_>>())?;
    Ok(Merged { items: joined.in_order(arranged), server_order })
}

/// Merges a list as its field says, and puts it into `order`. `None` if there is none.
pub(super) fn merge_ordered(
    parts: Parts<'_>,
    live: Option<Vec<Value>>,
    change: Option<&[Value]>,
    order: &[Value],
) -> Result<Option<Vec<Value>>, PatchError> {
    let by = match parts.form {
        Form::Keyed(..) => parts,
        // Whether its items merge or are replaced: they are found by value.
        _ => parts.as_set(),
    };
    let mut items = live.iter().flatten().chain(change.unwrap_or_default()).chain(order);
    if !matches!(by.form, Form::Keyed(..)) && items.any(Value::is_object) {
        return Err(malformed("an order is given for items that have no merge key"));
    }
    check_order(by, change.unwrap_or_default(), order)?;
    let merged = match (live, change) {
        (None, None) => return Ok(None),
        (Some(live), None) => Merged { server_order: elements(by, &live), items: live },
        (None, Some(change)) => {
            // Items with a directive are none.
            Merged { items: change.iter().filter_map(as_new).collect(), server_order: Elements::new() }
        }
        (Some(live), Some(change)) => match parts.form {
            Form::Keyed(..) | Form::Set => merge(parts, live, change)?,
            _ => Merged { items: change.to_vec(), server_order: elements(by, &live) },
        },
    };
    reorder(by, merged, order).map(Some)
}

/// Puts a list into an order that the patch gives.
fn reorder(
    parts: Parts<'_>,
    Merged { mut items, server_order }: Merged,
    order: &[Value],
) -> Result<Vec<Value>, PatchError> {
    let stated = Index::of(every_element(parts, order)?.into_iter().map(Some));
    let live = Index::of(server_order.into_iter());
    let of_items = every_element(parts, &items)?;
    let places: Vec<Place> =
        of_items.iter().map(|item| Place { live: live.get(item), stated: stated.get(item) }).collect();
    Ok(arranged(&places).into_iter().map(|at| std::mem::take(&mut items[at])).collect())
}

/// The order has to name the items that the patch merges, in their order.
fn check_order(parts: Parts<'_>, change: &[Value], order: &[Value]) -> Result<(), PatchError> {
    let merging = every_element(parts, change.iter().filter(|item| item.get(PATCH).is_none()))?;
    let order = every_element(parts, order)?;
    let mut rest = order.iter();
    match order.is_empty() || merging.iter().all(|element| rest.any(|ordered| ordered == element)) {
        true => Ok(()),
        false => Err(malformed("the order in the patch does not match its $setElementOrder list")),
    }
}

fn elements(parts: Parts<'_>, items: &[Value]) -> Elements {
    items.iter().map(|item| parts.item_element(item)).collect()
}

/// The elements of items that all have to have one.
fn every_element<'v>(
    parts: Parts<'_>,
    items: impl IntoIterator<Item = &'v Value>,
) -> Result<Vec<Element<'static>>, PatchError> {
    let missing = || malformed("an item of a list does not have its merge key");
    items.into_iter().map(|item| parts.item_element(item).ok_or_else(missing)).collect()
}

/// What is merged into what, after the `$patch` directives among the items of a patch.
struct Directed<'c> {
    live: Vec<Value>,
    change: Vec<&'c Value>,
    /// By items of the patch, which have become the live ones.
    replaced: bool,
}

impl<'c> Directed<'c> {
    fn read(parts: Parts<'_>, mut live: Vec<Value>, change: &'c [Value]) -> Result<Self, PatchError> {
        let (mut rest, mut doomed, mut replaced) = (Vec::with_capacity(change.len()), HashSet::new(), false);
        for item in change {
            match item.get(PATCH) {
                None => rest.push(item),
                Some(directive) if directive == "delete" => doomed.extend(every_element(parts, [item])?),
                Some(directive) if directive == "replace" => replaced = true,
                Some(other) => return Err(malformed(format!("unknown $patch directive {other} in a list"))),
            }
        }
        if replaced {
            return Ok(Self { live: rest.into_iter().cloned().collect(), change: Vec::new(), replaced });
        }
        if !doomed.is_empty() {
            live.retain(|item| parts.item_element(item).is_none_or(|element| !doomed.contains(&element)));
        }
        Ok(Self { live, change: rest, replaced })
    }
}
