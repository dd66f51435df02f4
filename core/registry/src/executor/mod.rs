//! Where requests are run, and nowhere else.

mod audited;
mod authorise;
mod parts;
mod view;

pub use audited::PathEntry;
pub use parts::ExecutorParts;

use std::{sync::Arc, time::Instant};

use gantry_admission::Chain;
use gantry_auth::{Attributes, Authenticator, Authorizer, AuthorizerChain};
use gantry_kinds::Catalog;
use gantry_meta::{Reason, Status};

use self::authorise::Authorised;
use crate::{
    connect,
    context::RequestContext,
    read,
    request::ApiRequest,
    response::ApiResponse,
    served::{Served, ServedResources},
    services::ServiceClaims,
    state::State,
    subresource::{self, scale},
    write,
};

/// Runs API requests: authorise, decode, default, admit, prepare, validate, commit. Cheap to clone.
#[derive(Clone)]
pub struct Executor(Arc<State>);

impl Executor {
    pub fn new(parts: ExecutorParts) -> Self {
        let view: Arc<dyn gantry_admission::ClusterView> =
            Arc::new(view::CacheView::new(&parts.catalog, parts.cache.clone()));
        let authorizer: Arc<dyn Authorizer> = parts.authorizer.clone();
        Self(Arc::new(State {
            served: ServedResources::new(&parts.catalog),
            admission: Chain::built_in(&view, &authorizer),
            service_claims: ServiceClaims::new(parts.service_types, parts.service_pools),
            catalog: parts.catalog,
            cache: parts.cache,
            authorizer: parts.authorizer,
            authenticator: parts.authenticator,
            tokens: parts.tokens,
            audit: parts.audit,
        }))
    }

    /// Runs one request. Refusals are what the client is to see, whatever the door; nothing of a refused write is stored.
    pub async fn execute(&self, ctx: &RequestContext, request: ApiRequest) -> Result<ApiResponse, Status> {
        match &self.0.audit {
            None => self.0.execute(ctx, request).await,
            Some(log) => self.0.execute_audited(log, ctx, request).await,
        }
    }

    /// Whether requests are recorded: if not, doors need not say where one comes from.
    pub fn is_audited(&self) -> bool {
        self.0.audit.is_some()
    }

    /// Begins the record of a request that is no resource request, if the policy wants one.
    pub fn audit_path(&self, ctx: &RequestContext, verb: &str, path: &str) -> Option<PathEntry> {
        PathEntry::begin(self.0.audit.as_ref()?, ctx, verb, path)
    }

    /// Records a request that its door refused, as nobody known sent it or somebody who may not act as who they want to.
    /// `attributes.user`: who proved their identity, or nobody.
    pub fn audit_refused(&self, ctx: &RequestContext, attributes: &Attributes<'_>, refusal: &Status) {
        if let Some(log) = &self.0.audit {
            audited::refused(log, ctx, attributes, refusal);
        }
    }

    /// Decides on a request that is no resource request: health, discovery, metrics, documents. 403 if refused.
    pub fn authorise_path(&self, ctx: &RequestContext, verb: &str, path: &str) -> Result<(), Status> {
        self.0.permit(&Attributes::path(&ctx.user, verb, path))
    }

    /// What is served, for discovery documents.
    pub fn catalog(&self) -> &Catalog {
        &self.0.catalog
    }

    /// Identity of callers, for transports.
    pub fn authenticator(&self) -> &Arc<Authenticator> {
        &self.0.authenticator
    }

    pub fn authorizer(&self) -> &Arc<AuthorizerChain> {
        &self.0.authorizer
    }

    /// Whether the state of the cluster is loaded: before, requests would find nothing.
    pub fn is_ready(&self) -> bool {
        self.0.cache.is_ready()
    }
}

/// Deprecated kinds go on working, but clients are told in every answer, refusals too.
fn warn_of_deprecation(ctx: &RequestContext, served: &Served) {
    match (&*served.resource.group, &*served.resource.plural) {
        ("", "endpoints") => {
            ctx.warn("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice");
        }
        ("", "componentstatuses") => ctx.warn("v1 ComponentStatus is deprecated in v1.19+"),
        _ => {}
    }
}

/// 400 for a name that could not stand in a path.
fn check_name(name: &str) -> Result<(), Status> {
    let reasons = gantry_validation::names::path_segment(name);
    if reasons.is_empty() {
        return Ok(());
    }
    Err(Status::bad_request(format!("Name parameter invalid: {name:?}: {}", reasons.join(", "))))
}

fn timed_out(deadline: Instant) -> Status {
    debug_assert!(deadline <= Instant::now(), "a timeout fires after its deadline");
    Status::failure(Reason::Timeout, "the request did not complete within the allotted timeout")
}

impl State {
    async fn execute(&self, ctx: &RequestContext, request: ApiRequest) -> Result<ApiResponse, Status> {
        let authorised = self.authorise(ctx, &request)?;
        self.execute_authorised(ctx, &authorised, request).await
    }

    async fn execute_authorised(
        &self,
        ctx: &RequestContext,
        authorised: &Authorised,
        request: ApiRequest,
    ) -> Result<ApiResponse, Status> {
        match tokio::time::timeout_at(ctx.deadline.into(), self.run(ctx, authorised, request)).await {
            Ok(answer) => answer,
            Err(_) => Err(timed_out(ctx.deadline)),
        }
    }

    async fn run(
        &self,
        ctx: &RequestContext,
        authorised: &Authorised,
        request: ApiRequest,
    ) -> Result<ApiResponse, Status> {
        if let ApiRequest::Unacceptable { refusal, target, .. } = request {
            // What cannot be done with a resource, or asked where it is not, says nothing about it.
            let says_nothing = refusal.is(Reason::MethodNotAllowed) || refusal.is(Reason::NotFound);
            let found = self.served.find(&target).ok().filter(|_| !says_nothing);
            found.into_iter().for_each(|served| warn_of_deprecation(ctx, served));
            return Err(*refusal);
        }
        let served = authorised.served(self, &request)?;
        warn_of_deprecation(ctx, served);
        check_name(&request.target().name)?;
        match request {
            ApiRequest::Get { target, options } if scale::is_scale(&target) => {
                scale::get(self, served, &target, &options).await
            }
            ApiRequest::Get { target, options } => read::get(self, served, &target, &options).await,
            ApiRequest::List { target, options } => read::list(self, served, &target, &options).await,
            ApiRequest::Watch { target, options } => read::watch(self, served, &target, &options).await,
            ApiRequest::Create { target, body, options } if subresource::is_post(served, &target) => {
                subresource::post(self, ctx, served, &target, &body, &options).await
            }
            ApiRequest::Create { target, body, options } => {
                write::create(self, ctx, served, &target, &body, &options).await
            }
            ApiRequest::Update { target, body, options } if scale::is_scale(&target) => {
                scale::update(self, ctx, served, &target, &body, &options).await
            }
            ApiRequest::Patch { target, patch, options } if scale::is_scale(&target) => {
                scale::patch(self, ctx, served, &target, &patch, &options).await
            }
            ApiRequest::Update { target, body, options } => {
                write::update(self, ctx, served, &target, &body, &options).await
            }
            ApiRequest::Patch { target, patch, options } => {
                write::patch(self, ctx, served, &target, &patch, &options).await
            }
            ApiRequest::Delete { target, options } => write::delete(self, ctx, served, &target, &options).await,
            ApiRequest::DeleteCollection { target, options, list } => {
                write::delete_collection(self, ctx, served, &target, &options, &list).await
            }
            ApiRequest::Connect { target, connect } => connect::locate(self, ctx, served, &target, &connect).await,
            ApiRequest::Unacceptable { refusal, .. } => Err(*refusal),
        }
    }
}
