//! What several consumers need at most at one time, where some run all along and others come first, one after the other.
//!
//! Source: upstream's rule for the containers of a pod (`PodRequests`), with sidecars (KEP-753).

use std::collections::BTreeMap;

use super::Quantity;

/// Something that adds up, saturating.
pub trait Amount: Copy + Ord {
    #[must_use]
    fn plus(self, other: Self) -> Self;
}

impl Amount for Quantity {
    fn plus(self, other: Self) -> Self {
        Quantity::plus(self, other)
    }
}

impl Amount for i64 {
    fn plus(self, other: Self) -> Self {
        self.saturating_add(other)
    }
}

/// Amounts by resource.
pub type Amounts<A> = BTreeMap<String, A>;

/// Adds consumers up. Those that come first are told in their order.
#[derive(Clone, Debug)]
pub struct Demand<A> {
    together: Amounts<A>,
    sidecars: Amounts<A>,
    peak: Amounts<A>,
}

impl<A> Default for Demand<A> {
    fn default() -> Self {
        Self { together: Amounts::new(), sidecars: Amounts::new(), peak: Amounts::new() }
    }
}

impl<A: Amount> Demand<A> {
    /// One that runs beside all others of its sort.
    pub fn runs(&mut self, own: &Amounts<A>) {
        add_amounts(&mut self.together, own);
    }

    /// One that comes first and stays.
    pub fn stays(&mut self, own: &Amounts<A>) {
        add_amounts(&mut self.together, own);
        add_amounts(&mut self.sidecars, own);
        raise(&mut self.peak, &self.sidecars);
    }

    /// One that comes first, runs beside those that stayed before it, and ends.
    pub fn ends(&mut self, mut own: Amounts<A>) {
        add_amounts(&mut own, &self.sidecars);
        raise(&mut self.peak, &own);
    }

    /// The most of each resource that is needed at one time.
    pub fn total(self) -> Amounts<A> {
        let Self { mut together, peak, .. } = self;
        raise(&mut together, &peak);
        together
    }
}

/// Adds to each amount.
pub fn add_amounts<A: Amount>(to: &mut Amounts<A>, more: &Amounts<A>) {
    for (resource, amount) in more {
        match to.get_mut(resource) {
            Some(sum) => *sum = sum.plus(*amount),
            None => _ = to.insert(resource.clone(), *amount),
        }
    }
}

/// Raises each amount to at least that of the other.
fn raise<A: Amount>(to: &mut Amounts<A>, at_least: &Amounts<A>) {
    for (resource, amount) in at_least {
        match to.get_mut(resource) {
            Some(held) if *held < *amount => *held = *amount,
            Some(_) => {}
            None => _ = to.insert(resource.clone(), *amount),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(amount: i64) -> Amounts<i64> {
        Amounts::from([("cpu".to_owned(), amount)])
    }

    fn of(first: &[(bool, i64)]) -> i64 {
        let mut demand = Demand::default();
        [2, 3].iter().for_each(|amount| demand.runs(&cpu(*amount)));
        for (stays, amount) in first {
            if *stays { demand.stays(&cpu(*amount)) } else { demand.ends(cpu(*amount)) }
        }
        demand.total()["cpu"]
    }

    #[test]
    fn what_comes_first_counts_by_its_peak_and_what_stays_throughout() {
        assert_eq!(of(&[]), 5);
        assert_eq!(of(&[(false, 4)]), 5, "below the sum of those that run together");
        assert_eq!(of(&[(false, 10)]), 10);
        assert_eq!(of(&[(true, 1)]), 6);
        assert_eq!(of(&[(true, 1), (false, 10)]), 11, "it runs beside the one that stayed");
        assert_eq!(of(&[(false, 10), (true, 1)]), 10, "the one that stays comes later");
    }
}
