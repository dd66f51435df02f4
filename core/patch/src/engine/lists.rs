//! Lists whose items are found by their elements: one index of each, and what two of them become together.

use std::collections::HashMap;

use gantry_meta::Value;

use super::{
    element::Element,
    order::Place,
    parts::Parts,
    walk::{Policy, merge_value},
};

/// The first place of each element of a list.
#[derive(Default)]
pub(crate) struct Index<'a>(HashMap<Element<'a>, usize>);

impl<'a> Index<'a> {
    pub fn of(elements: impl Iterator<Item = Option<Element<'a>>>) -> Self {
        let mut index = Self::default();
        elements.enumerate().for_each(|(at, element)| _ = index.place(element, at));
        index
    }

    /// Where the element stands: at `at`, unless it stands somewhere already. What has no element is found by nobody.
    fn place(&mut self, element: Option<Element<'a>>, at: usize) -> usize {
        element.map_or(at, |element| *self.0.entry(element).or_insert(at))
    }

    pub fn get(&self, element: &Element<'a>) -> Option<usize> {
        self.0.get(element).copied()
    }
}

/// What became of two lists: the live items, each merged with what the change says of it, and then those that are new.
pub(crate) struct Joined {
    pub items: Vec<Value>,
    /// Of each item.
    pub places: Vec<Place>,
}

impl Joined {
    /// The items that `order` names, in that order.
    pub fn in_order(mut self, order: impl FnOnce(&[Place]) -> Vec<usize>) -> Vec<Value> {
        order(&self.places).into_iter().map(|at| std::mem::take(&mut self.items[at])).collect()
    }
}

/// Merges each item of the change into the first live one of its element. New items are added as they stand.
pub(crate) fn join<P: Policy>(
    policy: P,
    parts: Parts<'_>,
    live: Vec<Value>,
    change: &[&Value],
) -> Result<Joined, P::Error> {
    let (places, targets) = match_items(parts, &live, change);
    let mut items = live;
    for (target, item) in targets.into_iter().zip(change) {
        match items.get_mut(target) {
            // What was found by its element is an item as this one is: it stays.
            Some(there) => _ = merge_value(policy, parts.of_item(), there, item)?,
            None => items.push((*item).clone()),
        }
    }
    Ok(Joined { items, places })
}

/// The places of the items to be, and for each item of the change which of them it is.
fn match_items(parts: Parts<'_>, live: &[Value], change: &[&Value]) -> (Vec<Place>, Vec<usize>) {
    let mut index = Index::default();
    let mut place = |item: &Value, at: usize| index.place(parts.item_element(item), at);
    let known = live.iter().enumerate().map(|(at, item)| Place { live: Some(place(item, at)), stated: None });
    let mut places: Vec<Place> = known.collect();
    let mut targets = Vec::with_capacity(change.len());
    for (at, item) in change.iter().enumerate() {
        let target = place(item, places.len());
        if target == places.len() {
            places.push(Place { live: None, stated: None });
        }
        places[target].stated.get_or_insert(at);
        targets.push(target);
    }
    // Repeated items are stated where the first of them is.
    for at in 0..live.len() {
        places[at].stated = places[at].live.and_then(|first| places[first].stated);
    }
    (places, targets)
}
