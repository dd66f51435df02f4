//! [`gantry_storage::Storage`] in PostgreSQL: the only SQL in Gantry. The tables and functions are told in
//! `migrations/README.md`.
//!
//! ```text
//! commit ─► write_batcher (one per shard) ─► batch_apply() ─► acknowledged
//!                    └─► hub ─► log_tailer ─► feed      own batches, in memory
//! peers' batches ─► NOTIFY or poll (hints) ─┘           read from the log
//! ```
//!
//! *Invariant*: a batch is one transaction under the shard's lock, so revisions are in commit order and without gaps.
//! *Invariant*: what a lost connection leaves in doubt is settled through the `writers` row before it is answered.

mod batch;
mod errors;
mod head;
mod hints;
mod hub;
mod leases;
mod log_tailer;
pub mod managed;
mod migrations;
mod partitions;
mod select_batch;
mod snapshot;
mod startup;
mod storage;
#[cfg(feature = "testing")]
pub mod testing;
mod write_batcher;

pub use managed::{ManagedError, ManagedOptions, ManagedPostgres};
pub use startup::ConnectError;
pub use storage::PgStorage;
