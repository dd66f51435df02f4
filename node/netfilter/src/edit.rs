//! How a chain's old rules become the new ones with few lines.

use std::collections::HashMap;

use crate::chain::Table;
use crate::shadow::RuleHash;

/// How to change one chain.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Empty it and write all rules.
    Rewrite,
    Lines(Lines),
}

/// Insertions first, in this order, then deletions, in this order; positions count from 1 at the time of each line.
#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) struct Lines {
    /// Position, and index among the new rules.
    pub insert: Vec<(usize, usize)>,
    pub delete: Vec<usize>,
}

/// Chains of the nat table up to this length are rewritten: that needs no look at the old rules in the kernel.
const SHORT: usize = 32;

pub(crate) fn edit(old: &[RuleHash], new: &[RuleHash], table: Table) -> Edit {
    match merge(old, new) {
        None => Edit::Rewrite,
        Some(lines) => {
            let changes = lines.insert.len() + lines.delete.len();
            let rewrite = table == Table::Nat && (new.len() <= SHORT || changes > new.len() / 2);
            if rewrite { Edit::Rewrite } else { Edit::Lines(lines) }
        }
    }
}

/// Walks both lists as one: `None` if a rule occurs twice or two kept rules changed places.
fn merge(old: &[RuleHash], new: &[RuleHash]) -> Option<Lines> {
    let in_new = places(new)?;
    let in_old = places(old)?;
    let mut lines = Lines::default();
    let mut deleted_at = Vec::new();
    let (mut next_old, mut position) = (0, 0);
    for (index, rule) in new.iter().enumerate() {
        let Some(&place) = in_old.get(rule) else {
            position += 1;
            lines.insert.push((position, index));
            continue;
        };
        for gone in old.get(next_old..place)? {
            position += 1;
            if in_new.contains_key(gone) {
                return None;
            }
            deleted_at.push(position);
        }
        position += 1;
        next_old = place + 1;
    }
    for gone in old.get(next_old..)? {
        position += 1;
        if in_new.contains_key(gone) {
            return None;
        }
        deleted_at.push(position);
    }
    lines.delete = deleted_at.into_iter().rev().collect();
    Some(lines)
}

fn places(rules: &[RuleHash]) -> Option<HashMap<RuleHash, usize>> {
    let places: HashMap<_, _> = rules.iter().enumerate().map(|(place, rule)| (*rule, place)).collect();
    (places.len() == rules.len()).then_some(places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shadow::Shadow;

    fn rules(names: &str) -> Vec<RuleHash> {
        thread_local!(static KEYS: Shadow = Shadow::default());
        KEYS.with(|keys| names.chars().map(|c| keys.hash_text(&c.to_string())).collect())
    }

    fn play(old: &str, new: &str) -> Option<(String, String)> {
        let lines = merge(&rules(old), &rules(new))?;
        let mut chain: Vec<char> = old.chars().collect();
        for (position, index) in lines.insert {
            chain.insert(position - 1, new.chars().nth(index).expect("an index of new"));
        }
        let between = chain.iter().collect();
        for at in lines.delete {
            chain.remove(at - 1);
        }
        Some((between, chain.into_iter().collect()))
    }

    #[test]
    fn insertions_then_deletions_lead_from_old_to_new_and_hold_both_in_between() {
        for (old, new) in [("", "ab"), ("ab", ""), ("abc", "axbc"), ("abcd", "bxdy"), ("abc", "xyz"), ("az", "abcz")] {
            let (between, after) = play(old, new).expect("no rule changed places");
            assert_eq!(after, new, "{old} -> {new}");
            assert!(old.chars().chain(new.chars()).all(|c| between.contains(c)), "{old} -> {between} -> {new}");
        }
    }

    #[test]
    fn a_chain_whose_rules_changed_places_or_repeat_is_written_anew() {
        assert_eq!(play("ab", "ba"), None);
        assert_eq!(play("abc", "cb"), None);
        assert_eq!(play("aa", "a"), None);
    }

    #[test]
    fn a_long_chain_takes_one_line_for_one_rule_more() {
        let old: Vec<_> = (0..1000).map(|i| Shadow::default().hash_text(&i.to_string())).collect();
        let mut new = old.clone();
        new.insert(500, Shadow::default().hash_text("new"));
        assert_eq!(edit(&old, &new, Table::Nat), Edit::Lines(Lines { insert: vec![(501, 500)], delete: vec![] }));
    }
}
