//! What a binding says: which role, for whom.

use gantry_meta::{Object, Value};
use serde::Deserialize;

use crate::user::service_account_user_name;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RoleKind {
    Role,
    ClusterRole,
}

/// The role that a binding gives.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RoleRef {
    pub kind: RoleKind,
    pub name: String,
}

impl RoleRef {
    /// Reads `roleRef` of a binding; an unknown kind is `None`, and gives nothing.
    pub fn of(binding: &Object) -> Option<Self> {
        let role = binding.get("roleRef")?.as_object()?;
        let kind = match role.get("kind").and_then(Value::as_str)? {
            "Role" => RoleKind::Role,
            "ClusterRole" => RoleKind::ClusterRole,
            _ => return None,
        };
        Some(Self { kind, name: role.get("name").and_then(Value::as_str)?.to_owned() })
    }

    /// The resource name of the role's kind.
    pub fn resource(&self) -> &'static str {
        match self.kind {
            RoleKind::Role => "roles",
            RoleKind::ClusterRole => "clusterroles",
        }
    }

    /// Where the role lives when a binding of `namespace` names it.
    pub(super) fn role_namespace<'a>(&self, namespace: &'a str) -> &'a str {
        match self.kind {
            RoleKind::Role => namespace,
            RoleKind::ClusterRole => "",
        }
    }
}

/// Whom a binding is for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Subject {
    User(String),
    Group(String),
}

#[derive(Deserialize)]
struct WireSubject {
    kind: String,
    name: String,
    #[serde(default)]
    namespace: String,
}

impl Subject {
    /// The subjects of a binding. An account without a namespace is one of the binding's; unknown kinds are passed over.
    pub fn all_of(binding: &Object) -> Vec<Self> {
        let binding_namespace = gantry_meta::ObjectView::namespace(binding);
        let subjects = binding.get("subjects").and_then(Value::as_array).into_iter().flatten();
        subjects.filter_map(|subject| Self::read(subject, binding_namespace)).collect()
    }

    fn read(subject: &Value, binding_namespace: &str) -> Option<Self> {
        let wire = WireSubject::deserialize(subject).ok()?;
        let namespace = if wire.namespace.is_empty() { binding_namespace } else { &wire.namespace };
        match &*wire.kind {
            "User" => Some(Self::User(wire.name)),
            "Group" => Some(Self::Group(wire.name)),
            "ServiceAccount" if !namespace.is_empty() => {
                Some(Self::User(service_account_user_name(namespace, &wire.name)))
            }
            _ => None,
        }
    }
}
