//! The two orders in which merged lists stand.

/// Where the element of an item stands in two lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// In the live list: its first place there.
    pub live: Option<usize>,
    /// In what the change states, or in an order that it gives.
    pub stated: Option<usize>,
}

/// The order of an applied list: stated items in their order, the others as near to their places among the live ones as that
/// allows. Of repeated live items that are stated, the first stays.
///
/// `places` are of the live items, then of the new ones.
pub(crate) fn interleaved(places: &[Place]) -> Vec<usize> {
    let is_first = |at: &usize| places[*at].live.is_none_or(|first| first == *at);
    let mut stated: Vec<usize> = (0..places.len()).filter(|at| places[*at].stated.is_some() && is_first(at)).collect();
    stated.sort_by_key(|at| places[*at].stated);
    let mut shared = stated.iter().copied().filter(|at| places[*at].live.is_some()).peekable();
    let mut stated = stated.iter().copied().peekable();
    let mut live = (0..places.len()).map_while(|at| Some((at, places[at].live?))).peekable();
    let mut taken = vec![false; places.len()];
    let mut order = Vec::with_capacity(places.len());
    loop {
        match live.peek().copied() {
            // Nobody states it.
            Some((at, _)) if places[at].stated.is_none() => {
                order.push(at);
                live.next();
                continue;
            }
            Some((_, first)) if stated.peek() == Some(&first) => _ = live.next(),
            // Its turn was before, or comes later than another shared item's.
            Some((_, first)) if taken[first] || shared.peek().is_some_and(|next| *next != first) => {
                live.next();
                continue;
            }
            _ => {}
        }
        let Some(next) = stated.next() else { return order };
        shared.next_if_eq(&next);
        taken[next] = true;
        order.push(next);
    }
}

/// The order of a patched list: stated items in their order, and the others, which keep theirs, before the first stated item
/// that followed them in the live list.
pub(crate) fn arranged(places: &[Place]) -> Vec<usize> {
    let (mut stated, mut others): (Vec<usize>, Vec<usize>) =
        (0..places.len()).partition(|at| places[*at].stated.is_some());
    stated.sort_by_key(|at| places[*at].stated);
    others.sort_by_key(|at| places[*at].live.unwrap_or(usize::MAX));
    let mut order = Vec::with_capacity(places.len());
    let mut others = others.into_iter().peekable();
    for next in stated {
        let precedes = |other: &usize| places[*other].live.zip(places[next].live).is_some_and(|(o, n)| o < n);
        while let Some(other) = others.next_if(precedes) {
            order.push(other);
        }
        order.push(next);
    }
    order.extend(others);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The items of both lists, each once and the live ones first, and their places.
    fn places<'a>(live: &[&'a str], stated: &[&'a str]) -> (Vec<&'a str>, Vec<Place>) {
        let place = |list: &[&str], item: &str| list.iter().position(|other| *other == item);
        let new = stated.iter().copied().filter(|item| !live.contains(item));
        let items: Vec<&str> = live.iter().copied().chain(new).collect();
        let places = items.iter().map(|item| Place { live: place(live, item), stated: place(stated, item) }).collect();
        (items, places)
    }

    fn ordered(order: fn(&[Place]) -> Vec<usize>, live: &[&str], stated: &[&str]) -> String {
        let (items, places) = places(live, stated);
        order(&places).into_iter().map(|at| items[at]).collect()
    }

    #[test]
    fn applied_items_keep_their_order_and_live_ones_their_neighbourhood() {
        for (live, stated, merged) in [
            (&["a", "b", "c"][..], &["c", "a"][..], "bca"),
            (&["a", "b", "c"], &["a", "x", "c"], "abxc"),
            (&["a"], &["x", "y"], "axy"),
            (&[], &["x"], "x"),
            (&["a", "b"], &[], "ab"),
            (&["a", "b", "a"], &["a"], "ab"),
        ] {
            assert_eq!(ordered(interleaved, live, stated), merged, "{live:?} {stated:?}");
        }
    }

    #[test]
    fn patched_items_come_before_what_did_not_precede_them() {
        for (live, stated, merged) in [
            (&["a", "b", "c"][..], &["c", "a"][..], "bca"),
            (&["a", "b", "c"], &["x", "c"], "xabc"),
            (&["a"], &["x", "y"], "xya"),
            (&["a", "b"], &[], "ab"),
            (&["a", "b", "a"], &["a"], "aab"),
        ] {
            assert_eq!(ordered(arranged, live, stated), merged, "{live:?} {stated:?}");
        }
    }
}
