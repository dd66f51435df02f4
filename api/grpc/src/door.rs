//! Who asks: certificate and token become a user, headers may make them another, and the request gets its context.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use gantry_auth::{
    Attributes, Credentials, UserInfo,
    authenticate::{Peer, unauthorized},
    impersonation::{Impersonator, Wanted},
};
use gantry_meta::Status;
use gantry_registry::{ApiRequest, ApiResponse, Executor, Origin, RequestContext, request_span};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tonic::{Extensions, metadata::MetadataMap};
use tracing::Instrument;
use uuid::Uuid;

use crate::incoming::ConnectionPeer;

const DEADLINE: Duration = Duration::from_secs(60);

/// What all services share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Door {
    executor: Executor,
    impersonator: Arc<Impersonator>,
    /// When it comes, watches end: a server waits for its streams before it goes.
    stop: CancellationToken,
}

/// A caller who has been identified; each of their requests is run through this.
#[derive(Clone)]
pub(crate) struct Caller {
    door: Door,
    user: UserInfo,
    user_agent: Arc<str>,
    address: Option<IpAddr>,
    wanted: Option<Wanted>,
}

impl Door {
    pub(crate) fn new(executor: Executor, stop: CancellationToken) -> Self {
        Self { executor, impersonator: Arc::default(), stop }
    }

    /// Identifies who sent a call. 401 for bad credentials.
    pub(crate) fn caller(&self, metadata: &MetadataMap, extensions: &Extensions) -> Result<Caller, Box<Status>> {
        let text = |name: &str| metadata.get(name).and_then(|value| value.to_str().ok());
        let connection = extensions.get::<ConnectionPeer>();
        let peer = connection.map(|connection| connection.peer.clone()).unwrap_or_default();
        let peer: &Peer = &peer;
        let credentials = Credentials { peer, authorization: text("authorization") };
        let user = self.executor.authenticator().authenticate(credentials, Timestamp::now())?;
        let headers = metadata.iter().filter_map(|entry| match entry {
            tonic::metadata::KeyAndValueRef::Ascii(key, value) => Some((key.as_str(), value.as_bytes())),
            tonic::metadata::KeyAndValueRef::Binary(..) => None,
        });
        let wanted = Wanted::from_headers(headers)?;
        let user_agent = text("user-agent").unwrap_or_default().into();
        let address = connection.and_then(|connection| connection.address);
        Ok(Caller { door: self.clone(), user, user_agent, address, wanted })
    }

    /// Whether a call comes from somebody we know.
    pub(crate) fn known(&self, metadata: &MetadataMap, extensions: &Extensions) -> Result<(), Box<Status>> {
        if self.caller(metadata, extensions)?.user.is_anonymous() { Err(unauthorized()) } else { Ok(()) }
    }
}

impl Caller {
    /// Resolves when the server is to end.
    pub(crate) async fn server_stops(&self) {
        self.door.stop.cancelled().await;
    }

    /// The caller's request, run with warnings collected.
    pub(crate) async fn execute(&self, request: ApiRequest) -> (Result<ApiResponse, Status>, Vec<String>) {
        let id = Uuid::new_v4().to_string();
        let mut context = RequestContext::new(id, self.user.clone(), &self.user_agent, Instant::now() + DEADLINE);
        if self.door.executor.is_audited() {
            context = context.with_origin(Origin { address: self.address, ..Origin::default() });
        }
        match self.acting_user(&context, &request) {
            Ok(None) => {}
            Ok(Some(user)) => context = context.acting_as(user),
            Err(status) => return (Err(*status), Vec::new()),
        }
        let span = request_span(request.verb().as_str(), &request.target().resource.resource);
        span.record("audit.id", &*context.request_id);
        let answer = self.door.executor.execute(&context, request).instrument(span).await;
        (answer, context.take_warnings())
    }

    /// Whom the call is made in the name of. A refusal is recorded here: nobody behind us sees the request.
    fn acting_user(&self, context: &RequestContext, request: &ApiRequest) -> Result<Option<UserInfo>, Box<Status>> {
        let Some(wanted) = &self.wanted else { return Ok(None) };
        let target = request.target();
        let verb = request.verb().as_str();
        let attributes = Attributes::resource(&self.user, verb, target.group(), &target.resource.resource)
            .at(&target.namespace, &target.name)
            .subresource(&target.subresource);
        let authorizer = self.door.executor.authorizer().as_ref();
        let acting = self.door.impersonator.impersonate(authorizer, wanted, &attributes);
        acting.map(Some).inspect_err(|refusal| self.door.executor.audit_refused(context, &attributes, refusal))
    }
}
