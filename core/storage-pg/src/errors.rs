//! What PostgreSQL's errors mean for a write.

use gantry_storage::{CommitError, ReadError};
use sqlx::postgres::{PgDatabaseError, PgSeverity};

/// What a failed batch tells.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing was written, and the same would happen again: some row of the batch is at fault.
    BadRow(sqlx::Error),
    /// Nothing was written; the next attempt may succeed.
    Transient(sqlx::Error),
    /// Nothing was written, because the connection was closed before it was used.
    NotSent(sqlx::Error),
    /// Nothing was written, because the log has no range for the new revisions yet.
    NoPartition(sqlx::Error),
    /// Nothing was written: no leader, or no longer this epoch.
    Fenced,
    /// Nothing was written: the epoch is over, or the replica is unknown. Register anew.
    Unregistered(sqlx::Error),
    ClaimTaken {
        pool: String,
        value: String,
        owner: String,
    },
    /// Nothing was written: of a batch that holds as a whole only, some keys do not. What stands under each of its keys.
    NotWhole(Vec<Option<i64>>),
    /// The connection broke; the transaction may have been committed.
    InDoubt(sqlx::Error),
}

impl Failure {
    pub fn of(error: sqlx::Error) -> Self {
        let Some(reported) = error.as_database_error().and_then(|e| e.try_downcast_ref::<PgDatabaseError>()) else {
            return match error {
                // Refused before anything was sent.
                sqlx::Error::Encode(_) => Self::BadRow(error),
                // Only a send ends so, and without its last message, Sync, nothing is committed.
                sqlx::Error::Io(ref io) if io.kind() == std::io::ErrorKind::BrokenPipe => Self::NotSent(error),
                _ => Self::InDoubt(error),
            };
        };
        // A session that is ended while it waits for a standby has committed already.
        if !matches!(reported.severity(), PgSeverity::Error) {
            return Self::InDoubt(error);
        }
        match reported.code() {
            "GT001" | "GT002" => Self::Unregistered(error),
            "GT003" => Self::Fenced,
            "GT004" => taken(reported.detail()).unwrap_or(Self::BadRow(error)),
            "GT005" => standing(reported.detail()).unwrap_or(Self::BadRow(error)),
            // check_violation: "no partition of relation found for row".
            "23514" => Self::NoPartition(error),
            // Data exceptions and program limits.
            code if code.starts_with("22") || code.starts_with("54") => Self::BadRow(error),
            code if code.starts_with("08") || code.starts_with("57P") => Self::InDoubt(error),
            _ => Self::Transient(error),
        }
    }
}

fn taken(detail: Option<&str>) -> Option<Failure> {
    let taken: serde_json::Value = serde_json::from_str(detail?).ok()?;
    let text = |member| Some(taken[member].as_str()?.to_owned());
    Some(Failure::ClaimTaken { pool: text("pool")?, value: text("value")?, owner: text("owner")? })
}

fn standing(detail: Option<&str>) -> Option<Failure> {
    serde_json::from_str(detail?).ok().map(Failure::NotWhole)
}

pub(crate) fn unreadable(error: sqlx::Error) -> ReadError {
    ReadError::Unavailable(error.into())
}

/// For one of several writes that failed for the same reason.
pub(crate) fn unavailable(error: &sqlx::Error) -> CommitError {
    CommitError::Unavailable(error.to_string().into())
}
