//! What an executor is made of; `bin` chooses.

use std::sync::Arc;

use gantry_auth::{Authenticator, AuthorizerChain, audit::AuditLog};
use gantry_kinds::Catalog;
use gantry_watch_cache::WatchCache;

use crate::{
    services::{ServicePools, ServiceTypes},
    state::ServiceTokens,
};

/// Collaborators of [`crate::Executor`].
pub struct ExecutorParts {
    pub catalog: Catalog,
    /// Holding at least [`crate::resource_configs`] of the catalogue.
    pub cache: Arc<WatchCache>,
    pub authorizer: Arc<AuthorizerChain>,
    pub authenticator: Arc<Authenticator>,
    pub tokens: ServiceTokens,
    pub service_types: Arc<dyn ServiceTypes>,
    pub service_pools: ServicePools,
    /// `None`: nothing is recorded.
    pub audit: Option<Arc<AuditLog>>,
}
