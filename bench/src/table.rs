//! The lines that a part of the benchmark ends with: what was measured, what it should be, what the peer does.

use std::fmt;

/// One figure. It is a report, not a test: nothing fails on it.
pub struct Row {
    pub what: String,
    pub unit: &'static str,
    pub measured: f64,
    pub budget: Budget,
    /// The peer's figure and its name.
    pub peer: Option<(f64, &'static str)>,
}

#[derive(Clone, Copy)]
pub enum Budget {
    Most(f64),
    Least(f64),
    /// At most so many times the peer's figure.
    PeersMost(f64),
    /// At least so many times the peer's figure.
    PeersLeast(f64),
    /// Nobody set one: the figure is for comparison with other runs.
    None,
}

impl Row {
    /// Without a peer; see [`Row::against`].
    pub fn new(what: impl Into<String>, unit: &'static str, measured: f64, budget: Budget) -> Self {
        Self { what: what.into(), unit, measured, budget, peer: None }
    }

    /// With the peer's figure, where there is a peer.
    #[must_use]
    pub fn against(self, peer: Option<(f64, &'static str)>) -> Self {
        Self { peer, ..self }
    }

    /// `None` where it takes a peer to tell, or there is no budget.
    fn is_met(&self) -> Option<bool> {
        let ratio = self.peer.map(|(peer, _)| self.measured / peer);
        match self.budget {
            Budget::Most(most) => Some(self.measured <= most),
            Budget::Least(least) => Some(self.measured >= least),
            Budget::PeersMost(most) => Some(ratio? <= most),
            Budget::PeersLeast(least) => Some(ratio? >= least),
            Budget::None => None,
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Most(most) => write!(f, "<= {most}"),
            Self::Least(least) => write!(f, ">= {least}"),
            Self::PeersMost(most) => write!(f, "<= {most} x peer"),
            Self::PeersLeast(least) => write!(f, ">= {least} x peer"),
            Self::None => write!(f, "-"),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let measured = format!("{} {}", short(self.measured), self.unit);
        write!(f, "{:<58} {measured:>14} {:>15}", self.what, self.budget.to_string())?;
        match self.peer {
            Some((peer, name)) => write!(f, "  {:>8} {name:<14} {:>6.2} x", short(peer), self.measured / peer)?,
            None => write!(f, "  {:>8} {:<14} {:>8}", "-", "", "")?,
        }
        match (self.is_met(), self.budget) {
            (Some(true), _) => write!(f, "  met"),
            (Some(false), _) => write!(f, "  MISSED"),
            (None, Budget::None) => Ok(()),
            (None, _) => write!(f, "  no peer"),
        }
    }
}

/// Three digits that matter.
fn short(figure: f64) -> String {
    match figure.abs() {
        least if least < 10.0 => format!("{figure:.2}"),
        some if some < 100.0 => format!("{figure:.1}"),
        _ => format!("{figure:.0}"),
    }
}

pub fn print(title: &str, rows: &[Row]) {
    println!("\n{title}\n{:<58} {:>14} {:>15}  {:>8} {:<14} {:>8}", "", "measured", "budget", "peer", "", "ratio");
    rows.iter().for_each(|row| println!("{row}"));
}
