//! What the kernel holds of ours, as far as we know, kept as one number per rule: 50,000 rules take 400 KB, not 8 MB.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use crate::chain::{ChainRef, Hook, Ownership, Table};
use crate::rule::Rule;

/// A rule's text, hashed with a key of this process's own: nobody can make two rules that look alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RuleHash(u64);

/// The chains and hooks in the kernel.
#[derive(Clone, Debug)]
pub struct Shadow {
    keys: RandomState,
    pub(crate) chains: BTreeMap<ChainRef, Vec<RuleHash>>,
    /// Built-in chain and text of every hook that is in place, as the kernel prints it.
    pub(crate) hooks: Vec<(ChainRef, String)>,
}

impl Default for Shadow {
    fn default() -> Self {
        Self { keys: RandomState::new(), chains: BTreeMap::new(), hooks: Vec::new() }
    }
}

impl Shadow {
    pub fn hash(&self, rule: &Rule) -> RuleHash {
        self.hash_text(&rule.to_string())
    }

    pub(crate) fn hash_text(&self, text: &str) -> RuleHash {
        RuleHash(self.keys.hash_one(text))
    }

    pub fn chain_count(&self) -> usize {
        self.chains.len()
    }

    pub(crate) fn has_hook(&self, hook: &Hook) -> bool {
        let text = hook.rule.to_string();
        self.hooks
            .iter()
            .any(|(chain, known)| chain.table == hook.table && chain.name == hook.built_in && *known == text)
    }

    /// The tables in which anything of ours stands.
    pub fn tables(&self) -> impl Iterator<Item = Table> {
        Table::ALL.into_iter().filter(|table| self.chains.keys().any(|chain| chain.table == *table))
    }

    /// Takes over what `iptables-save` printed of one table, forgetting what was known of it.
    pub(crate) fn read_table(&mut self, table: Table, saved: &str, ownership: &Ownership) {
        self.chains.retain(|chain, _| chain.table != table);
        self.hooks.retain(|(chain, _)| chain.table != table);
        for entry in crate::saved::entries(saved, ownership) {
            match entry {
                crate::saved::Entry::Chain(name) => {
                    self.chains.entry(ChainRef { table, name }).or_default();
                }
                crate::saved::Entry::Rule(name, text) => {
                    let hash = self.hash_text(text);
                    self.chains.entry(ChainRef { table, name }).or_default().push(hash);
                }
                crate::saved::Entry::Hook(built_in, text) => {
                    self.hooks.push((ChainRef { table, name: built_in }, text.to_owned()));
                }
            }
        }
    }
}
