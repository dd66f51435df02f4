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
use tonic::{
    Extensions,
    metadata::{KeyAndValueRef, MetadataMap},
};
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

    /// Identifies who sent a call. 401 for bad credentials, which is recorded here: nobody behind us sees the call.
    pub(crate) fn caller(
        &self,
        metadata: &MetadataMap,
        extensions: &Extensions,
        asked: Asked<'_>,
    ) -> Result<Caller, Box<Status>> {
        let connection = extensions.get::<ConnectionPeer>();
        let peer = connection.map(|connection| connection.peer.clone()).unwrap_or_default();
        let mut caller = Caller {
            door: self.clone(),
            user: UserInfo::new("", &[]),
            user_agent: text(metadata, "user-agent").unwrap_or_default().into(),
            address: connection.and_then(|connection| connection.address),
            wanted: None,
        };
        let identified = caller.identify(&peer, metadata);
        identified.inspect_err(|refusal| asked.record_refusal(&caller, refusal))?;
        Ok(caller)
    }

    /// Whether a call comes from somebody we know.
    pub(crate) fn known(
        &self,
        metadata: &MetadataMap,
        extensions: &Extensions,
        asked: Asked<'_>,
    ) -> Result<(), Box<Status>> {
        let caller = self.caller(metadata, extensions, asked)?;
        if caller.user.is_anonymous() { Err(unauthorized()) } else { Ok(()) }
    }
}

fn text<'m>(metadata: &'m MetadataMap, name: &str) -> Option<&'m str> {
    metadata.get(name).and_then(|value| value.to_str().ok())
}

/// What a call is about, as far as it is known before its sender is.
#[derive(Clone, Copy)]
pub(crate) enum Asked<'a> {
    Resource(&'a ApiRequest),
    /// `/package.Service/Method`
    Method(&'static str),
}

impl Asked<'_> {
    fn record_refusal(self, caller: &Caller, refusal: &Status) {
        let executor = &caller.door.executor;
        if !executor.is_audited() {
            return;
        }
        let (attributes, uri) = match self {
            Self::Resource(request) => (attributes(&caller.user, request), request.target().path()),
            // Every call is a POST.
            Self::Method(path) => (Attributes::path(&caller.user, "post", path), path.to_owned()),
        };
        executor.audit_refused(&caller.recorded_context(uri), &attributes, refusal);
    }
}

fn attributes<'a>(user: &'a UserInfo, request: &'a ApiRequest) -> Attributes<'a> {
    let target = request.target();
    Attributes::resource(user, request.verb().as_str(), target.group(), &target.resource.resource)
        .at(&target.namespace, &target.name)
        .subresource(&target.subresource)
}

impl Caller {
    /// Resolves when the server is to end.
    pub(crate) async fn server_stops(&self) {
        self.door.stop.cancelled().await;
    }

    fn identify(&mut self, peer: &Peer, metadata: &MetadataMap) -> Result<(), Box<Status>> {
        let credentials = Credentials { peer, authorization: text(metadata, "authorization") };
        self.user = self.door.executor.authenticator().authenticate(credentials, Timestamp::now())?;
        let headers = metadata.iter().filter_map(|entry| match entry {
            KeyAndValueRef::Ascii(key, value) => Some((key.as_str(), value.as_bytes())),
            KeyAndValueRef::Binary(..) => None,
        });
        self.wanted = Wanted::from_headers(headers)?;
        Ok(())
    }

    fn context(&self) -> RequestContext {
        let id = Uuid::new_v4().to_string();
        RequestContext::new(id, self.user.clone(), &self.user_agent, Instant::now() + DEADLINE)
    }

    /// As [`Self::context`], for the record; `uri` is where REST would have been asked for the same.
    fn recorded_context(&self, uri: String) -> RequestContext {
        self.context().with_origin(Origin { uri: Some(uri), address: self.address, ..Origin::default() })
    }

    /// The caller's request, run with warnings collected.
    pub(crate) async fn execute(&self, request: ApiRequest) -> (Result<ApiResponse, Status>, Vec<String>) {
        let mut context = if self.door.executor.is_audited() {
            self.recorded_context(request.target().path())
        } else {
            self.context()
        };
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
        let attributes = attributes(&self.user, request);
        let authorizer = self.door.executor.authorizer().as_ref();
        let acting = self.door.impersonator.impersonate(authorizer, wanted, &attributes);
        acting.map(Some).inspect_err(|refusal| self.door.executor.audit_refused(context, &attributes, refusal))
    }
}
