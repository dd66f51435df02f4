//! All that access is decided upon, in memory.

use base64::{Engine, prelude::BASE64_STANDARD};
use gantry_meta::{Object, Value, time};
use hashbrown::HashMap;
use jiff::Timestamp;
use parking_lot::RwLock;

use crate::{
    UserInfo,
    authenticate::BootstrapTokens,
    node::PodGraph,
    rbac::{self, RbacStore},
    user::{GROUP_AUTHENTICATED, UserFields},
};

pub(crate) const BOOTSTRAP_TOKEN_TYPE: &str = "bootstrap.kubernetes.io/token";
pub(crate) const KUBE_SYSTEM: &str = "kube-system";
const BOOTSTRAP_GROUP: &str = "system:bootstrappers";

struct BootstrapToken {
    secret: String,
    expires: Option<Timestamp>,
    user: UserInfo,
}

/// RBAC, the node graph, and bootstrap tokens. One [`apply`](Self::apply) feeds them all; reads take a read lock and never wait
/// for anything else.
#[derive(Default)]
pub struct AccessStore {
    rbac: RbacStore,
    graph: RwLock<PodGraph>,
    bootstrap: RwLock<HashMap<String, BootstrapToken>>,
}

impl AccessStore {
    /// Takes in one change of an object of the kinds that [`crate::feed::followed`] lists; others are ignored. `object`: `None`
    /// when it was deleted.
    pub fn apply(&self, group: &str, resource: &str, namespace: &str, name: &str, object: Option<&Object>) {
        match (group, resource) {
            (rbac::GROUP, _) => self.rbac.apply(resource, namespace, name, object),
            ("", "pods") => self.graph.write().apply_pod(namespace, name, object),
            ("", "persistentvolumes") => self.graph.write().apply_volume(name, object),
            ("", "secrets") if namespace == KUBE_SYSTEM => self.apply_secret(name, object),
            _ => {}
        }
    }

    fn apply_secret(&self, name: &str, object: Option<&Object>) {
        let Some(id) = name.strip_prefix("bootstrap-token-") else { return };
        let mut tokens = self.bootstrap.write();
        match object.and_then(|secret| bootstrap_token(id, secret)) {
            Some(token) => tokens.insert(id.to_owned(), token),
            None => tokens.remove(id),
        };
    }

    pub fn rbac(&self) -> &RbacStore {
        &self.rbac
    }

    /// Reads the node graph.
    pub fn with_graph<T>(&self, read: impl FnOnce(&PodGraph) -> T) -> T {
        read(&self.graph.read())
    }
}

/// Reads a bootstrap token's secret; `None` if it is not fit for authentication.
fn bootstrap_token(id: &str, secret: &Object) -> Option<BootstrapToken> {
    let data = secret.get("data")?.as_object()?;
    let entry = |member: &str| -> Option<String> {
        let bytes = BASE64_STANDARD.decode(data.get(member).and_then(Value::as_str)?).ok()?;
        String::from_utf8(bytes).ok()
    };
    let typed = secret.get("type").and_then(Value::as_str) == Some(BOOTSTRAP_TOKEN_TYPE);
    if !typed
        || entry("token-id").as_deref() != Some(id)
        || entry("usage-bootstrap-authentication").as_deref() != Some("true")
    {
        return None;
    }
    let expires = match entry("expiration") {
        Some(text) => Some(time::parse_time(&text)?),
        None => None,
    };
    let extra = entry("auth-extra-groups").unwrap_or_default();
    let extra: Vec<String> = extra.split(',').filter(|group| !group.is_empty()).map(str::to_owned).collect();
    if extra.iter().any(|group| !group.starts_with("system:bootstrappers:")) {
        return None;
    }
    let mut groups = vec![BOOTSTRAP_GROUP.to_owned()];
    groups.extend(extra);
    groups.push(GROUP_AUTHENTICATED.to_owned());
    let user = UserFields { name: format!("system:bootstrap:{id}"), groups, ..UserFields::default() }.into();
    Some(BootstrapToken { secret: entry("token-secret").filter(|secret| !secret.is_empty())?, expires, user })
}

impl BootstrapTokens for AccessStore {
    fn user_of(&self, id: &str, secret: &str, now: Timestamp) -> Option<UserInfo> {
        let tokens = self.bootstrap.read();
        let token = tokens.get(id)?;
        let holds =
            crate::authenticate::same_secret(&token.secret, secret) && token.expires.is_none_or(|end| now < end);
        holds.then(|| token.user.clone())
    }
}
