//! How long to wait before trying again.

use std::time::Duration;

/// Doubling delays with full jitter: each wait is random between half the current step and the step.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    step: Duration,
}

impl Backoff {
    pub fn new(first: Duration, max: Duration) -> Self {
        Self { first, max, step: first }
    }

    /// The next delay; each is longer, up to the maximum.
    pub fn next_delay(&mut self) -> Duration {
        let step = self.step;
        self.step = (step * 2).min(self.max);
        step.mul_f64(rand::random_range(0.5..=1.0))
    }

    /// After a success: start from the first delay again.
    pub fn reset(&mut self) {
        self.step = self.first;
    }
}

impl Default for Backoff {
    /// 200 ms to 30 s.
    fn default() -> Self {
        Self::new(Duration::from_millis(200), Duration::from_secs(30))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_maximum_and_start_anew() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(400));
        let within = |delay: Duration, step: u64| {
            delay <= Duration::from_millis(step) && delay * 2 >= Duration::from_millis(step)
        };
        for step in [100, 200, 400, 400] {
            let delay = backoff.next_delay();
            assert!(within(delay, step), "{delay:?} for {step}");
        }
        backoff.reset();
        assert!(within(backoff.next_delay(), 100));
    }
}
