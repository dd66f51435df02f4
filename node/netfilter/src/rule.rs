//! One rule as typed values, and its one text form.
//!
//! The text is written exactly as `iptables-save` prints it (tried with 1.8.9, legacy and nf_tables), so that rules read
//! back from the kernel compare equal to those that we would write.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::chain::ChainName;

/// The address families' notion of a network: an address and how many of its leading bits count.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// The network that holds `address`: bits behind the prefix are cleared, a prefix too long is cut to the family's length.
    pub fn new(address: IpAddr, prefix: u8) -> Self {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.min(bits);
        let address = match address {
            IpAddr::V4(v4) => IpAddr::V4((u32::from(v4) & mask32(prefix)).into()),
            IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & mask128(prefix)).into()),
        };
        Self { address, prefix }
    }

    /// The network of one address only.
    pub fn host(address: IpAddr) -> Self {
        Self::new(address, 128)
    }

    pub fn address(&self) -> IpAddr {
        self.address
    }

    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    pub fn is_ipv4(&self) -> bool {
        self.address.is_ipv4()
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        self.is_ipv4() == address.is_ipv4() && Self::new(address, self.prefix) == *self
    }
}

fn mask32(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

fn mask128(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The text was neither `ADDRESS/PREFIX` nor an address.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not an address block (want ADDRESS/PREFIX)")]
pub struct NotACidr(pub String);

impl FromStr for Cidr {
    type Err = NotACidr;

    fn from_str(text: &str) -> Result<Self, NotACidr> {
        let wrong = || NotACidr(text.to_owned());
        let Some((address, prefix)) = text.split_once('/') else {
            return text.parse().map(Self::host).map_err(|_| wrong());
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        if prefix > bits { Err(wrong()) } else { Ok(Self::new(address, prefix)) }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    /// As iptables names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ConntrackState {
    New,
    Invalid,
    RelatedOrEstablished,
    /// The destination was rewritten.
    Dnat,
    /// Neither part of a known connection nor one whose destination was rewritten.
    Unexpected,
}

/// What a packet must look like, besides addresses and protocol. Matches are written in the order they were added.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Match {
    /// Matches everything; tells a person what the rule is for.
    Comment(String),
    /// Needs the rule's protocol.
    DestinationPort(u16),
    SourceIsLocal,
    DestinationIsLocal,
    DestinationIsElsewhere,
    /// IPv4 only: sent by the very address that it goes to, after all rewriting.
    SourceIsDestination,
    /// Any of the mark's bits is not set.
    Unmarked(u32),
    Marked(u32),
    Conntrack(ConntrackState),
    /// Matches this share of the packets: `part / 2^31`, as the kernel keeps it.
    Share(u32),
    /// The packet's source was remembered in this list within so many seconds.
    SeenWithin {
        list: ChainName,
        seconds: u32,
    },
    /// Remembers the packet's source in this list.
    Remember(ChainName),
    /// Carries the implicit match of the protocol, without a port.
    ProtocolOnly,
}

impl Match {
    /// `weight` of `total`, both at least 1, as a probability.
    pub fn share(weight: u64, total: u64) -> Self {
        let part = (u128::from(weight) << 31).div_ceil(u128::from(total.max(1)));
        Self::Share(u32::try_from(part).unwrap_or(1 << 31).min(1 << 31))
    }
}

/// What becomes of a packet that matches.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Target {
    Jump(ChainName),
    Accept,
    Drop,
    Return,
    /// Answers with ICMP port unreachable.
    Reject,
    Dnat(SocketAddr),
    Masquerade,
    /// Sets these bits of the mark.
    SetMark(u32),
    /// Flips these bits of the mark.
    FlipMark(u32),
}

/// A match on an address block, or on everything outside it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Block {
    In(Cidr),
    NotIn(Cidr),
}

/// One rule of one chain.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Rule {
    source: Option<Block>,
    destination: Option<Block>,
    protocol: Option<Protocol>,
    matches: Vec<Match>,
    target: Target,
}

impl Rule {
    /// A rule that matches every packet until it is narrowed down.
    pub fn new(target: Target) -> Self {
        Self { source: None, destination: None, protocol: None, matches: Vec::new(), target }
    }

    pub fn jump(chain: &ChainName) -> Self {
        Self::new(Target::Jump(chain.clone()))
    }

    #[must_use]
    pub fn from(mut self, block: Block) -> Self {
        self.source = Some(block);
        self
    }

    #[must_use]
    pub fn to(mut self, block: Block) -> Self {
        self.destination = Some(block);
        self
    }

    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = Some(protocol);
        self
    }

    #[must_use]
    pub fn when(mut self, matching: Match) -> Self {
        self.matches.push(matching);
        self
    }

    #[must_use]
    pub fn comment(self, text: impl Into<String>) -> Self {
        self.when(Match::Comment(text.into()))
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    fn write_match(&self, matching: &Match, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = self.protocol.map_or("", Protocol::as_str);
        match matching {
            Match::Comment(text) => write!(f, " -m comment --comment {}", Quoted(text)),
            Match::DestinationPort(port) => write!(f, " -m {protocol} --dport {port}"),
            Match::SourceIsLocal => f.write_str(" -m addrtype --src-type LOCAL"),
            Match::DestinationIsLocal => f.write_str(" -m addrtype --dst-type LOCAL"),
            Match::DestinationIsElsewhere => f.write_str(" -m addrtype ! --dst-type LOCAL"),
            Match::SourceIsDestination => write!(f, " -m bpf --bytecode \"{SOURCE_IS_DESTINATION}\""),
            Match::Unmarked(bits) => write!(f, " -m mark ! --mark {bits:#x}/{bits:#x}"),
            Match::Marked(bits) => write!(f, " -m mark --mark {bits:#x}/{bits:#x}"),
            Match::Conntrack(state) => write!(f, " -m conntrack {}", conntrack_state(*state)),
            Match::Share(part) => write_share(*part, f),
            Match::SeenWithin { list, seconds } => write!(
                f,
                " -m recent --rcheck --seconds {seconds} --reap --name {list} --mask 255.255.255.255 --rsource"
            ),
            Match::Remember(list) => {
                write!(f, " -m recent --set --name {list} --mask 255.255.255.255 --rsource")
            }
            Match::ProtocolOnly => write!(f, " -m {protocol}"),
        }
    }
}

/// A classic BPF program of six instructions: load the source, keep it, load the destination, compare, match or not.
const SOURCE_IS_DESTINATION: &str = "6,32 0 0 12,7 0 0 0,32 0 0 16,29 0 1 0,6 0 0 65535,6 0 0 0";

fn conntrack_state(state: ConntrackState) -> &'static str {
    match state {
        ConntrackState::New => "--ctstate NEW",
        ConntrackState::Invalid => "--ctstate INVALID",
        ConntrackState::RelatedOrEstablished => "--ctstate RELATED,ESTABLISHED",
        ConntrackState::Dnat => "--ctstate DNAT",
        ConntrackState::Unexpected => "! --ctstate RELATED,ESTABLISHED,DNAT",
    }
}

fn write_share(part: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, " -m statistic --mode random --probability {:.11}", f64::from(part) / f64::from(1_u32 << 31))
}

fn write_block(flag: &str, block: Option<Block>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match block {
        None => Ok(()),
        Some(Block::In(cidr)) => write!(f, " {flag} {cidr}"),
        Some(Block::NotIn(cidr)) => write!(f, " ! {flag} {cidr}"),
    }
}

/// The rule's specification, without `-A CHAIN`: every part with a blank before it.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_block("-s", self.source, f)?;
        write_block("-d", self.destination, f)?;
        if let Some(protocol) = self.protocol {
            write!(f, " -p {}", protocol.as_str())?;
        }
        self.matches.iter().try_for_each(|matching| self.write_match(matching, f))?;
        write!(f, " -j {}", self.target)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jump(chain) => write!(f, "{chain}"),
            Self::Accept => f.write_str("ACCEPT"),
            Self::Drop => f.write_str("DROP"),
            Self::Return => f.write_str("RETURN"),
            Self::Reject => f.write_str("REJECT --reject-with icmp-port-unreachable"),
            Self::Dnat(to) => write!(f, "DNAT --to-destination {to}"),
            Self::Masquerade => f.write_str("MASQUERADE --random-fully"),
            Self::SetMark(bits) => write!(f, "MARK --set-xmark {bits:#x}/{bits:#x}"),
            Self::FlipMark(bits) => write!(f, "MARK --set-xmark {bits:#x}/0x0"),
        }
    }
}

/// Longest comment that the kernel keeps, in bytes.
const COMMENT_MAX: usize = 255;

/// A comment as iptables-save quotes it. Control characters, which would break the line, become blanks.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if !self.0.is_empty() && self.0.len() <= COMMENT_MAX && self.0.chars().all(plain) {
            return f.write_str(self.0);
        }
        f.write_str("\"")?;
        let mut room = COMMENT_MAX;
        for c in self.0.chars().take_while(|c| take(&mut room, c.len_utf8())) {
            match c {
                '"' | '\\' | '\'' => write!(f, "\\{c}")?,
                c if c.is_control() => f.write_str(" ")?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

fn take(room: &mut usize, bytes: usize) -> bool {
    let fits = *room >= bytes;
    *room = room.saturating_sub(bytes);
    fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_keeps_only_the_bits_of_its_prefix() {
        assert_eq!("10.244.3.7/16".parse::<Cidr>().map(|c| c.to_string()), Ok("10.244.0.0/16".into()));
        assert_eq!("fd00::1".parse::<Cidr>().map(|c| c.to_string()), Ok("fd00::1/128".into()));
        assert_eq!("0.0.0.0/0".parse::<Cidr>().map(|c| c.to_string()), Ok("0.0.0.0/0".into()));
        assert!("10.0.0.0/33".parse::<Cidr>().is_err());
    }

    #[test]
    fn a_block_contains_its_own_addresses_and_none_of_the_other_family() {
        let block: Cidr = "10.244.0.0/16".parse().expect("a block");
        assert!(block.contains("10.244.255.1".parse().expect("an address")));
        assert!(!block.contains("10.245.0.1".parse().expect("an address")));
        assert!(!block.contains("fd00::1".parse().expect("an address")));
    }

    #[test]
    fn a_share_is_what_the_kernel_would_print() {
        let text = Rule::new(Target::Accept).when(Match::share(1, 3)).to_string();
        assert_eq!(text.trim(), "-m statistic --mode random --probability 0.33333333349 -j ACCEPT");
        assert_eq!(Match::share(7, 7), Match::Share(1 << 31));
    }

    #[test]
    fn a_comment_cannot_break_out_of_its_line() {
        let text = Rule::new(Target::Accept).comment("a\"b\n-A INPUT -j DROP").to_string();
        assert_eq!(text.trim(), "-m comment --comment \"a\\\"b -A INPUT -j DROP\" -j ACCEPT");
    }
}
