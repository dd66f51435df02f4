//! From what the kernel holds to what it shall hold, as text for `iptables-restore --noflush`.
//!
//! A payload has up to three sections, each committed in one step: what the filter table gains, the nat table, what the
//! filter table loses. A service that loses its last endpoint is therefore refused before its translation goes, and one that
//! gains its first is translated before the refusal goes: at no time are packets for it sent along the default route.

use std::collections::BTreeSet;
use std::fmt::{self, Write};

use crate::chain::{Chain, ChainRef, Hook, RuleSet, Table};
use crate::driver::Update;
use crate::edit::{Edit, edit};
use crate::shadow::{RuleHash, Shadow};

/// A difference as text, and what the [`Shadow`] becomes when the kernel took it.
#[derive(Debug, Default)]
pub struct Payload {
    pub text: String,
    pub lines: usize,
    chains: Vec<(ChainRef, Option<Vec<RuleHash>>)>,
    hooks: Option<Vec<(ChainRef, String)>>,
}

impl Payload {
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

impl Shadow {
    /// Records that the kernel took the payload.
    pub fn commit(&mut self, payload: Payload) {
        for (chain, rules) in payload.chains {
            match rules {
                Some(rules) => self.chains.insert(chain, rules),
                None => self.chains.remove(&chain),
            };
        }
        if let Some(hooks) = payload.hooks {
            self.hooks = hooks;
        }
    }
}

/// The smallest payload that turns what `shadow` knows into what `update` wants.
pub fn diff(shadow: &Shadow, update: Update<'_>) -> Payload {
    let plan = Plan::new(shadow, update);
    let mut payload = Payload::default();
    for section in [plan.filter_gains(), plan.nat(), plan.filter_losses()] {
        section.append_to(&mut payload);
    }
    payload.hooks = plan.hooks_after();
    payload.chains = plan.outcome();
    payload
}

/// One changed chain: its rules to be and how to get there.
struct ChangedChain<'a> {
    chain: &'a ChainRef,
    rules: &'a Chain,
    hashes: Vec<RuleHash>,
    edit: Edit,
}

struct Plan<'a> {
    changed: Vec<ChangedChain<'a>>,
    removed: Vec<ChainRef>,
    hooks_added: Vec<&'a Hook>,
    hooks_removed: Vec<(ChainRef, String)>,
    hooks_known: &'a [(ChainRef, String)],
}

impl<'a> Plan<'a> {
    fn new(shadow: &'a Shadow, update: Update<'a>) -> Self {
        let set = match update {
            Update::Replace(set) | Update::Change { set, .. } => set,
        };
        let mut plan = Self {
            changed: set.chains.iter().filter_map(|(chain, rules)| changed(shadow, chain, rules)).collect(),
            removed: removed(shadow, update),
            hooks_added: Vec::new(),
            hooks_removed: Vec::new(),
            hooks_known: &shadow.hooks,
        };
        if let Update::Replace(set) = update {
            plan.hooks_added = set.hooks.iter().filter(|hook| !shadow.has_hook(hook)).collect();
            plan.hooks_removed = stale_hooks(shadow, set);
        }
        plan
    }

    fn filter_gains(&self) -> Section {
        let mut section = Section::new(Table::Filter);
        section.declare(self.changed_in(Table::Filter));
        self.changed_in(Table::Filter).for_each(|change| section.gain(change));
        section.hook(&self.hooks_added);
        section
    }

    fn filter_losses(&self) -> Section {
        let mut section = Section::new(Table::Filter);
        section.unhook(&self.hooks_removed);
        self.changed_in(Table::Filter).for_each(|change| section.lose(change));
        section.remove(&self.removed);
        section
    }

    fn nat(&self) -> Section {
        let mut section = Section::new(Table::Nat);
        section.declare(self.changed_in(Table::Nat));
        for change in self.changed_in(Table::Nat) {
            section.gain(change);
            section.lose(change);
        }
        section.hook(&self.hooks_added);
        section.unhook(&self.hooks_removed);
        section.remove(&self.removed);
        section
    }

    fn changed_in(&self, table: Table) -> impl DoubleEndedIterator<Item = &ChangedChain<'a>> {
        self.changed.iter().filter(move |change| change.chain.table == table)
    }

    fn hooks_after(&self) -> Option<Vec<(ChainRef, String)>> {
        if self.hooks_added.is_empty() && self.hooks_removed.is_empty() {
            return None;
        }
        let kept = self.hooks_known.iter().filter(|known| !self.hooks_removed.contains(known)).cloned();
        let added = self.hooks_added.iter().map(|hook| (hook_chain(hook), hook.rule.to_string()));
        Some(kept.chain(added).collect())
    }

    fn outcome(self) -> Vec<(ChainRef, Option<Vec<RuleHash>>)> {
        let changed = self.changed.into_iter().map(|change| (change.chain.clone(), Some(change.hashes)));
        changed.chain(self.removed.into_iter().map(|chain| (chain, None))).collect()
    }
}

fn changed<'a>(shadow: &Shadow, chain: &'a ChainRef, rules: &'a Chain) -> Option<ChangedChain<'a>> {
    let hashes: Vec<RuleHash> = rules.iter().map(|rule| shadow.hash(rule)).collect();
    let edit = match shadow.chains.get(chain) {
        Some(old) if *old == hashes => return None,
        Some(old) => edit(old, &hashes, chain.table),
        None => Edit::Rewrite,
    };
    Some(ChangedChain { chain, rules, hashes, edit })
}

fn removed(shadow: &Shadow, update: Update<'_>) -> Vec<ChainRef> {
    match update {
        Update::Replace(set) => shadow.chains.keys().filter(|chain| !set.chains.contains_key(chain)).cloned().collect(),
        Update::Change { set, removed } => {
            let gone: BTreeSet<_> = removed.iter().filter(|chain| !set.chains.contains_key(chain)).collect();
            gone.into_iter().filter(|chain| shadow.chains.contains_key(chain)).cloned().collect()
        }
    }
}

fn stale_hooks(shadow: &Shadow, set: &RuleSet) -> Vec<(ChainRef, String)> {
    let wanted: Vec<_> = set.hooks.iter().map(|hook| (hook_chain(hook), hook.rule.to_string())).collect();
    shadow.hooks.iter().filter(|known| !wanted.contains(known)).cloned().collect()
}

fn hook_chain(hook: &Hook) -> ChainRef {
    ChainRef::new(hook.table, &hook.built_in)
}

/// The lines of one table up to its COMMIT.
struct Section {
    table: Table,
    body: String,
    lines: usize,
}

impl Section {
    fn new(table: Table) -> Self {
        Self { table, body: String::new(), lines: 0 }
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        writeln!(self.body, "{line}").expect("writing into a String cannot fail");
        self.lines += 1;
    }

    /// Creates or empties the chains that are written anew. Last name first: iptables-nft 1.8 keeps chains in a sorted
    /// list that it searches from the front, so the other order costs the square of their number.
    fn declare<'c, 'a: 'c>(&mut self, changed: impl DoubleEndedIterator<Item = &'c ChangedChain<'a>>) {
        for change in changed.rev().filter(|change| matches!(change.edit, Edit::Rewrite)) {
            self.line(format_args!(":{} - [0:0]", change.chain.name));
        }
    }

    fn gain(&mut self, change: &ChangedChain<'_>) {
        let name = &change.chain.name;
        match &change.edit {
            Edit::Rewrite => change.rules.iter().for_each(|rule| self.line(format_args!("-A {name}{rule}"))),
            Edit::Lines(lines) => {
                for &(position, index) in &lines.insert {
                    self.line(format_args!("-I {name} {position}{}", change.rules[index]));
                }
            }
        }
    }

    fn lose(&mut self, change: &ChangedChain<'_>) {
        if let Edit::Lines(lines) = &change.edit {
            lines.delete.iter().for_each(|at| self.line(format_args!("-D {} {at}", change.chain.name)));
        }
    }

    fn hook(&mut self, hooks: &[&Hook]) {
        let table = self.table;
        for hook in hooks.iter().rev().filter(|hook| hook.table == table) {
            self.line(format_args!("-I {} 1{}", hook.built_in, hook.rule));
        }
    }

    fn unhook(&mut self, hooks: &[(ChainRef, String)]) {
        let table = self.table;
        for (chain, text) in hooks.iter().filter(|(chain, _)| chain.table == table) {
            self.line(format_args!("-D {}{text}", chain.name));
        }
    }

    /// Empties all before deleting any: they may refer to each other.
    fn remove(&mut self, chains: &[ChainRef]) {
        let table = self.table;
        let ours = || chains.iter().filter(move |chain| chain.table == table);
        ours().rev().for_each(|chain| self.line(format_args!(":{} - [0:0]", chain.name)));
        ours().for_each(|chain| self.line(format_args!("-X {}", chain.name)));
    }

    fn append_to(self, payload: &mut Payload) {
        if self.lines > 0 {
            payload.text.push('*');
            payload.text.push_str(self.table.as_str());
            payload.text.push('\n');
            payload.text.push_str(&self.body);
            payload.text.push_str("COMMIT\n");
            payload.lines += self.lines;
        }
    }
}
