//! Secrets of the type `kubernetes.io/service-account-token`: they are filled with a token of the account that they name,
//! and go with it. Source: the reference page on service accounts, "Manually create a long-lived API token".

mod known;

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use gantry_meta::{GroupVersionResource, Reason, Value};
use gantry_runtime::{
    DeleteOptions, ListOptions, ObjectSink, ObjectSource, Observed, Reflector, SinkError, SourceError, WriteTarget,
};
use serde_json::json;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use self::known::{Accounts, Known, Secrets};
use super::{BoundObject, TokenIssuer};
use crate::pki::PkiError;

const TYPE: &str = "kubernetes.io/service-account-token";
const ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";
const ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";

/// Collaborators of a [`TokenSecretController`].
pub struct TokenSecretParts {
    pub issuer: Arc<TokenIssuer>,
    /// What clients check the API server's certificate with: PEM.
    pub root_ca: String,
    /// Reads secrets and service accounts.
    pub source: Arc<dyn ObjectSource>,
    pub sink: Arc<dyn ObjectSink>,
}

/// Namespace and name of a secret.
type Key = (String, String);

/// Fills token secrets and clears them away. Several may run at once: each write has the version that was read as its
/// precondition.
pub struct TokenSecretController {
    parts: TokenSecretParts,
    secrets: GroupVersionResource,
    accounts: GroupVersionResource,
    known: Arc<Known>,
}

#[derive(Debug, Error)]
enum Failure {
    #[error(transparent)]
    Read(#[from] SourceError),
    #[error(transparent)]
    Write(#[from] SinkError),
    #[error(transparent)]
    Sign(#[from] PkiError),
    #[error("the secret cannot be read: {0}")]
    Json(#[from] serde_json::Error),
}

impl TokenSecretController {
    pub fn new(parts: TokenSecretParts) -> Self {
        let core = |plural: &str| GroupVersionResource::new("", "v1", plural);
        Self { parts, secrets: core("secrets"), accounts: core("serviceaccounts"), known: Arc::default() }
    }

    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let tokens = ListOptions { field_selector: format!("type={TYPE}"), ..ListOptions::default() };
        let secrets = Arc::new(Secrets(self.known.clone()));
        let accounts = Arc::new(Accounts(self.known.clone()));
        let secrets = Reflector::new(self.parts.source.clone(), self.secrets.clone(), tokens, secrets);
        let accounts =
            Reflector::new(self.parts.source.clone(), self.accounts.clone(), ListOptions::default(), accounts);
        tokio::join!(secrets.run(stop.clone()), accounts.run(stop.clone()), self.work(stop));
    }

    async fn work(&self, stop: CancellationToken) {
        let queue = &self.known.queue;
        while let Some(Some(key)) = stop.run_until_cancelled(queue.next()).await {
            match self.reconcile(&key).await {
                Ok(()) => queue.forget(&key),
                Err(error) => {
                    if !is_stale(&error) {
                        tracing::warn!(namespace = key.0, secret = key.1, %error, "a token secret could not be handled");
                    }
                    queue.retry(key.clone());
                }
            }
            queue.done(&key);
        }
    }

    async fn reconcile(&self, (namespace, name): &Key) -> Result<(), Failure> {
        let Some(observed) = self.parts.source.get(&self.secrets, namespace, name).await? else { return Ok(()) };
        let mut secret: Value = serde_json::from_slice(&observed.json)?;
        let target = WriteTarget::new(&self.secrets, namespace, name);
        let Some(account) = self.account_of(namespace, &secret).await? else {
            return self.delete(&target, &observed).await;
        };
        if self.fill(&mut secret, namespace, name, &account)? {
            self.parts.sink.update(&target, Bytes::from(secret.to_string())).await?;
        }
        Ok(())
    }

    /// The account that the secret names, if it is the one that stands under that name.
    async fn account_of(&self, namespace: &str, secret: &Value) -> Result<Option<BoundObject>, Failure> {
        let annotations = &secret["metadata"]["annotations"];
        let name = annotations[ACCOUNT_NAME].as_str().unwrap_or_default();
        let found = self.parts.source.get(&self.accounts, namespace, name).await?;
        let stated = annotations[ACCOUNT_UID].as_str().unwrap_or_default();
        let account = found.filter(|account| stated.is_empty() || stated == account.uid);
        Ok(account.map(|account| BoundObject { name: account.name, uid: account.uid }))
    }

    async fn delete(&self, target: &WriteTarget, observed: &Observed) -> Result<(), Failure> {
        let options = DeleteOptions {
            uid: Some(observed.uid.clone()),
            resource_version: Some(observed.resource_version.clone()),
            ..DeleteOptions::default()
        };
        match self.parts.sink.delete(target, &options).await {
            Err(SinkError::Refused(status)) if status.is(Reason::NotFound) => Ok(()),
            other => Ok(other?),
        }
    }

    /// Adds what the secret lacks; false if it lacks nothing.
    fn fill(&self, secret: &mut Value, namespace: &str, name: &str, account: &BoundObject) -> Result<bool, Failure> {
        let root_ca = BASE64_STANDARD.encode(&self.parts.root_ca);
        let lacks = |member: &str| secret["data"][member].as_str().is_none_or(str::is_empty);
        let (token, namespaced) = (lacks("token"), lacks("namespace"));
        if !token && !namespaced && secret["data"]["ca.crt"] == root_ca {
            return Ok(false);
        }
        if !secret["data"].is_object() {
            secret["data"] = json!({});
        }
        if token {
            let token = self.parts.issuer.issue_for_secret(namespace, account, name)?;
            secret["data"]["token"] = BASE64_STANDARD.encode(token).into();
        }
        if namespaced {
            secret["data"]["namespace"] = BASE64_STANDARD.encode(namespace).into();
        }
        secret["data"]["ca.crt"] = root_ca.into();
        secret["metadata"]["annotations"][ACCOUNT_NAME] = account.name.as_str().into();
        secret["metadata"]["annotations"][ACCOUNT_UID] = account.uid.as_str().into();
        Ok(true)
    }
}

/// Somebody else was quicker: what they wrote comes as an event.
fn is_stale(failure: &Failure) -> bool {
    matches!(failure, Failure::Write(SinkError::Refused(status)) if status.is(Reason::Conflict) || status.is(Reason::NotFound))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use async_trait::async_trait;
    use gantry_runtime::{Listed, Patch, WatchStream};

    use parking_lot::Mutex;

    use super::*;
    use crate::token::{DEFAULT_ISSUER, SigningKey};

    /// One object under each name, and what was written.
    #[derive(Default)]
    struct Cluster {
        objects: BTreeMap<String, Value>,
        written: Mutex<Vec<Value>>,
        deleted: Mutex<Vec<DeleteOptions>>,
    }

    fn observed(name: &str, object: &Value) -> Observed {
        let text = |member: &str| object["metadata"][member].as_str().unwrap_or_default().to_owned();
        Observed {
            namespace: "ns".into(),
            name: name.into(),
            uid: text("uid"),
            resource_version: text("resourceVersion"),
            json: Bytes::from(object.to_string()),
        }
    }

    #[async_trait]
    impl ObjectSource for Cluster {
        async fn get(
            &self,
            resource: &GroupVersionResource,
            _namespace: &str,
            name: &str,
        ) -> Result<Option<Observed>, SourceError> {
            let found = self.objects.get(&format!("{}/{name}", resource.resource));
            Ok(found.map(|object| observed(name, object)))
        }

        async fn list(&self, _: &GroupVersionResource, _: &ListOptions) -> Result<Listed, SourceError> {
            Err(SourceError::Expired)
        }

        async fn watch(&self, _: &GroupVersionResource, _: &ListOptions, _: &str) -> Result<WatchStream, SourceError> {
            Err(SourceError::Expired)
        }
    }

    #[async_trait]
    impl ObjectSink for Cluster {
        async fn create(&self, target: &WriteTarget, _: Bytes) -> Result<Observed, SinkError> {
            Err(SinkError::Unavailable(target.name.clone()))
        }

        async fn update(&self, target: &WriteTarget, body: Bytes) -> Result<Observed, SinkError> {
            let object: Value = serde_json::from_slice(&body).unwrap();
            self.written.lock().push(object.clone());
            Ok(observed(&target.name, &object))
        }

        async fn patch(&self, target: &WriteTarget, _: Patch) -> Result<Observed, SinkError> {
            Err(SinkError::Unavailable(target.name.clone()))
        }

        async fn delete(&self, _: &WriteTarget, options: &DeleteOptions) -> Result<(), SinkError> {
            self.deleted.lock().push(options.clone());
            Ok(())
        }
    }

    fn secret(uid: Option<&str>) -> Value {
        let mut annotations = json!({ ACCOUNT_NAME: "robot" });
        if let Some(uid) = uid {
            annotations[ACCOUNT_UID] = uid.into();
        }
        json!({"metadata": {"name": "t", "uid": "s-1", "resourceVersion": "7", "annotations": annotations}, "type": TYPE})
    }

    /// What the controller does with the secret `t`.
    async fn reconciled(secret: Value, account: Option<Value>) -> Arc<Cluster> {
        let folder = tempfile::tempdir().unwrap();
        let key = Arc::new(SigningKey::load_or_create(folder.path()).unwrap());
        let mut cluster = Cluster::default();
        cluster.objects.insert("secrets/t".into(), secret);
        cluster.objects.extend(account.map(|account| ("serviceaccounts/robot".to_owned(), account)));
        let cluster = Arc::new(cluster);
        let parts = TokenSecretParts {
            issuer: Arc::new(TokenIssuer::new(key, DEFAULT_ISSUER)),
            root_ca: "PEM".into(),
            source: cluster.clone(),
            sink: cluster.clone(),
        };
        TokenSecretController::new(parts).reconcile(&("ns".into(), "t".into())).await.unwrap();
        cluster
    }

    fn robot() -> Option<Value> {
        Some(json!({"metadata": {"name": "robot", "uid": "a-1"}}))
    }

    #[tokio::test]
    async fn a_secret_gets_a_token_of_the_account_it_names_once() {
        let cluster = reconciled(secret(None), robot()).await;
        let filled = cluster.written.lock()[0].clone();
        assert_eq!(filled["metadata"]["annotations"], json!({ ACCOUNT_NAME: "robot", ACCOUNT_UID: "a-1" }));
        assert_eq!(filled["data"]["ca.crt"], BASE64_STANDARD.encode("PEM"));
        assert_eq!(filled["data"]["namespace"], BASE64_STANDARD.encode("ns"));
        let token = BASE64_STANDARD.decode(filled["data"]["token"].as_str().unwrap()).unwrap();
        assert_eq!(String::from_utf8(token).unwrap().split('.').count(), 3);
        assert!(reconciled(filled, robot()).await.written.lock().is_empty());
    }

    #[tokio::test]
    async fn a_secret_of_no_account_or_of_one_that_was_made_anew_goes() {
        for (secret, account) in [(secret(None), None), (secret(Some("a-0")), robot())] {
            let cluster = reconciled(secret, account).await;
            assert!(cluster.written.lock().is_empty());
            let deleted = cluster.deleted.lock();
            assert_eq!((deleted[0].uid.as_deref(), deleted[0].resource_version.as_deref()), (Some("s-1"), Some("7")));
        }
    }
}
