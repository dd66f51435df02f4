//! Approves, signs and clears away certificate signing requests as they come.

use std::{sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use gantry_meta::{GroupVersionResource, Reason, Value};
use gantry_runtime::{
    DeleteOptions, ListOptions, ObjectSink, ObjectSource, Observed, Reflector, ReflectorTarget, SinkError, SourceError,
    WorkQueue, WriteTarget,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use super::{
    CertificateRequest, SignError, Signer,
    approval::{self, Approval},
    certificate::{Issuer, Period},
    cleaning,
};
use crate::{
    Authorizer, UserInfo,
    pki::{CertificateAuthority, PkiError},
    user::UserFields,
};

/// For clocks that are behind ours.
const BACKDATE: SignedDuration = SignedDuration::from_mins(5);
/// The longest that a certificate holds, and for how long one does whose request does not say.
const LONGEST: SignedDuration = SignedDuration::from_hours(365 * 24);
const SHORTEST: SignedDuration = SignedDuration::from_mins(10);

/// Collaborators of a [`SigningController`].
pub struct SigningParts {
    pub authority: Arc<CertificateAuthority>,
    pub authorizer: Arc<dyn Authorizer>,
    /// Reads requests and nodes.
    pub source: Arc<dyn ObjectSource>,
    /// Writes as the account [`super::ACCOUNT`].
    pub sink: Arc<dyn ObjectSink>,
}

/// The approver, signer and cleaner of the signers of `kubernetes.io`. Several may run at once: each write has the
/// resourceVersion that was read as its precondition.
pub struct SigningController {
    parts: SigningParts,
    resource: GroupVersionResource,
    queue: Arc<WorkQueue<String>>,
}

#[derive(Debug, Error)]
enum Failure {
    #[error(transparent)]
    Read(#[from] SourceError),
    #[error(transparent)]
    Write(#[from] SinkError),
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error(transparent)]
    Authority(#[from] PkiError),
    #[error("the request cannot be read: {0}")]
    Json(#[from] serde_json::Error),
}

impl SigningController {
    pub fn new(parts: SigningParts) -> Self {
        let resource = GroupVersionResource::new("certificates.k8s.io", "v1", "certificatesigningrequests");
        Self { parts, resource, queue: Arc::new(WorkQueue::new()) }
    }

    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let names = Arc::new(Names(self.queue.clone()));
        let reflector = Reflector::new(self.parts.source.clone(), self.resource.clone(), ListOptions::default(), names);
        tokio::join!(reflector.run(stop.clone()), self.work(stop));
    }

    async fn work(&self, stop: CancellationToken) {
        while let Some(Some(name)) = stop.run_until_cancelled(self.queue.next()).await {
            match self.reconcile(&name).await {
                Ok(()) => self.queue.forget(&name),
                Err(error) => {
                    if !is_stale(&error) {
                        tracing::warn!(request = name, %error, "a certificate signing request could not be handled");
                    }
                    self.queue.retry(name.clone());
                }
            }
            self.queue.done(&name);
        }
    }

    async fn reconcile(&self, name: &str) -> Result<(), Failure> {
        let Some(observed) = self.parts.source.get(&self.resource, "", name).await? else { return Ok(()) };
        let request: Value = serde_json::from_slice(&observed.json)?;
        if self.clean(&observed, &request).await? || is_finished(&request) {
            return Ok(());
        }
        let Some(signer) = Signer::named(text(&request["spec"]["signerName"])) else { return Ok(()) };
        if has_condition(&request, "Approved") {
            return self.sign(name, request, signer).await;
        }
        match self.approval(&request, signer).await? {
            Some(approval) => self.approve(name, request, approval).await,
            None => Ok(()),
        }
    }

    /// Deletes the request if its time has come; else looks at it again then.
    async fn clean(&self, observed: &Observed, request: &Value) -> Result<bool, Failure> {
        let Some(due) = cleaning::due(request) else { return Ok(false) };
        if let Ok(wait) = Duration::try_from(due.duration_since(Timestamp::now()))
            && !wait.is_zero()
        {
            self.queue.add_after(observed.name.clone(), wait);
            return Ok(false);
        }
        let options = DeleteOptions { uid: Some(observed.uid.clone()), ..DeleteOptions::default() };
        match self.parts.sink.delete(&self.target(&observed.name), &options).await {
            Err(SinkError::Refused(status)) if status.is(Reason::NotFound) => Ok(true),
            other => Ok(other.map(|()| true)?),
        }
    }

    async fn approval(&self, request: &Value, signer: Signer) -> Result<Option<Approval>, Failure> {
        let Ok(read) = CertificateRequest::from_spec(text(&request["spec"]["request"])) else { return Ok(None) };
        let user = requester(&request["spec"]);
        let recognised = approval::recognise(signer, &read, &usages(request), &user.name);
        let permitted = recognised.into_iter().find(|a| a.permitted(&*self.parts.authorizer, &user));
        match (permitted, read.node_name()) {
            (Some(approval), Some(node)) if approval.names_the_node => {
                let nodes = GroupVersionResource::new("", "v1", "nodes");
                let Some(node) = self.parts.source.get(&nodes, "", node).await? else { return Ok(None) };
                Ok(approval::names_only(&read, &serde_json::from_slice(&node.json)?).then_some(approval))
            }
            (permitted, _) => Ok(permitted),
        }
    }

    async fn approve(&self, name: &str, request: Value, approval: Approval) -> Result<(), Failure> {
        let approved = with_condition(request, "Approved", "AutoApproved", approval.message);
        self.update(name, "approval", &approved).await
    }

    async fn sign(&self, name: &str, mut request: Value, signer: Signer) -> Result<(), Failure> {
        let refused = match CertificateRequest::from_spec(text(&request["spec"]["request"])) {
            Ok(read) => match signer.check(&read, &usages(&request)) {
                Ok(()) => {
                    let certificate = self.certificate(&read, &request)?;
                    request["status"]["certificate"] = BASE64_STANDARD.encode(certificate).into();
                    return self.update(name, "status", &request).await;
                }
                Err(refusal) => refusal.to_string(),
            },
            Err(error) => error.to_string(),
        };
        self.update(name, "status", &with_condition(request, "Failed", "SignerValidationFailure", &refused)).await
    }

    fn certificate(&self, read: &CertificateRequest, request: &Value) -> Result<String, Failure> {
        let authority = &self.parts.authority;
        let issuer = Issuer::new(&authority.certificate_der()?, authority.key())?;
        let asked = request["spec"]["expirationSeconds"].as_i64().map(SignedDuration::from_secs);
        let life = asked.unwrap_or(LONGEST).clamp(SHORTEST, LONGEST);
        let now = Timestamp::now();
        let period = Period { not_before: now - BACKDATE, not_after: (now + life).min(issuer.not_after) };
        Ok(issuer.sign(read, &usages(request), period)?)
    }

    async fn update(&self, name: &str, subresource: &str, request: &Value) -> Result<(), Failure> {
        let target = self.target(name).subresource(subresource);
        self.parts.sink.update(&target, Bytes::from(request.to_string())).await?;
        Ok(())
    }

    fn target(&self, name: &str) -> WriteTarget {
        WriteTarget::new(&self.resource, "", name)
    }
}

/// Somebody else was quicker: what they wrote comes as an event.
fn is_stale(failure: &Failure) -> bool {
    matches!(failure, Failure::Write(SinkError::Refused(status)) if status.is(Reason::Conflict) || status.is(Reason::NotFound))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn usages(request: &Value) -> Vec<String> {
    texts(&request["spec"]["usages"])
}

fn has_condition(request: &Value, wanted: &str) -> bool {
    request["status"]["conditions"].as_array().into_iter().flatten().any(|condition| condition["type"] == wanted)
}

fn is_finished(request: &Value) -> bool {
    !text(&request["status"]["certificate"]).is_empty()
        || has_condition(request, "Denied")
        || has_condition(request, "Failed")
}

/// Who made the request, as admission recorded it.
fn requester(spec: &Value) -> UserInfo {
    let extra = spec["extra"].as_object().into_iter().flatten().map(|(key, values)| (key.clone(), texts(values)));
    UserFields {
        name: text(&spec["username"]).to_owned(),
        uid: text(&spec["uid"]).to_owned(),
        groups: texts(&spec["groups"]),
        extra: extra.collect(),
    }
    .into()
}

fn with_condition(mut request: Value, kind: &str, reason: &str, message: &str) -> Value {
    let condition = json!({"type": kind, "status": "True", "reason": reason, "message": message});
    match request["status"]["conditions"].as_array_mut() {
        Some(conditions) => conditions.push(condition),
        None => request["status"]["conditions"] = json!([condition]),
    }
    request
}

/// Every request that appears or changes is to be looked at.
struct Names(Arc<WorkQueue<String>>);

impl ReflectorTarget for Names {
    fn replaced(&self, items: Vec<Observed>) {
        items.into_iter().for_each(|item| self.0.add(item.name));
    }

    fn applied(&self, object: Observed) {
        self.0.add(object.name);
    }

    fn deleted(&self, object: Observed) {
        self.0.forget(&object.name);
    }
}
