//! What work queues tell of themselves, under upstream's names.

use prometheus::{
    Error, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

/// Seconds; those of upstream's `workqueue_*_duration_seconds`.
const BUCKETS: [f64; 10] = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0];

/// The `workqueue_*` metrics of all queues of a process.
#[derive(Clone, Debug)]
pub struct WorkQueueMetrics {
    adds: IntCounterVec,
    depth: IntGaugeVec,
    waited: HistogramVec,
    worked: HistogramVec,
    retries: IntCounterVec,
}

/// Those of one queue.
#[derive(Debug)]
pub(crate) struct QueueMetrics {
    pub(crate) adds: IntCounter,
    /// Keys that are ready for a worker.
    pub(crate) depth: IntGauge,
    /// Seconds from being added to being worked on.
    pub(crate) waited: Histogram,
    /// Seconds that workers took.
    pub(crate) worked: Histogram,
    pub(crate) retries: IntCounter,
}

impl WorkQueueMetrics {
    /// # Errors
    /// If the registry has such metrics already.
    pub fn register(registry: &Registry) -> Result<Self, Error> {
        let seconds = |name: &str, help: &str| HistogramOpts::new(name, help).buckets(BUCKETS.to_vec());
        let metrics = Self {
            adds: IntCounterVec::new(Opts::new("workqueue_adds_total", "Keys added to a work queue."), &["name"])?,
            depth: IntGaugeVec::new(Opts::new("workqueue_depth", "Keys ready in a work queue."), &["name"])?,
            waited: HistogramVec::new(
                seconds("workqueue_queue_duration_seconds", "Seconds that keys wait in a work queue."),
                &["name"],
            )?,
            worked: HistogramVec::new(
                seconds("workqueue_work_duration_seconds", "Seconds that workers take for a key."),
                &["name"],
            )?,
            retries: IntCounterVec::new(Opts::new("workqueue_retries_total", "Keys that came back."), &["name"])?,
        };
        registry.register(Box::new(metrics.adds.clone()))?;
        registry.register(Box::new(metrics.depth.clone()))?;
        registry.register(Box::new(metrics.waited.clone()))?;
        registry.register(Box::new(metrics.worked.clone()))?;
        registry.register(Box::new(metrics.retries.clone()))?;
        Ok(metrics)
    }

    pub(crate) fn of(&self, queue: &str) -> QueueMetrics {
        // What an earlier queue of this name left behind is gone with it.
        self.depth.with_label_values(&[queue]).set(0);
        QueueMetrics {
            adds: self.adds.with_label_values(&[queue]),
            depth: self.depth.with_label_values(&[queue]),
            waited: self.waited.with_label_values(&[queue]),
            worked: self.worked.with_label_values(&[queue]),
            retries: self.retries.with_label_values(&[queue]),
        }
    }
}
