//! How long a container that ends again and again waits before its next start.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

pub const FIRST: SignedDuration = SignedDuration::from_secs(10);
pub const MAX: SignedDuration = SignedDuration::from_secs(300);
/// After this long without a restart the next wait is the first one again.
const FORGET: SignedDuration = SignedDuration::from_secs(600);

#[derive(Clone, Debug)]
struct Entry {
    wait: SignedDuration,
    since: Timestamp,
}

/// The waits of one pod's containers, by name.
#[derive(Clone, Debug, Default)]
pub struct RestartBackoffs {
    entries: HashMap<String, Entry>,
}

impl RestartBackoffs {
    /// How long a container that ended at `finished` has to wait; zero for its first restart.
    pub fn wait(&self, name: &str, finished: Timestamp) -> SignedDuration {
        match self.entries.get(name) {
            Some(entry) if finished.duration_since(entry.since) < FORGET => entry.wait,
            _ => SignedDuration::ZERO,
        }
    }

    /// A container that had ended is being started again.
    pub fn restarted(&mut self, name: &str, finished: Timestamp, now: Timestamp) {
        let last = self.wait(name, finished);
        let wait = if last.is_zero() { FIRST } else { (last * 2).min(MAX) };
        self.entries.insert(name.into(), Entry { wait, since: now });
    }
}

/// `10s`, `1m20s`, `5m0s`: durations as messages show them.
pub fn shown(duration: SignedDuration) -> String {
    match (duration.as_secs() / 60, duration.as_secs() % 60) {
        (0, seconds) => format!("{seconds}s"),
        (minutes, seconds) => format!("{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    #[test]
    fn waits_double_to_five_minutes_and_are_forgotten_after_ten_quiet_ones() {
        let mut backoffs = RestartBackoffs::default();
        let mut now = 1000;
        for expected in [0, 10, 20, 40, 80, 160, 300, 300] {
            assert_eq!(backoffs.wait("a", at(now)), SignedDuration::from_secs(expected));
            backoffs.restarted("a", at(now), at(now + expected));
            now += expected;
        }
        assert_eq!(backoffs.wait("a", at(now + 601)), SignedDuration::ZERO);
        assert_eq!(backoffs.wait("b", at(now)), SignedDuration::ZERO);
    }

    #[test]
    fn durations_are_shown_as_go_does() {
        assert_eq!(shown(SignedDuration::from_secs(10)), "10s");
        assert_eq!(shown(SignedDuration::from_secs(300)), "5m0s");
    }
}
