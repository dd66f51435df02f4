//! The API without a transport: what runs in the server process uses the same two traits as everything else, and the same
//! executor, so it is authorised, admitted and validated like any client.

mod sink;
mod source;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use gantry_auth::UserInfo;
use gantry_meta::Status;
use gantry_runtime::{Observed, SinkError, SourceError};

use crate::{Executor, RequestContext};

const DEADLINE: Duration = Duration::from_secs(30);

/// An `ObjectSource` and `ObjectSink` over an executor of this process, for one user. Cheap to clone.
#[derive(Clone)]
pub struct LocalClient {
    executor: Executor,
    user: UserInfo,
    user_agent: Arc<str>,
}

impl LocalClient {
    /// `user_agent` names the field manager of writes. [`UserInfo::loopback`] may do anything.
    pub fn new(executor: Executor, user: UserInfo, user_agent: &str) -> Self {
        Self { executor, user, user_agent: user_agent.into() }
    }

    fn context(&self) -> RequestContext {
        // Nobody sees the id but an audit log.
        let id: Arc<str> =
            if self.executor.is_audited() { uuid::Uuid::new_v4().to_string().into() } else { "local".into() };
        RequestContext::new(id, self.user.clone(), &self.user_agent, Instant::now() + DEADLINE)
    }
}

/// An answer's bytes with what identifies the object.
fn observed(json: Bytes) -> Observed {
    Observed::read(json).expect("the executor answers in JSON")
}

fn source_error(status: Status) -> SourceError {
    match status.code {
        410 => SourceError::Expired,
        429 | 500.. => SourceError::Unavailable(status.to_string()),
        _ => SourceError::Refused(Box::new(status)),
    }
}

/// The outcome of a write that ran out of time or lost its connection to the database is not known.
fn sink_error(status: Status) -> SinkError {
    match status.code {
        503 | 504 => SinkError::Unavailable(status.to_string()),
        _ => SinkError::Refused(Box::new(status)),
    }
}
