//! All services' compiled rules together, and what of them changed.

use std::collections::{BTreeMap, BTreeSet};

use gantry_netfilter::{ChainName, ChainRef, Match, Rule, RuleSet, Table};
use gantry_runtime::ObjectKey;

use crate::chains::{self, Networks};
use crate::compile::{CompiledService, Dispatch};

/// The proxy's memory of what it asked for: of each service its dispatch rules and the names of its chains. The rules
/// within those chains are only passed on.
#[derive(Debug, Default)]
pub struct ServiceTable {
    services: BTreeMap<ObjectKey, Installed>,
}

#[derive(Debug, Default)]
struct Installed {
    chains: BTreeSet<ChainName>,
    dispatch: Dispatch,
}

/// A part of the rule set to be written, and chains that go.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change {
    pub set: RuleSet,
    pub removed: Vec<ChainRef>,
}

type Pick = fn(&Dispatch) -> &Vec<Rule>;

/// The chains that services share: table, name, rules.
fn shared_chains() -> [(Table, ChainName, Pick); 4] {
    [
        (Table::Nat, chains::services(), |d| &d.nat_services),
        (Table::Nat, chains::node_ports(), |d| &d.nat_node_ports),
        (Table::Filter, chains::services(), |d| &d.filter_services),
        (Table::Filter, chains::node_ports(), |d| &d.filter_node_ports),
    ]
}

impl ServiceTable {
    /// Takes over what became of some services (`None`: gone), and says what that changes. Shared chains are part of the
    /// change only if the services' rules in them differ from before.
    pub fn update(&mut self, changed: Vec<(ObjectKey, Option<CompiledService>)>) -> Change {
        let mut change = Change::default();
        let mut touched = [false; 4];
        for (key, compiled) in changed {
            let compiled = compiled.unwrap_or_default();
            let new = Installed { chains: compiled.chains.keys().cloned().collect(), dispatch: compiled.dispatch };
            let old = self.services.remove(&key).unwrap_or_default();
            for (touched, (_, _, pick)) in touched.iter_mut().zip(shared_chains()) {
                *touched |= pick(&old.dispatch) != pick(&new.dispatch);
            }
            change.removed.extend(old.chains.difference(&new.chains).map(|name| ChainRef::new(Table::Nat, name)));
            compiled.chains.into_iter().for_each(|(name, rules)| change.set.insert(Table::Nat, &name, rules));
            if !new.is_empty() {
                self.services.insert(key, new);
            }
        }
        for (touched, (table, name, pick)) in touched.into_iter().zip(shared_chains()) {
            if touched {
                change.set.insert(table, &name, self.shared(&name, pick));
            }
        }
        change
    }

    /// The whole rule set: what no service owns, the shared chains, and the services' own chains as given.
    pub fn complete(&self, networks: &Networks, own: RuleSet) -> RuleSet {
        let mut set = chains::base(networks);
        for (table, name, pick) in shared_chains() {
            set.insert(table, &name, self.shared(&name, pick));
        }
        set.chains.extend(own.chains);
        set
    }

    /// In the services' order, so that one service more is one line more. Node ports come last: they are the wider match.
    fn shared(&self, name: &ChainName, pick: Pick) -> Vec<Rule> {
        let mut rules: Vec<Rule> =
            self.services.values().flat_map(|service| pick(&service.dispatch)).cloned().collect();
        if *name == chains::services() {
            let local = Rule::jump(&chains::node_ports()).when(Match::DestinationIsLocal);
            rules.push(local.comment("kubernetes service nodeports; NOTE: this must be the last rule in this chain"));
        }
        rules
    }
}

impl Installed {
    fn is_empty(&self) -> bool {
        self.chains.is_empty() && self.dispatch == Dispatch::default()
    }
}
