//! What every request works with.

use std::sync::Arc;

use gantry_admission::Chain;
use gantry_auth::{Authenticator, AuthorizerChain, audit::AuditLog, token::TokenIssuer};
use gantry_kinds::Catalog;
use gantry_watch_cache::WatchCache;

use crate::{served::ServedResources, services::ServiceClaims};

pub(crate) struct State {
    pub catalog: Catalog,
    pub served: ServedResources,
    pub cache: Arc<WatchCache>,
    pub authorizer: Arc<AuthorizerChain>,
    pub authenticator: Arc<Authenticator>,
    pub tokens: ServiceTokens,
    pub admission: Chain,
    pub service_claims: ServiceClaims,
    pub audit: Option<Arc<AuditLog>>,
}

/// How service-account tokens are issued.
#[derive(Clone)]
pub struct ServiceTokens {
    pub issuer: Arc<TokenIssuer>,
    /// The audiences of a token that names none.
    pub audiences: Vec<String>,
}
