//! The cluster's current state and recent history in memory, as wire bytes: what every GET, LIST and WATCH is answered from.
//!
//! One feed per shard applies the change log to per-resource tables. A table keeps, under each key, the versions since its
//! *floor*, so a LIST at any revision from the floor on walks the same tree and needs no copy; and a ring of events that all
//! watchers share, so a watcher is a cursor and a filter, whether it is slow or not.
//!
//! ```text
//! Storage::feed ─► shard feed ─► table: key → versions ─► get, list(at revision)
//!                                └► topics (all, namespace, object, index bucket): rings of Arc<Event> ─► watch cursors
//! ```
//!
//! *Invariant*: [`WatchCache::commit`] returns after this cache has applied the write, so whoever wrote reads it back here.
//! *Invariant*: changes are applied in revision order without gaps; a gap means reloading, never guessing.
//! Deliberately absent: lists from SQL, decoded objects, queues per watcher.

mod attributes;
mod batch;
mod cache;
mod chain;
mod commit;
mod config;
mod error;
mod event;
mod frame;
mod housekeeping;
mod list;
mod newest;
mod object;
mod progress;
mod shard;
mod table;
mod topic;
mod watch;

pub use attributes::{AttributeExtractor, Labels, NoFields};
pub use batch::Batch;
pub use cache::WatchCache;
pub use config::{CacheOptions, ResourceConfig};
pub use error::{Expired, LagError, ListError};
pub use event::{Delivery, DeliveryKind, Filter, Scope};
pub use list::{At, ListRequest, Page, PageCursor};
pub use object::CachedObject;
pub use watch::Watch;
