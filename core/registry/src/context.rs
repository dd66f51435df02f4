//! Who asks, how, and until when. Made once at the door and not changed after.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use gantry_auth::UserInfo;

/// Everything about a request that is not what it asks. Cheap to clone; clones share the warnings.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// Sent back as `Audit-ID` and written into every log line about the request.
    pub request_id: Arc<str>,
    pub user: UserInfo,
    /// Of the HTTP header; names the field manager where the request gives none.
    pub user_agent: Arc<str>,
    /// Work that is not done by then is given up with 504. Watches and streams have their own end.
    pub deadline: Instant,
    warnings: Arc<Mutex<Vec<String>>>,
    origin: Option<Arc<Origin>>,
}

/// Where a request came from; known only where requests are audited.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Path and query, if the door has paths.
    pub uri: Option<String>,
    pub address: Option<IpAddr>,
    /// Who proved their identity, if [`RequestContext::user`] is whom they act as.
    pub impersonator: Option<UserInfo>,
}

impl RequestContext {
    pub fn new(request_id: impl Into<Arc<str>>, user: UserInfo, user_agent: &str, deadline: Instant) -> Self {
        Self {
            request_id: request_id.into(),
            user,
            user_agent: user_agent.into(),
            deadline,
            warnings: Arc::default(),
            origin: None,
        }
    }

    /// Says where the request came from.
    #[must_use]
    pub fn with_origin(mut self, origin: Origin) -> Self {
        self.origin = Some(Arc::new(origin));
        self
    }

    /// The same request, made in the name of somebody else. That the caller may act as them was decided before.
    #[must_use]
    pub fn acting_as(mut self, user: UserInfo) -> Self {
        let impersonator = std::mem::replace(&mut self.user, user);
        if let Some(origin) = &mut self.origin {
            Arc::make_mut(origin).impersonator = Some(impersonator);
        }
        self
    }

    pub(crate) fn uri(&self) -> Option<&str> {
        self.origin.as_ref()?.uri.as_deref()
    }

    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.origin.as_ref()?.address
    }

    pub(crate) fn impersonator(&self) -> Option<&UserInfo> {
        self.origin.as_ref()?.impersonator.as_ref()
    }

    /// Adds a `Warning` header to the answer, whether it is a success or a refusal. A text said twice is sent once.
    pub fn warn(&self, text: impl Into<String>) {
        let text = text.into();
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if !warnings.contains(&text) {
            warnings.push(text);
        }
    }

    /// Takes what was warned about so far, in order.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
