//! What the scheduler tells of itself, under upstream's names.

use std::time::Duration;

use prometheus::{
    Error, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, exponential_buckets,
};

use crate::queue::Census;

/// The `scheduler_*` metrics of a process.
#[derive(Clone, Debug)]
pub struct SchedulerMetrics {
    attempts: IntCounterVec,
    attempt_seconds: HistogramVec,
    attempts_of_a_pod: Histogram,
    seconds_of_a_pod: HistogramVec,
    pending: IntGaugeVec,
}

/// How one attempt to place a pod ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AttemptResult {
    Scheduled,
    Unschedulable,
    Error,
}

impl AttemptResult {
    fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Unschedulable => "unschedulable",
            Self::Error => "error",
        }
    }
}

impl SchedulerMetrics {
    /// # Errors
    /// If the registry has such metrics already.
    pub fn register(registry: &Registry) -> Result<Self, Error> {
        let of_attempts = ["profile", "result"];
        let seconds = |name: &str, help: &str, first: f64, count: usize| {
            Ok::<_, Error>(HistogramOpts::new(name, help).buckets(exponential_buckets(first, 2.0, count)?))
        };
        let attempt = "scheduler_scheduling_attempt_duration_seconds";
        let of_a_pod = "scheduler_pod_scheduling_sli_duration_seconds";
        let tries = HistogramOpts::new("scheduler_pod_scheduling_attempts", "Attempts it took to place a pod.");
        let counted = Opts::new("scheduler_schedule_attempts_total", "Attempts to place a pod, by result.");
        let waiting = Opts::new("scheduler_pending_pods", "Pods without a node, by where they wait.");
        let metrics = Self {
            attempts: IntCounterVec::new(counted, &of_attempts)?,
            attempt_seconds: HistogramVec::new(
                seconds(attempt, "Seconds of an attempt, its binding included.", 0.001, 15)?,
                &of_attempts,
            )?,
            attempts_of_a_pod: Histogram::with_opts(tries.buckets(exponential_buckets(1.0, 2.0, 5)?))?,
            seconds_of_a_pod: HistogramVec::new(
                seconds(of_a_pod, "Seconds from when a pod could be placed until it was.", 0.01, 20)?,
                &["attempts"],
            )?,
            pending: IntGaugeVec::new(waiting, &["queue"])?,
        };
        registry.register(Box::new(metrics.attempts.clone()))?;
        registry.register(Box::new(metrics.attempt_seconds.clone()))?;
        registry.register(Box::new(metrics.attempts_of_a_pod.clone()))?;
        registry.register(Box::new(metrics.seconds_of_a_pod.clone()))?;
        registry.register(Box::new(metrics.pending.clone()))?;
        Ok(metrics)
    }

    pub(crate) fn attempted(&self, profile: &str, result: AttemptResult, took: Duration) {
        let labels = [profile, result.as_str()];
        self.attempts.with_label_values(&labels).inc();
        self.attempt_seconds.with_label_values(&labels).observe(took.as_secs_f64());
    }

    /// A pod has its node: after so many attempts, and so long after it could first be placed.
    pub(crate) fn placed(&self, attempts: u32, waited: Duration) {
        self.attempts_of_a_pod.observe(attempts.into());
        let label = if attempts >= 16 { "16+".to_owned() } else { attempts.to_string() };
        self.seconds_of_a_pod.with_label_values(&[&label]).observe(waited.as_secs_f64());
    }

    pub(crate) fn pending(&self, census: Census) {
        let Census { active, backoff, unschedulable, gated } = census;
        for (queue, pods) in
            [("active", active), ("backoff", backoff), ("unschedulable", unschedulable), ("gated", gated)]
        {
            self.pending.with_label_values(&[queue]).set(pods);
        }
    }
}
