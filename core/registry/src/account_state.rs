//! What tokens are bound to, as the watch cache knows it: no copy, and no lag behind this replica's own writes.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use gantry_auth::token::{AccountState, BoundObject};
use gantry_meta::time;
use gantry_storage::Key;
use gantry_watch_cache::{CachedObject, WatchCache};
use jiff::Timestamp;
use serde::Deserialize;

/// An [`AccountState`] over a watch cache that holds service accounts, pods, secrets and nodes.
pub struct CachedAccounts(Arc<WatchCache>);

impl CachedAccounts {
    pub fn new(cache: Arc<WatchCache>) -> Self {
        Self(cache)
    }

    fn find(&self, resource: &str, namespace: &str, name: &str) -> Option<Arc<CachedObject>> {
        self.0.get(&Key::new("", resource, namespace, name))
    }
}

#[derive(Deserialize)]
struct Head {
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    deletion_timestamp: Option<String>,
}

#[derive(Deserialize)]
struct Secret {
    data: SecretData,
}

#[derive(Deserialize)]
struct SecretData {
    token: String,
}

impl AccountState for CachedAccounts {
    fn uid_is(&self, resource: &str, namespace: &str, bound: &BoundObject) -> bool {
        self.find(resource, namespace, &bound.name).is_some_and(|object| object.uid() == bound.uid)
    }

    fn pod_deleted_at(&self, namespace: &str, name: &str) -> Option<Timestamp> {
        let pod = self.find("pods", namespace, name)?;
        let head: Head = serde_json::from_slice(&pod.wire()).ok()?;
        time::parse_time(&head.metadata.deletion_timestamp?)
    }

    fn secret_token(&self, namespace: &str, name: &str) -> Option<String> {
        let secret = self.find("secrets", namespace, name)?;
        let secret: Secret = serde_json::from_slice(&secret.wire()).ok()?;
        String::from_utf8(BASE64.decode(secret.data.token).ok()?).ok()
    }
}
