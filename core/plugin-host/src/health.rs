//! When a plugin is left out, and when it is let in again.

use std::{
    collections::VecDeque,
    fmt,
    time::{Duration, Instant},
};

/// So many faults within the window quarantine a plugin; a hang does at once.
const FAULTS_MAX: usize = 3;
const WINDOW: Duration = Duration::from_secs(60);
/// How long each quarantine lasts; after the last one the plugin stays off.
const ROUNDS: [Duration; 3] = [Duration::from_secs(60), Duration::from_secs(300), Duration::from_secs(1800)];
/// After so long without a fault, earlier quarantines are forgotten.
const GOOD_CONDUCT: Duration = Duration::from_secs(3600);

/// What a plugin did wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    Panic(String),
    /// It returned late, or gave up at its deadline.
    Deadline,
    /// It did not return.
    Hang,
    /// A length, number, index or text that the contract forbids.
    BadResult(String),
    /// It could not be created again.
    Create(String),
}

impl Fault {
    /// One word for conditions and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Panic(_) => "Panic",
            Self::Deadline => "Deadline",
            Self::Hang => "Hang",
            Self::BadResult(_) => "BadResult",
            Self::Create(_) => "CreateFailed",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic(message) => f.write_str(message),
            Self::Deadline => f.write_str("exceeded its deadline"),
            Self::Hang => f.write_str("does not return"),
            Self::BadResult(what) => write!(f, "returned {what}"),
            Self::Create(why) => write!(f, "cannot be created: {why}"),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Healthy,
    Quarantined {
        until: Instant,
    },
    /// Until an operator configures it anew.
    Off,
}

/// The conduct of one plugin. Time comes in as an argument.
#[derive(Debug)]
pub(crate) struct Health {
    state: State,
    recent: VecDeque<Instant>,
    last_fault_at: Option<Instant>,
    rounds: usize,
    pub(crate) faults_total: u64,
    pub(crate) last_fault: Option<Fault>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            state: State::Healthy,
            recent: VecDeque::new(),
            last_fault_at: None,
            rounds: 0,
            faults_total: 0,
            last_fault: None,
        }
    }
}

impl Health {
    /// The state at `now`; a quarantine that is over ends here.
    pub(crate) fn state(&mut self, now: Instant) -> State {
        if let State::Quarantined { until } = self.state
            && now >= until
        {
            self.state = State::Healthy;
            self.recent.clear();
        }
        self.state
    }

    /// Notes a fault. True if the plugin is left out from now on.
    pub(crate) fn fault(&mut self, fault: Fault, now: Instant) -> bool {
        if self.last_fault_at.is_some_and(|at| now - at > GOOD_CONDUCT) {
            self.rounds = 0;
        }
        let hang = fault == Fault::Hang;
        self.faults_total += 1;
        self.last_fault = Some(fault);
        self.last_fault_at = Some(now);
        self.recent.push_back(now);
        while self.recent.front().is_some_and(|at| now - *at > WINDOW) {
            self.recent.pop_front();
        }
        if self.state != State::Healthy || !(hang || self.recent.len() >= FAULTS_MAX) {
            return false;
        }
        self.state = ROUNDS.get(self.rounds).map_or(State::Off, |length| State::Quarantined { until: now + *length });
        self.rounds += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panicked() -> Fault {
        Fault::Panic("panicked: x".into())
    }

    #[test]
    fn the_third_fault_within_a_minute_quarantines() {
        let (mut health, start) = (Health::default(), Instant::now());
        assert!(!health.fault(panicked(), start));
        assert!(!health.fault(panicked(), start + Duration::from_secs(61)), "the first is forgotten");
        assert!(!health.fault(panicked(), start + Duration::from_secs(62)), "two within a minute");
        let third = start + Duration::from_secs(63);
        assert!(health.fault(panicked(), third));
        assert_eq!(health.state(third), State::Quarantined { until: third + ROUNDS[0] });
    }

    #[test]
    fn quarantines_grow_until_the_plugin_stays_off() {
        let (mut health, mut now) = (Health::default(), Instant::now());
        for round in ROUNDS {
            assert!(health.fault(Fault::Hang, now));
            assert_eq!(health.state(now), State::Quarantined { until: now + round });
            now += round;
            assert_eq!(health.state(now), State::Healthy);
        }
        assert!(health.fault(Fault::Hang, now));
        assert_eq!(health.state(now + Duration::from_secs(1 << 20)), State::Off);
    }

    #[test]
    fn an_hour_of_good_conduct_wipes_the_slate() {
        let (mut health, now) = (Health::default(), Instant::now());
        assert!(health.fault(Fault::Hang, now));
        let later = now + GOOD_CONDUCT + Duration::from_secs(1);
        assert_eq!(health.state(later), State::Healthy);
        assert!(health.fault(Fault::Hang, later));
        assert_eq!(health.state(later), State::Quarantined { until: later + ROUNDS[0] });
    }
}
