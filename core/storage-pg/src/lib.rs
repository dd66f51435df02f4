//! [`gantry_storage::Storage`] in PostgreSQL: the only SQL in Gantry.

pub mod managed;

pub use managed::{ManagedError, ManagedOptions, ManagedPostgres};
