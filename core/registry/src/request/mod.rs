//! The one closed set of things that can be asked of the API, whatever door they came through.

mod body;
mod options;
mod target;

pub use body::{Body, MediaType, Patch};
pub use options::{
    DeleteOptions, FieldValidation, GetOptions, ListOptions, MAX_FIELD_MANAGER_BYTES, Preconditions, Propagation,
    WriteOptions, dry_run_of, field_manager_causes,
};
pub use target::Target;

use gantry_meta::Status;

/// What is asked. A transport builds one and gives it to [`crate::Executor::execute`]; nothing else runs requests.
#[derive(Clone, Debug)]
pub enum ApiRequest {
    Get {
        target: Target,
        options: GetOptions,
    },
    List {
        target: Target,
        options: ListOptions,
    },
    Watch {
        target: Target,
        options: ListOptions,
    },
    /// A new object, or, with `target.subresource`, a post to one: `binding`, `eviction`, `token`.
    Create {
        target: Target,
        body: Body,
        options: WriteOptions,
    },
    Update {
        target: Target,
        body: Body,
        options: WriteOptions,
    },
    Patch {
        target: Target,
        patch: Patch,
        options: WriteOptions,
    },
    Delete {
        target: Target,
        options: DeleteOptions,
    },
    DeleteCollection {
        target: Target,
        options: DeleteOptions,
        /// Which objects: selectors, limit and version.
        list: ListOptions,
    },
    /// A stream or a proxied request to a node, a pod or a service. The executor authorises it and says where it goes.
    Connect {
        target: Target,
        connect: Connect,
    },
    /// The transport could not read the request (an option, a media type, a size). Authorised like the request it should
    /// have been, so that who may not ask learns nothing else, then refused with `refusal`.
    Unacceptable {
        target: Target,
        verb: Verb,
        refusal: Box<Status>,
    },
}

impl ApiRequest {
    pub fn target(&self) -> &Target {
        match self {
            Self::Get { target, .. }
            | Self::List { target, .. }
            | Self::Watch { target, .. }
            | Self::Create { target, .. }
            | Self::Update { target, .. }
            | Self::Patch { target, .. }
            | Self::Delete { target, .. }
            | Self::DeleteCollection { target, .. }
            | Self::Connect { target, .. }
            | Self::Unacceptable { target, .. } => target,
        }
    }

    /// The verb that authorisation decides on.
    pub fn verb(&self) -> Verb {
        match self {
            Self::Get { .. } => Verb::Get,
            Self::List { .. } => Verb::List,
            Self::Watch { .. } => Verb::Watch,
            Self::Create { .. } => Verb::Create,
            Self::Update { .. } => Verb::Update,
            Self::Patch { .. } => Verb::Patch,
            Self::Delete { .. } => Verb::Delete,
            Self::DeleteCollection { .. } => Verb::DeleteCollection,
            Self::Connect { connect, .. } => connect.verb,
            Self::Unacceptable { verb, .. } => *verb,
        }
    }
}

/// The API's verbs on resources, as RBAC rules spell them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
}

impl Verb {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }
}

/// What a connect verb (log, exec, attach, portforward, proxy) brings along.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Connect {
    /// From the HTTP method: `get` for GET, `create` for POST and so on.
    pub verb: Verb,
    /// The raw query string, without `?`.
    pub query: String,
    /// What follows `/proxy` in the path, with its leading slash; empty if nothing does.
    pub path: String,
    /// The client asks to upgrade the connection (WebSocket, SPDY).
    pub upgrade: bool,
}
