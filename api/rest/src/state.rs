//! What all workers share.

use std::sync::Arc;

use gantry_auth::impersonation::Impersonator;
use gantry_registry::Executor;
use tokio_util::sync::CancellationToken;

use crate::{documents::Documents, metrics::Metrics, proxy::Dial};

pub(crate) struct RestState {
    pub executor: Executor,
    pub documents: Documents,
    pub impersonator: Impersonator,
    pub metrics: Metrics,
    pub dial: Arc<dyn Dial>,
    /// Ends watches.
    pub shutdown: CancellationToken,
}
