//! What the parts of the control plane tell of themselves at `/metrics`.

use anyhow::Result;
use gantry_runtime::WorkQueueMetrics;
use gantry_scheduler::SchedulerMetrics;
use prometheus::{Registry, process_collector::ProcessCollector};

/// One registry, and the metrics of the parts that are not doors.
pub struct Metrics {
    pub registry: Registry,
    pub queues: WorkQueueMetrics,
    pub scheduler: SchedulerMetrics,
}

impl Metrics {
    /// # Errors
    /// If two of them have one name.
    pub fn new() -> Result<Self> {
        let registry = Registry::new();
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let queues = WorkQueueMetrics::register(&registry)?;
        let scheduler = SchedulerMetrics::register(&registry)?;
        Ok(Self { registry, queues, scheduler })
    }
}
