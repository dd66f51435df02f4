//! Tables, chains and the hooks that lead into them: what a node wants its packet filter to be.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::rule::Rule;

/// The tables that are written, in the order in which a payload commits them when nothing speaks for another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Table {
    Filter,
    Nat,
}

impl Table {
    pub const ALL: [Self; 2] = [Self::Filter, Self::Nat];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Nat => "nat",
        }
    }
}

/// Longest name that the kernel takes, in bytes.
pub const CHAIN_NAME_MAX: usize = 28;

/// A chain's name: 1 to 28 letters, digits, `-` and `_`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ChainName(Arc<str>);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} cannot name a chain: want 1 to {CHAIN_NAME_MAX} letters, digits, '-' and '_'")]
pub struct BadChainName(pub String);

impl ChainName {
    pub fn new(name: &str) -> Result<Self, BadChainName> {
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        match name.len() {
            1..=CHAIN_NAME_MAX if plain => Ok(Self(name.into())),
            _ => Err(BadChainName(name.into())),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A chain of one table.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ChainRef {
    pub table: Table,
    pub name: ChainName,
}

impl ChainRef {
    pub fn new(table: Table, name: &ChainName) -> Self {
        Self { table, name: name.clone() }
    }
}

/// A chain's rules in order.
pub type Chain = Vec<Rule>;

/// A rule of ours in a built-in chain: the way into our chains. It is put first there, and found again by its text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hook {
    pub table: Table,
    /// `PREROUTING`, `FORWARD`, ...
    pub built_in: ChainName,
    /// Jumps to a chain of ours.
    pub rule: Rule,
}

/// What the packet filter shall be, or a part of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RuleSet {
    pub chains: BTreeMap<ChainRef, Chain>,
    pub hooks: Vec<Hook>,
}

impl RuleSet {
    pub fn insert(&mut self, table: Table, name: &ChainName, rules: Chain) {
        self.chains.insert(ChainRef::new(table, name), rules);
    }

    pub fn rule_count(&self) -> usize {
        self.chains.values().map(Vec::len).sum()
    }
}

/// Which chains are ours, by name, in every table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ownership {
    pub names: Vec<ChainName>,
    pub prefixes: Vec<String>,
}

impl Ownership {
    pub fn owns(&self, name: &str) -> bool {
        self.names.iter().any(|own| own.as_str() == name) || self.prefixes.iter().any(|p| name.starts_with(p.as_str()))
    }
}
