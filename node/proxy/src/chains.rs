//! The chains that every node has, and the names of those that services get. Both follow kube-proxy, so that what people
//! know of `iptables-save` on a Kubernetes node holds here too.

use gantry_netfilter::{Block, ChainName, Cidr, ConntrackState, Hook, Match, Ownership, Rule, RuleSet, Table, Target};
use sha2::{Digest, Sha256};

/// The mark of packets whose source is to be masqueraded.
pub const MASQUERADE_MARK: u32 = 0x4000;

/// The addresses that the rules need to know, IPv4.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Networks {
    /// All pods of the cluster.
    pub pods: Option<Cidr>,
}

fn fixed(name: &str) -> ChainName {
    ChainName::new(name).expect("the names below are short and plain")
}

/// Service addresses: in nat they lead to services, in filter they refuse.
pub fn services() -> ChainName {
    fixed("KUBE-SERVICES")
}

/// The same for ports of the node itself.
pub fn node_ports() -> ChainName {
    fixed("KUBE-NODEPORTS")
}

pub fn mark_masquerade() -> ChainName {
    fixed("KUBE-MARK-MASQ")
}

fn postrouting() -> ChainName {
    fixed("KUBE-POSTROUTING")
}

fn forward() -> ChainName {
    fixed("KUBE-FORWARD")
}

fn firewall() -> ChainName {
    fixed("KUBE-FIREWALL")
}

/// The chains that the proxy writes, and no others: `KUBE-KUBELET-CANARY` and the CNI plugins' stay.
pub fn ownership() -> Ownership {
    Ownership {
        names: vec![services(), node_ports(), mark_masquerade(), postrouting(), forward(), firewall()],
        prefixes: ["KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-SEP-"].map(str::to_owned).into(),
    }
}

/// A chain named by what it is for: stable from one run to the next, and kube-proxy's name where it has the same chain.
pub fn hashed(prefix: &str, identity: &str) -> ChainName {
    let digest = Sha256::digest(identity.as_bytes());
    fixed(&format!("{prefix}{}", base32(&digest[..10])))
}

/// RFC 4648 without padding; ten bytes make sixteen letters.
fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let five_bits = |n: usize| {
        let word = u16::from(bytes[n * 5 / 8]) << 8 | u16::from(*bytes.get(n * 5 / 8 + 1).unwrap_or(&0));
        char::from(LETTERS[usize::from(word >> (11 - n * 5 % 8)) & 31])
    };
    (0..bytes.len() * 8 / 5).map(five_bits).collect()
}

/// Hooks and the chains that do not depend on any service. The two dispatch chains are the caller's to add.
pub fn base(networks: &Networks) -> RuleSet {
    let mut set = RuleSet { hooks: hooks(), ..RuleSet::default() };
    set.insert(Table::Nat, &mark_masquerade(), vec![Rule::new(Target::SetMark(MASQUERADE_MARK))]);
    set.insert(Table::Nat, &postrouting(), postrouting_rules(networks));
    set.insert(Table::Filter, &forward(), forward_rules(networks));
    set.insert(Table::Filter, &firewall(), firewall_rules());
    set
}

fn hooks() -> Vec<Hook> {
    let portals = |built_in| (built_in, Rule::jump(&services()).comment("kubernetes service portals"));
    let new = |(built_in, rule): (&'static str, Rule)| (built_in, rule.when(Match::Conntrack(ConntrackState::New)));
    let nat = [
        portals("PREROUTING"),
        portals("OUTPUT"),
        ("POSTROUTING", Rule::jump(&postrouting()).comment("kubernetes postrouting rules")),
    ];
    let filter = [
        ("INPUT", Rule::jump(&firewall())),
        new(portals("INPUT")),
        new(portals("FORWARD")),
        ("FORWARD", Rule::jump(&forward()).comment("kubernetes forwarding rules")),
        new(portals("OUTPUT")),
    ];
    let hook = |table| move |(built_in, rule)| Hook { table, built_in: fixed(built_in), rule };
    nat.into_iter().map(hook(Table::Nat)).chain(filter.into_iter().map(hook(Table::Filter))).collect()
}

/// Pods keep their address towards pods, whatever the node; everywhere else they appear as their node.
fn postrouting_rules(networks: &Networks) -> Vec<Rule> {
    let hairpin = Rule::new(Target::Masquerade)
        .when(Match::Conntrack(ConntrackState::Dnat))
        .when(Match::SourceIsDestination)
        .comment("a pod that reaches itself through a service");
    let marked = [
        Rule::new(Target::Return).when(Match::Unmarked(MASQUERADE_MARK)),
        // The mark must not be there when the packet passes again, encapsulated.
        Rule::new(Target::FlipMark(MASQUERADE_MARK)),
        Rule::new(Target::Masquerade).comment("kubernetes service traffic requiring SNAT"),
    ];
    let multicast = Cidr::new([224, 0, 0, 0].into(), 4);
    let egress = networks.pods.into_iter().flat_map(|pods| {
        let from_pods = |target| Rule::new(target).from(Block::In(pods));
        [
            from_pods(Target::Return).to(Block::In(pods)).when(Match::Unmarked(MASQUERADE_MARK)),
            from_pods(Target::Return).to(Block::In(multicast)),
            from_pods(Target::Masquerade).to(Block::NotIn(pods)).comment("pods leaving the cluster"),
        ]
    });
    [hairpin].into_iter().chain(egress).chain(marked).collect()
}

fn forward_rules(networks: &Networks) -> Vec<Rule> {
    let pods = networks.pods.into_iter().flat_map(|pods| {
        let accept = || Rule::new(Target::Accept).comment("pod traffic");
        [accept().from(Block::In(pods)), accept().to(Block::In(pods))]
    });
    [
        Rule::new(Target::Drop).when(Match::Conntrack(ConntrackState::Invalid)),
        Rule::new(Target::Accept).when(Match::Marked(MASQUERADE_MARK)).comment("kubernetes forwarding rules"),
        Rule::new(Target::Accept).when(Match::Conntrack(ConntrackState::RelatedOrEstablished)),
    ]
    .into_iter()
    .chain(pods)
    .collect()
}

/// Node ports on 127.0.0.1 need route_localnet; nobody else may come in by that.
fn firewall_rules() -> Vec<Rule> {
    let loopback = Cidr::new([127, 0, 0, 0].into(), 8);
    let martian = Rule::new(Target::Drop)
        .from(Block::NotIn(loopback))
        .to(Block::In(loopback))
        .when(Match::Conntrack(ConntrackState::Unexpected))
        .comment("block incoming localnet connections");
    vec![martian]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_kube_proxy_gives() {
        assert_eq!(hashed("KUBE-SVC-", "default/kubernetes:httpstcp").as_str(), "KUBE-SVC-NPX46M4PTMTKRN6Y");
    }
}
