//! One service's rules in the IR, as chains and rules of the packet filter. Pure.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use gantry_netfilter::{Block, ChainName, Cidr, Match, Protocol, Rule, Target};
use gantry_plugin::rule_ir::{self, Action, Backend, Destination, Masquerade, Pool, Scope, ServiceRules, Source};

use crate::chains::{Networks, hashed, mark_masquerade};

/// What one service needs in the packet filter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CompiledService {
    /// The nat chains that are this service's alone.
    pub chains: BTreeMap<ChainName, Vec<Rule>>,
    pub dispatch: Dispatch,
}

/// A service's rules in chains that it shares with the others.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dispatch {
    pub nat_services: Vec<Rule>,
    pub nat_node_ports: Vec<Rule>,
    pub filter_services: Vec<Rule>,
    pub filter_node_ports: Vec<Rule>,
}

/// The plan contradicts itself or the limits of the packet filter: a fault of the plugin that made it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CompileError {
    #[error("a rule forwards to pool {0}, which does not exist or is empty")]
    NoSuchPool(usize),
    #[error("{0:?} is no address block")]
    BadBlock(String),
}

/// Addresses of the other family than IPv4 are left out.
pub fn compile(service: &ServiceRules, networks: &Networks) -> Result<CompiledService, CompileError> {
    let mut compiler = Compiler { service, networks, out: CompiledService::default() };
    let mut by_destination: BTreeMap<(Destination, rule_ir::Protocol), Vec<&rule_ir::Rule>> = BTreeMap::new();
    for rule in service.rules.iter().filter(|rule| is_ipv4(rule.to)) {
        by_destination.entry((rule.to, rule.protocol)).or_default().push(rule);
    }
    for steps in by_destination.values() {
        compiler.destination(steps)?;
    }
    Ok(compiler.out)
}

fn is_ipv4(to: Destination) -> bool {
    !matches!(to, Destination::Address { address, .. } if address.is_ipv6())
}

pub(crate) fn protocol(protocol: rule_ir::Protocol) -> Protocol {
    match protocol {
        rule_ir::Protocol::Tcp => Protocol::Tcp,
        rule_ir::Protocol::Udp => Protocol::Udp,
        rule_ir::Protocol::Sctp => Protocol::Sctp,
    }
}

struct Compiler<'a> {
    service: &'a ServiceRules,
    networks: &'a Networks,
    out: CompiledService,
}

impl Compiler<'_> {
    /// All rules for one destination, in order.
    fn destination(&mut self, steps: &[&rule_ir::Rule]) -> Result<(), CompileError> {
        if let [only] = steps
            && let (Source::Anyone, Action::Forward { pool, masquerade }) = (&only.from, only.action)
            && masquerade != Masquerade::Everybody
        {
            let chain = self.pool_chain(pool)?;
            self.masquerade_strangers(only, &chain, masquerade);
            self.dispatch(only, &chain);
            return Ok(());
        }
        if steps.iter().any(|step| matches!(step.action, Action::Forward { .. })) {
            let chain = self.steps_chain(steps)?;
            self.dispatch(steps[0], &chain);
        }
        for step in steps {
            self.refuse(step)?;
        }
        Ok(())
    }

    /// `namespace/name:port`, as people write a service's port.
    fn port_name(&self, port: &str) -> String {
        let ServiceRules { namespace, name, .. } = self.service;
        if port.is_empty() { format!("{namespace}/{name}") } else { format!("{namespace}/{name}:{port}") }
    }

    fn identity(&self, port: &str, port_protocol: rule_ir::Protocol) -> String {
        self.port_name(port) + protocol(port_protocol).as_str()
    }

    fn note(&self, rule: &rule_ir::Rule) -> String {
        format!("{} {}", self.port_name(&rule.port), rule.note)
    }

    /// The rule narrowed to what was sent to the destination.
    fn sent_to(&self, rule: Rule, step: &rule_ir::Rule, note: bool) -> Rule {
        let (rule, port) = match step.to {
            Destination::Address { address, port } => (rule.to(Block::In(Cidr::host(address))), port),
            Destination::NodePort { port } => (rule, port),
        };
        let rule = rule.protocol(protocol(step.protocol));
        let rule = if note { rule.comment(self.note(step)) } else { rule };
        rule.when(Match::DestinationPort(port))
    }

    fn dispatch(&mut self, step: &rule_ir::Rule, chain: &ChainName) {
        let rule = self.sent_to(Rule::jump(chain), step, true);
        match step.to {
            Destination::Address { .. } => self.out.dispatch.nat_services.push(rule),
            Destination::NodePort { .. } => self.out.dispatch.nat_node_ports.push(rule),
        }
    }

    fn masquerade_strangers(&mut self, step: &rule_ir::Rule, chain: &ChainName, masquerade: Masquerade) {
        let (Masquerade::Strangers, Some(pods)) = (masquerade, self.networks.pods) else { return };
        let mark = Rule::jump(&mark_masquerade()).from(Block::NotIn(pods));
        let mark = self.sent_to(mark, step, false);
        self.out.chains.entry(chain.clone()).or_default().insert(0, mark);
    }

    /// A chain that tries the steps in order.
    fn steps_chain(&mut self, steps: &[&rule_ir::Rule]) -> Result<ChainName, CompileError> {
        let mut rules = Vec::new();
        for step in steps {
            for from in self.sources(&step.from)? {
                rules.extend(self.step(step, from)?);
            }
        }
        // Destinations that are handled alike share the chain.
        let identity = self.identity(&steps[0].port, steps[0].protocol);
        let name = hashed("KUBE-EXT-", &identity);
        let taken = self.out.chains.get(&name).is_some_and(|other| *other != rules);
        let name = if taken { hashed("KUBE-EXT-", &format!("{identity}{:?}", steps[0].to)) } else { name };
        self.out.chains.insert(name.clone(), rules);
        Ok(name)
    }

    fn step(&mut self, step: &rule_ir::Rule, from: Narrow) -> Result<Vec<Rule>, CompileError> {
        let Action::Forward { pool, masquerade } = step.action else {
            // The filter table refuses it, by the destination that it still has then.
            return Ok(vec![from.narrow(Rule::new(Target::Return))]);
        };
        let forward = from.narrow(Rule::jump(&self.pool_chain(pool)?));
        let mark = || Rule::jump(&mark_masquerade()).comment(format!("masquerade traffic for {}", self.note(step)));
        let mark = match (masquerade, from, self.networks.pods) {
            (Masquerade::Nobody, ..) => None,
            (Masquerade::Strangers, Narrow::Anyone, Some(pods)) => Some(mark().from(Block::NotIn(pods))),
            (Masquerade::Strangers, Narrow::Block(block), Some(pods)) if block == pods => None,
            (Masquerade::Strangers | Masquerade::Everybody, ..) => Some(from.narrow(mark())),
        };
        Ok(mark.into_iter().chain([forward]).collect())
    }

    /// Each way to be the source; none if nobody can be.
    fn sources(&self, source: &Source) -> Result<Vec<Narrow>, CompileError> {
        match source {
            Source::Anyone => Ok(vec![Narrow::Anyone]),
            Source::Pods => Ok(self.networks.pods.map(Narrow::Block).into_iter().collect()),
            Source::Node => Ok(vec![Narrow::Node]),
            Source::Blocks { blocks } => blocks
                .iter()
                .map(|block| block.trim().parse().map_err(|_| CompileError::BadBlock(block.clone())))
                .filter(|block| block.as_ref().map_or(true, Cidr::is_ipv4))
                .map(|block| block.map(Narrow::Block))
                .collect(),
        }
    }

    fn refuse(&mut self, step: &rule_ir::Rule) -> Result<(), CompileError> {
        let target = match step.action {
            Action::Reject => Target::Reject,
            Action::Drop => Target::Drop,
            Action::Forward { .. } => return Ok(()),
        };
        for from in self.sources(&step.from)? {
            let rule = from.narrow(self.sent_to(Rule::new(target.clone()), step, true));
            match step.to {
                // An address that the node itself has is the node's to answer: cluster DNS has no endpoints.
                Destination::Address { .. } => {
                    self.out.dispatch.filter_services.push(rule.when(Match::DestinationIsElsewhere));
                }
                Destination::NodePort { .. } => self.out.dispatch.filter_node_ports.push(rule),
            }
        }
        Ok(())
    }

    fn pool_chain(&mut self, index: usize) -> Result<ChainName, CompileError> {
        let missing = CompileError::NoSuchPool(index);
        let pool = self.service.pools.get(index).filter(|pool| !pool.backends.is_empty()).ok_or(missing)?;
        let name = self.pool_name(index, pool);
        if !self.out.chains.contains_key(&name) {
            let rules = self.pool_rules(pool);
            self.out.chains.insert(name.clone(), rules);
        }
        Ok(name)
    }

    fn pool_name(&self, index: usize, pool: &Pool) -> ChainName {
        let prefix = if pool.scope == Scope::Cluster { "KUBE-SVC-" } else { "KUBE-SVL-" };
        let identity = self.identity(&pool.port, pool.protocol);
        let same =
            |other: &&Pool| (&other.port, other.protocol, other.scope) == (&pool.port, pool.protocol, pool.scope);
        match self.service.pools[..index].iter().filter(same).count() {
            0 => hashed(prefix, &identity),
            nth => hashed(prefix, &format!("{identity}#{nth}")),
        }
    }

    fn pool_rules(&mut self, pool: &Pool) -> Vec<Rule> {
        let backends: Vec<Backend> = pool.backends.iter().filter(|b| b.address.is_ipv4()).copied().collect();
        match pool.affinity {
            // Endpoints get no chains of their own: with ten each, those of 5,000 services would make every change of the
            // nf_tables kind twice as slow, and the full table twenty times.
            None => shares(&backends, |backend| dnat(pool, backend)),
            Some(affinity) => {
                let chains: Vec<_> = backends.iter().map(|backend| self.affinity_chain(pool, backend)).collect();
                let seconds = affinity.timeout_seconds;
                let back =
                    chains.iter().map(|list| Rule::jump(list).when(Match::SeenWithin { list: list.clone(), seconds }));
                let mut next = chains.iter();
                let fresh = shares(&backends, |_| Rule::jump(next.next().expect("a chain for each backend")));
                back.chain(fresh).collect()
            }
        }
    }

    fn affinity_chain(&mut self, pool: &Pool, backend: &Backend) -> ChainName {
        let identity = self.identity(&pool.port, pool.protocol);
        let name = hashed("KUBE-SEP-", &format!("{identity}{}", socket(backend)));
        let rule = dnat(pool, backend).when(Match::Remember(name.clone())).when(Match::ProtocolOnly);
        self.out.chains.insert(name.clone(), vec![rule]);
        name
    }
}

fn socket(backend: &Backend) -> SocketAddr {
    (backend.address, backend.port).into()
}

fn dnat(pool: &Pool, backend: &Backend) -> Rule {
    Rule::new(Target::Dnat(socket(backend))).protocol(protocol(pool.protocol))
}

/// One rule for each backend, so that each gets its weight's part of all: a rule's share is of what the ones before it left.
fn shares(backends: &[Backend], mut rule: impl FnMut(&Backend) -> Rule) -> Vec<Rule> {
    let weight = |backend: &Backend| u64::from(backend.weight.max(1));
    let mut left: u64 = backends.iter().map(weight).sum();
    let share = |backend: &Backend| {
        let (mine, of) = (weight(backend), left);
        left -= mine;
        let rule = rule(backend);
        if mine == of { rule } else { rule.when(Match::share(mine, of)) }
    };
    backends.iter().map(share).collect()
}

/// A source as a match.
#[derive(Clone, Copy)]
enum Narrow {
    Anyone,
    Block(Cidr),
    Node,
}

impl Narrow {
    fn narrow(self, rule: Rule) -> Rule {
        match self {
            Self::Anyone => rule,
            Self::Block(block) => rule.from(Block::In(block)),
            Self::Node => rule.when(Match::SourceIsLocal),
        }
    }
}

/// The backends' addresses and the service addresses of the UDP rules: what connection tracking may still remember.
pub fn udp_flows(service: &ServiceRules) -> Vec<(Destination, Vec<IpAddr>)> {
    let udp = service.rules.iter().filter(|rule| rule.protocol == rule_ir::Protocol::Udp);
    let mut flows: BTreeMap<Destination, Vec<IpAddr>> = BTreeMap::new();
    for rule in udp.filter(|rule| is_ipv4(rule.to)) {
        let known = flows.entry(rule.to).or_default();
        if let Action::Forward { pool, .. } = rule.action {
            let backends = service.pools.get(pool).map(|pool| pool.backends.as_slice()).unwrap_or_default();
            known.extend(backends.iter().map(|backend| backend.address));
        }
    }
    flows.into_iter().collect()
}
