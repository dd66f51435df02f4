//! What the documents say about operations, before it is written in one of the two dialects.

use gantry_kinds::{Resource, Subresource};

/// A URL and its operations.
pub(super) struct PathItem {
    pub path: String,
    pub operations: Vec<Operation>,
}

/// The verb that an operation's id begins with and that `x-kubernetes-action` names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    Get,
    List,
    Post,
    Put,
    Patch,
    Delete,
    DeleteCollection,
    Watch,
    WatchList,
    Connect,
    /// Discovery, `/version` and other paths that are no resources.
    Plain,
}

impl Action {
    pub fn name(self) -> &'static str {
        match self {
            Action::Get | Action::Plain => "get",
            Action::List => "list",
            Action::Post => "post",
            Action::Put => "put",
            Action::Patch => "patch",
            Action::Delete => "delete",
            Action::DeleteCollection => "deletecollection",
            Action::Watch => "watch",
            Action::WatchList => "watchlist",
            Action::Connect => "connect",
        }
    }

    /// The word of the operation's id.
    fn id_verb(self) -> &'static str {
        match self {
            Action::Get => "read",
            Action::Post => "create",
            Action::Put => "replace",
            Action::DeleteCollection => "delete",
            Action::WatchList => "watch",
            other => other.name(),
        }
    }

    pub fn streams(self) -> bool {
        matches!(self, Action::List | Action::Watch | Action::WatchList)
    }
}

/// What an answer or a body holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Payload {
    /// A type by its full name.
    Type(String),
    Text,
    /// Not described.
    Nothing,
}

pub(super) struct Operation {
    /// In lower case.
    pub method: &'static str,
    pub action: Action,
    pub id: String,
    pub tag: String,
    pub description: String,
    pub body: Payload,
    pub answer: Payload,
    /// Names of query parameters, besides those of the path.
    pub query: Vec<&'static str>,
    /// Group, version and kind of what the operation is about.
    pub kind: Option<(String, String, String)>,
    /// Media types of the answer; empty: those of the action.
    pub produces: &'static [&'static str],
}

/// `Core`, `Apps`, `RbacAuthorization`, `FlowcontrolApiserver`: groups in ids.
pub(super) fn group_word(group: &str) -> String {
    if group.is_empty() {
        return "Core".to_owned();
    }
    group.strip_suffix(".k8s.io").unwrap_or(group).split('.').map(capitalised).collect()
}

/// `core_v1`, `rbacAuthorization_v1`; without a version the group alone.
pub(super) fn tag(group: &str, version: Option<&str>) -> String {
    let word = group_word(group);
    let mut tag = word[..1].to_ascii_lowercase() + &word[1..];
    if let Some(version) = version {
        tag = format!("{tag}_{version}");
    }
    tag
}

pub(super) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Where an operation on a resource is served.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub resource: &'a Resource,
    pub subresource: Option<&'a Subresource>,
    /// The path goes on after the subresource: `proxy/{path}`.
    pub with_path: bool,
    pub in_namespace: bool,
}

impl Place<'_> {
    /// `VERB GROUP VERSION [METHOD] [Collection] [Namespaced] KIND [SUBRESOURCE] [List] [ForAllNamespaces]`
    pub fn id(&self, action: Action, method: &str) -> String {
        let resource = self.resource;
        let mut id = format!("{}{}{}", action.id_verb(), group_word(&resource.group), capitalised(&resource.version));
        if action == Action::Connect {
            id.push_str(&capitalised(method));
        }
        if action == Action::DeleteCollection {
            id.push_str("Collection");
        }
        if self.in_namespace {
            id.push_str("Namespaced");
        }
        id.push_str(&resource.kind);
        if let Some(subresource) = self.subresource {
            id.push_str(&capitalised(&subresource.name));
        }
        if self.with_path {
            id.push_str("WithPath");
        }
        if action == Action::WatchList {
            id.push_str("List");
        }
        if resource.namespaced && !self.in_namespace {
            id.push_str("ForAllNamespaces");
        }
        id
    }
}
