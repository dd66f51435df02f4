//! How long calls take, without a lock.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Powers of two of nanoseconds: the last bucket begins at about nine minutes.
const BUCKETS: usize = 40;

/// Counts calls by the power of two of their nanoseconds.
#[derive(Debug)]
pub(crate) struct Latency([AtomicU64; BUCKETS]);

impl Default for Latency {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Latency {
    pub(crate) fn record(&self, took: Duration) {
        let bucket = (took.as_nanos().max(1).ilog2() as usize).min(BUCKETS - 1);
        self.0[bucket].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn calls(&self) -> u64 {
        self.0.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }

    /// The upper end of the bucket in which the quantile lies; at most twice the true value.
    pub(crate) fn quantile(&self, quantile: f64) -> Duration {
        let wanted = (self.calls() as f64 * quantile).ceil() as u64;
        let mut seen = 0;
        for (i, bucket) in self.0.iter().enumerate() {
            seen += bucket.load(Ordering::Relaxed);
            if seen >= wanted && wanted > 0 {
                return Duration::from_nanos(2 << i);
            }
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_within_a_factor_of_two() {
        let latency = Latency::default();
        for micros in 1..=100 {
            latency.record(Duration::from_micros(micros));
        }
        assert_eq!(latency.calls(), 100);
        let p50 = latency.quantile(0.5);
        assert!(p50 >= Duration::from_micros(50) && p50 <= Duration::from_micros(100), "{p50:?}");
        assert_eq!(Latency::default().quantile(0.5), Duration::ZERO);
    }
}
