//! How everything that is not the API server sees the cluster: objects come from an [`ObjectSource`], changes go to an
//! [`ObjectSink`]. Scheduler, controllers and node daemon know nothing else, so they run alike in the server process,
//! across gRPC, and against a foreign API server.

pub mod sink;
pub mod source;

pub use sink::{DeleteOptions, ObjectSink, Patch, Propagation, SinkError, WriteTarget};
pub use source::{ListOptions, Listed, ObjectSource, Observed, SourceError, WatchEvent, WatchStream};
