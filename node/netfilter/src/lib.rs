//! The node's packet filter: a pure model of chains and rules, the difference between two of them, and the driver that
//! makes the kernel follow in one atomic step per table.
//!
//! Invariant: only chains that [`Ownership`] claims, and the [`Hook`]s into them, are ever written. What anybody else put
//! into the tables stays as it is.
//!
//! Invariant: the kernel's tables are read at start, and when they no longer are what we left; never to apply a change.
//! What is applied is the difference from the [`Shadow`], so its size follows the change and not the number of services.

pub mod chain;
pub mod diff;
pub mod driver;
mod edit;
pub mod iptables;
pub mod rule;
mod saved;
pub mod shadow;

pub use chain::{Chain, ChainName, ChainRef, Hook, Ownership, RuleSet, Table};
pub use diff::{Payload, diff};
pub use driver::{Applied, FirewallDriver, FirewallError, Update};
pub use iptables::{IptablesDriver, Programs};
pub use rule::{Block, Cidr, ConntrackState, Match, Protocol, Rule, Target};
pub use shadow::Shadow;
