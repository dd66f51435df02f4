//! Who is asking.

use std::{collections::BTreeMap, ops::Deref, sync::Arc};

use serde_json::json;

use gantry_meta::Value;

/// Members of this group may do anything; no authoriser is asked.
pub const GROUP_MASTERS: &str = "system:masters";
pub const GROUP_AUTHENTICATED: &str = "system:authenticated";
pub const GROUP_UNAUTHENTICATED: &str = "system:unauthenticated";
pub const GROUP_NODES: &str = "system:nodes";
pub const GROUP_SERVICE_ACCOUNTS: &str = "system:serviceaccounts";
pub const USER_ANONYMOUS: &str = "system:anonymous";
const SERVICE_ACCOUNT_PREFIX: &str = "system:serviceaccount:";
const NODE_PREFIX: &str = "system:node:";

/// The parts of a [`UserInfo`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UserFields {
    pub name: String,
    /// Empty where the authenticator knows none.
    pub uid: String,
    pub groups: Vec<String>,
    pub extra: BTreeMap<String, Vec<String>>,
}

/// An authenticated user. Cloning copies one pointer; the parts are read through `Deref`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserInfo(Arc<UserFields>);

impl Deref for UserInfo {
    type Target = UserFields;

    fn deref(&self) -> &UserFields {
        &self.0
    }
}

impl From<UserFields> for UserInfo {
    fn from(fields: UserFields) -> Self {
        Self(Arc::new(fields))
    }
}

impl UserInfo {
    /// A user of these groups, without uid or extra.
    pub fn new(name: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        UserFields { name: name.to_owned(), groups, ..UserFields::default() }.into()
    }

    /// What a request without credentials counts as.
    pub fn anonymous() -> Self {
        Self::new(USER_ANONYMOUS, &[GROUP_UNAUTHENTICATED])
    }

    /// The server's own loopback identity: bootstrap, garbage collection, controllers that run in the process.
    pub fn loopback() -> Self {
        Self::new("system:apiserver", &[GROUP_MASTERS, GROUP_AUTHENTICATED])
    }

    pub fn is_anonymous(&self) -> bool {
        self.name == USER_ANONYMOUS
    }

    pub fn in_group(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }

    pub fn is_master(&self) -> bool {
        self.in_group(GROUP_MASTERS)
    }

    /// The node's name, if this is a node daemon.
    pub fn node_name(&self) -> Option<&str> {
        let name = self.name.strip_prefix(NODE_PREFIX).filter(|name| !name.is_empty())?;
        self.in_group(GROUP_NODES).then_some(name)
    }

    /// Namespace and name, if this is a service account.
    pub fn service_account(&self) -> Option<(&str, &str)> {
        split_service_account(&self.name)
    }

    /// `authentication.k8s.io/v1 UserInfo` as JSON; empty parts are left out.
    pub fn to_json(&self) -> Value {
        let mut out = gantry_meta::Object::new();
        for (member, text) in [("username", &self.name), ("uid", &self.uid)] {
            if !text.is_empty() {
                out.insert(member.into(), json!(text));
            }
        }
        if !self.groups.is_empty() {
            out.insert("groups".into(), json!(self.groups));
        }
        if !self.extra.is_empty() {
            out.insert("extra".into(), json!(self.extra));
        }
        Value::Object(out)
    }
}

/// The user name of a service account.
pub fn service_account_user_name(namespace: &str, name: &str) -> String {
    format!("{SERVICE_ACCOUNT_PREFIX}{namespace}:{name}")
}

/// The groups that every service account of `namespace` is in.
pub fn service_account_groups(namespace: &str) -> Vec<String> {
    vec![GROUP_SERVICE_ACCOUNTS.to_owned(), format!("{GROUP_SERVICE_ACCOUNTS}:{namespace}")]
}

/// Namespace and name out of a service account's user name.
pub fn split_service_account(user_name: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user_name.strip_prefix(SERVICE_ACCOUNT_PREFIX)?.split_once(':')?;
    (!namespace.is_empty() && !name.is_empty() && !name.contains(':')).then_some((namespace, name))
}

/// The user name of a node daemon.
pub fn node_user_name(node: &str) -> String {
    format!("{NODE_PREFIX}{node}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_and_node_names_are_taken_apart() {
        let account = UserInfo::new(&service_account_user_name("ns", "robot"), &[]);
        assert_eq!(account.service_account(), Some(("ns", "robot")));
        let node = UserInfo::new(&node_user_name("n1"), &[GROUP_NODES]);
        assert_eq!(node.node_name(), Some("n1"));
        assert_eq!(UserInfo::new("system:node:n1", &[]).node_name(), None, "the name alone is not enough");
        for bad in ["system:serviceaccount:", "system:serviceaccount:ns", "system:serviceaccount:ns:a:b"] {
            assert_eq!(split_service_account(bad), None, "{bad}");
        }
    }
}
