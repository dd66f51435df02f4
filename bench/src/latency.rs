//! Percentiles of a handful of measurements.

use std::time::Duration;

#[derive(Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    pub fn add(&mut self, one: Duration) {
        self.0.push(one);
    }

    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// In microseconds; `share` from 0 to 1.
    pub fn percentile_us(&mut self, share: f64) -> f64 {
        self.0.sort_unstable();
        let at = ((self.0.len().saturating_sub(1)) as f64 * share) as usize;
        self.0.get(at).map_or(f64::NAN, |d| d.as_secs_f64() * 1e6)
    }
}
