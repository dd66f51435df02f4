//! How everything that is not the API server sees the cluster: objects come from an [`ObjectSource`], changes go to an
//! [`ObjectSink`]. Scheduler, controllers and node daemon know nothing else, so they run alike in the server process,
//! across gRPC, and against a foreign API server.
//!
//! On top of the two traits stand the parts that every follower needs: a [`Reflector`] that keeps a [`Cache`] up to date
//! ([`inform`] is both in one call), a [`WorkQueue`], and [`LeaderElector`]. Nothing here performs I/O of its own.

pub mod backoff;
pub mod batching_sink;
pub mod cache;
pub mod event_recorder;
pub mod informer;
pub mod leader_election;
#[cfg(feature = "memory-api")]
pub mod memory_api;
pub mod queue_metrics;
pub mod reflector;
pub mod sink;
pub mod source;
pub mod work_queue;

pub use backoff::Backoff;
pub use batching_sink::BatchingSink;
pub use cache::{Cache, CacheContent, CacheEvent, Cached, ObjectKey};
pub use event_recorder::{EventRecord, EventRecorder};
pub use informer::inform;
pub use leader_election::{ElectionConfig, LeaderElector, Leadership};
pub use queue_metrics::WorkQueueMetrics;
pub use reflector::{Reflector, ReflectorTarget};
pub use sink::{DeleteOptions, ObjectSink, Patch, Propagation, SinkError, WriteTarget};
pub use source::{ListOptions, Listed, ObjectSource, Observed, SourceError, WatchEvent, WatchStream};
pub use work_queue::WorkQueue;
