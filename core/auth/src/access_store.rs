//! All that access is decided upon, in memory.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use gantry_meta::{Object, ObjectView, Value, time};
use hashbrown::HashMap;
use jiff::Timestamp;
use parking_lot::RwLock;

use crate::{
    UserInfo,
    authenticate::BootstrapTokens,
    node::PodGraph,
    rbac::{self, RbacStore},
    token::{AccountState, BoundObject},
    user::{GROUP_AUTHENTICATED, UserFields},
};

/// The resources whose changes [`AccessStore::apply`] wants to hear of: group, version, resource.
pub const WATCHED: [(&str, &str, &str); 9] = [
    (rbac::GROUP, "v1", "clusterroles"),
    (rbac::GROUP, "v1", "clusterrolebindings"),
    (rbac::GROUP, "v1", "roles"),
    (rbac::GROUP, "v1", "rolebindings"),
    ("", "v1", "serviceaccounts"),
    ("", "v1", "pods"),
    ("", "v1", "nodes"),
    ("", "v1", "secrets"),
    ("", "v1", "persistentvolumes"),
];

const BOOTSTRAP_TOKEN_TYPE: &str = "bootstrap.kubernetes.io/token";
const BOOTSTRAP_GROUP: &str = "system:bootstrappers";

struct Identity {
    uid: Box<str>,
    deleted_at: Option<Timestamp>,
}

/// By namespace and name.
type IdentityTable = HashMap<(Arc<str>, Arc<str>), Identity>;

#[derive(Default)]
struct Identities {
    /// By resource, of those that tokens are bound to.
    objects: HashMap<&'static str, IdentityTable>,
    bootstrap: HashMap<String, BootstrapToken>,
}

struct BootstrapToken {
    secret: String,
    expires: Option<Timestamp>,
    user: UserInfo,
}

/// RBAC, the node graph, and the identities that tokens are bound to. One [`apply`](Self::apply) feeds them all; reads take a
/// read lock and never wait for anything else.
#[derive(Default)]
pub struct AccessStore {
    rbac: RbacStore,
    graph: RwLock<PodGraph>,
    identities: RwLock<Identities>,
}

impl AccessStore {
    /// Takes in one change of one of the [`WATCHED`] resources; others are ignored. `object`: `None` when it was deleted.
    pub fn apply(&self, group: &str, resource: &str, namespace: &str, name: &str, object: Option<&Object>) {
        match (group, resource) {
            (rbac::GROUP, _) => self.rbac.apply(resource, namespace, name, object),
            ("", "pods") => {
                self.graph.write().apply_pod(namespace, name, object);
                self.identities.write().apply("pods", namespace, name, object);
            }
            ("", "persistentvolumes") => self.graph.write().apply_volume(name, object),
            ("", "serviceaccounts") => self.identities.write().apply("serviceaccounts", namespace, name, object),
            ("", "nodes") => self.identities.write().apply("nodes", namespace, name, object),
            ("", "secrets") => self.identities.write().apply_secret(namespace, name, object),
            _ => {}
        }
    }

    pub fn rbac(&self) -> &RbacStore {
        &self.rbac
    }

    /// Reads the node graph.
    pub fn with_graph<T>(&self, read: impl FnOnce(&PodGraph) -> T) -> T {
        read(&self.graph.read())
    }
}

impl Identities {
    fn apply(&mut self, resource: &'static str, namespace: &str, name: &str, object: Option<&Object>) {
        let table = self.objects.entry(resource).or_default();
        let at = (Arc::from(namespace), Arc::from(name));
        match object {
            None => table.remove(&at),
            Some(object) => {
                let deleted_at = time::parse_time(object.meta_str("deletionTimestamp"));
                table.insert(at, Identity { uid: object.uid().into(), deleted_at })
            }
        };
    }

    fn apply_secret(&mut self, namespace: &str, name: &str, object: Option<&Object>) {
        self.apply("secrets", namespace, name, object);
        let Some(id) = name.strip_prefix("bootstrap-token-").filter(|_| namespace == "kube-system") else { return };
        match object.and_then(|secret| bootstrap_token(id, secret)) {
            Some(token) => self.bootstrap.insert(id.to_owned(), token),
            None => self.bootstrap.remove(id),
        };
    }

    fn find(&self, resource: &str, namespace: &str, name: &str) -> Option<&Identity> {
        self.objects.get(resource)?.get(&(Arc::from(namespace), Arc::from(name)))
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

impl AccountState for AccessStore {
    fn uid_is(&self, resource: &str, namespace: &str, bound: &BoundObject) -> bool {
        let identities = self.identities.read();
        identities.find(resource, namespace, &bound.name).is_some_and(|identity| *identity.uid == *bound.uid)
    }

    fn pod_deleted_at(&self, namespace: &str, name: &str) -> Option<Timestamp> {
        self.identities.read().find("pods", namespace, name)?.deleted_at
    }
}

impl BootstrapTokens for AccessStore {
    fn user_of(&self, id: &str, secret: &str, now: Timestamp) -> Option<UserInfo> {
        let identities = self.identities.read();
        let token = identities.bootstrap.get(id)?;
        let holds =
            crate::authenticate::same_secret(&token.secret, secret) && token.expires.is_none_or(|end| now < end);
        holds.then(|| token.user.clone())
    }
}
