//! Failures of storage and cache, as clients are told of them.

use gantry_meta::{Cause, CauseType, Reason, Status};
use gantry_storage::CommitError;
use gantry_watch_cache::{LagError, ListError};

const RETRY_AFTER_SECONDS: u32 = 1;

/// A commit that failed for another reason than a lost race.
pub(crate) fn commit_failed(error: CommitError) -> Status {
    match error {
        CommitError::Rejected(cause) => {
            tracing::warn!(%cause, "storage refused a value");
            Status::failure(Reason::RequestEntityTooLarge, "the object cannot be stored: it is too large")
        }
        CommitError::Unknown(cause) => {
            tracing::warn!(%cause, "the outcome of a write is unknown");
            Status::failure(Reason::Timeout, "storage did not confirm the write in time; read before trying again")
        }
        CommitError::Fenced => Status::unavailable("another server has taken over, try again", RETRY_AFTER_SECONDS),
        CommitError::Unavailable(cause) => {
            tracing::warn!(%cause, "storage is unavailable");
            Status::unavailable("storage is unavailable, try again", RETRY_AFTER_SECONDS)
        }
        // Lost races and taken claims are dealt with where they can be tried again.
        CommitError::Conflict { .. } | CommitError::CompanionConflict { .. } | CommitError::ClaimTaken { .. } => {
            Status::unavailable("the write lost too many races, try again", RETRY_AFTER_SECONDS)
        }
    }
}

/// The cache is not where the request needs it.
pub(crate) fn lagging(error: &LagError) -> Status {
    match error {
        LagError::TooNew { asked, applied } => too_large(asked.0, applied.0),
        LagError::Lagging { .. } | LagError::Unavailable { .. } => {
            tracing::warn!(error = error as &dyn std::error::Error, "a consistent read is not possible");
            Status::unavailable("storage is unavailable, try again", RETRY_AFTER_SECONDS)
        }
    }
}

fn too_large(asked: u64, current: u64) -> Status {
    let cause = Cause::new(CauseType::ResourceVersionTooLarge, "", "Too large resource version");
    let message = format!("Too large resource version: {asked}, current: {current}");
    let mut status = Status::failure(Reason::Timeout, message).with_cause(cause);
    status.details.get_or_insert_default().retry_after_seconds = RETRY_AFTER_SECONDS;
    status
}

pub(crate) fn list_failed(error: ListError) -> Status {
    match error {
        ListError::Expired(expired) => {
            let message = format!("The resourceVersion is too old: history begins at {}", expired.floor);
            Status::failure(Reason::Expired, message)
        }
        ListError::TooNew { asked, applied } => too_large(asked.0, applied.0),
        ListError::UnknownResource => Status::internal("a served resource is missing in the watch cache"),
    }
}
