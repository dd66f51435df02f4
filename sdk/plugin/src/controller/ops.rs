//! What a reconciler wants done.

use gantry_abi as abi;
use serde::{Deserialize, Serialize};

use crate::{Failure, Metadata, Obj, Resource};

/// What an operation does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Verb {
    Create = abi::OP_CREATE,
    Update = abi::OP_UPDATE,
    PatchJson = abi::OP_PATCH_JSON,
    PatchMerge = abi::OP_PATCH_MERGE,
    PatchStrategic = abi::OP_PATCH_STRATEGIC,
    Apply = abi::OP_APPLY,
    Delete = abi::OP_DELETE,
    DeleteCollection = abi::OP_DELETE_COLLECTION,
    Event = abi::OP_EVENT,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u32)]
pub enum Propagation {
    /// What the resource does by itself.
    #[default]
    Default = abi::PROPAGATION_DEFAULT,
    Background = abi::PROPAGATION_BACKGROUND,
    Foreground = abi::PROPAGATION_FOREGROUND,
    Orphan = abi::PROPAGATION_ORPHAN,
}

/// An operation of the same [`Ops`], to hang events on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpId(u32);

/// One operation, as the host will get it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Op {
    pub verb: Verb,
    pub group: String,
    pub version: String,
    /// Plural; empty for an event.
    pub resource: String,
    /// `status`, `scale`, `finalize`, `eviction`, ...; empty for the object itself.
    pub subresource: String,
    pub namespace: String,
    /// Empty for a create, a collection and an event.
    pub name: String,
    pub expect_uid: String,
    pub expect_resource_version: String,
    /// JSON; empty for a delete.
    pub body: Vec<u8>,
    pub propagation: Propagation,
    pub grace_seconds: Option<i64>,
    /// Operations of a stage run at once; a stage begins when the one before has succeeded.
    pub stage: u32,
    /// `GANTRY_OP_...` of the header.
    pub flags: u32,
    /// Index of the operation that `flags` refers to.
    pub after: u32,
}

impl Op {
    /// The body, as a tree.
    ///
    /// # Errors
    /// It is empty.
    pub fn body_value(&self) -> Result<serde_json::Value, Failure> {
        Ok(serde_json::from_slice(&self.body)?)
    }
}

/// An operation of the last try that failed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Failed {
    /// Its index among the operations then.
    pub op: usize,
    /// `create`, `update`, `patch`, `delete`.
    pub verb: String,
    pub resource: String,
    pub name: String,
    /// HTTP status; 0 if the API did not answer.
    pub code: u16,
    /// `Conflict`, `Forbidden`, `Invalid`, ...
    pub reason: String,
    pub message: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventType {
    Normal,
    Warning,
}

impl EventType {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// What an event is about.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectReference {
    pub api_version: String,
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub resource_version: String,
    /// `spec.containers{web}`
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field_path: String,
}

impl ObjectReference {
    pub fn to(resource: &Resource<'_>, object: &Metadata) -> Self {
        Self {
            api_version: resource.api_version(),
            kind: resource.kind.to_owned(),
            namespace: object.namespace.clone(),
            name: object.name.clone(),
            uid: object.uid.clone(),
            resource_version: object.resource_version.clone(),
            field_path: String::new(),
        }
    }
}

impl From<&Obj<'_>> for ObjectReference {
    fn from(object: &Obj<'_>) -> Self {
        Self {
            api_version: object.resource.api_version(),
            kind: object.resource.kind.to_owned(),
            namespace: object.namespace.to_owned(),
            name: object.name.to_owned(),
            uid: object.uid.to_owned(),
            resource_version: object.resource_version.to_owned(),
            field_path: String::new(),
        }
    }
}

#[derive(Serialize)]
struct EventBody<'a> {
    regarding: &'a ObjectReference,
    #[serde(rename = "type")]
    event_type: &'static str,
    reason: &'a str,
    message: &'a str,
}

/// The operations of one key. Those between two calls of [`Ops::then`] run at once.
#[derive(Debug, Default)]
pub struct Ops {
    list: Vec<Op>,
    stage: u32,
    attempt: u32,
    failed: Vec<Failed>,
    broken: Option<Failure>,
}

impl Ops {
    /// Of a key that has failed `attempt` times in a row, and what failed the last time.
    pub(crate) fn after(attempt: u32, failed: Vec<Failed>) -> Self {
        Self { attempt, failed, ..Self::default() }
    }

    /// How often in a row this key has failed.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// What failed of the operations of the last try; for conditions such as ReplicaFailure.
    pub fn failures(&self) -> &[Failed] {
        &self.failed
    }

    pub fn list(&self) -> &[Op] {
        &self.list
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// What follows runs only when all before has succeeded.
    pub fn then(&mut self) {
        self.stage = self.list.last().map_or(0, |op| op.stage + 1);
    }

    /// Creates `object`, which holds its own metadata (`generateName` allowed).
    pub fn create(&mut self, resource: &Resource<'_>, namespace: &str, object: &impl Serialize) -> OpDraft<'_> {
        self.push(Verb::Create, resource, namespace, "").body(object)
    }

    /// Posts to a subresource, for example `eviction`.
    pub fn create_subresource(
        &mut self,
        resource: &Resource<'_>,
        namespace: &str,
        name: &str,
        subresource: &str,
        object: &impl Serialize,
    ) -> OpDraft<'_> {
        self.push(Verb::Create, resource, namespace, name).subresource(subresource).body(object)
    }

    /// Replaces the object. Its `metadata.resourceVersion` is the precondition.
    pub fn update(
        &mut self,
        resource: &Resource<'_>,
        namespace: &str,
        name: &str,
        object: &impl Serialize,
    ) -> OpDraft<'_> {
        self.push(Verb::Update, resource, namespace, name).body(object)
    }

    /// Replaces the status. The object's `metadata.resourceVersion` is the precondition.
    pub fn update_status(
        &mut self,
        resource: &Resource<'_>,
        namespace: &str,
        name: &str,
        object: &impl Serialize,
    ) -> OpDraft<'_> {
        self.update(resource, namespace, name, object).subresource("status")
    }

    /// RFC 6902: a list of operations.
    pub fn patch_json(
        &mut self,
        resource: &Resource<'_>,
        namespace: &str,
        name: &str,
        patch: &impl Serialize,
    ) -> OpDraft<'_> {
        self.push(Verb::PatchJson, resource, namespace, name).body(patch)
    }

    /// RFC 7386.
    pub fn patch_merge(
        &mut self,
        resource: &Resource<'_>,
        namespace: &str,
        name: &str,
        patch: &impl Serialize,
    ) -> OpDraft<'_> {
        self.push(Verb::PatchMerge, resource, namespace, name).body(patch)
    }

    /// Strategic merge; lists merge by their keys.
    pub fn patch_strategic(
        &mut self,
        resource: &Resource<'_>,
        namespace: &str,
        name: &str,
        patch: &impl Serialize,
    ) -> OpDraft<'_> {
        self.push(Verb::PatchStrategic, resource, namespace, name).body(patch)
    }

    /// A merge patch of the status.
    pub fn patch_status(
        &mut self,
        resource: &Resource<'_>,
        namespace: &str,
        name: &str,
        patch: &impl Serialize,
    ) -> OpDraft<'_> {
        self.patch_merge(resource, namespace, name, patch).subresource("status")
    }

    /// Server-side apply; the field manager is the plugin's id.
    pub fn apply(
        &mut self,
        resource: &Resource<'_>,
        namespace: &str,
        name: &str,
        object: &impl Serialize,
    ) -> OpDraft<'_> {
        self.push(Verb::Apply, resource, namespace, name).body(object)
    }

    /// Deletes. That the object is gone already is a success.
    pub fn delete(&mut self, resource: &Resource<'_>, namespace: &str, name: &str) -> OpDraft<'_> {
        self.push(Verb::Delete, resource, namespace, name).flag(abi::OP_IGNORE_NOT_FOUND)
    }

    /// Deletes every object of the resource in the namespace, as the API has them then, not the cache.
    pub fn delete_collection(&mut self, resource: &Resource<'_>, namespace: &str) -> OpDraft<'_> {
        self.push(Verb::DeleteCollection, resource, namespace, "")
    }

    /// Tells users. The host aggregates repeated events and never fails a key for one.
    pub fn event(
        &mut self,
        regarding: &ObjectReference,
        event_type: EventType,
        reason: &str,
        message: &str,
    ) -> OpDraft<'_> {
        let body = EventBody { regarding, event_type: event_type.as_str(), reason, message };
        self.push(Verb::Event, &Resource::new("", "", "", ""), &regarding.namespace, "").body(&body)
    }

    fn push(&mut self, verb: Verb, resource: &Resource<'_>, namespace: &str, name: &str) -> OpDraft<'_> {
        self.list.push(Op {
            verb,
            group: resource.group.to_owned(),
            version: resource.version.to_owned(),
            resource: resource.resource.to_owned(),
            subresource: String::new(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            expect_uid: String::new(),
            expect_resource_version: String::new(),
            body: Vec::new(),
            propagation: Propagation::Default,
            grace_seconds: None,
            stage: self.stage,
            flags: 0,
            after: 0,
        });
        let id = OpId(self.list.len() as u32 - 1);
        OpDraft { ops: self, id }
    }

    /// Why a body could not be written as JSON, if one could not.
    pub(crate) fn take_broken(&mut self) -> Option<Failure> {
        self.broken.take()
    }
}

/// The operation just added, to be made more precise. It stands as it is without a further word.
pub struct OpDraft<'o> {
    ops: &'o mut Ops,
    id: OpId,
}

impl OpDraft<'_> {
    fn op(&mut self) -> &mut Op {
        &mut self.ops.list[self.id.0 as usize]
    }

    fn body(mut self, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(json) => self.op().body = json,
            Err(error) => self.ops.broken = Some(error.into()),
        }
        self
    }

    fn flag(mut self, flag: u32) -> Self {
        self.op().flags |= flag;
        self
    }

    pub fn subresource(mut self, subresource: &str) -> Self {
        self.op().subresource = subresource.to_owned();
        self
    }

    /// Refused with Conflict if the object has another uid.
    pub fn expect_uid(mut self, uid: &str) -> Self {
        self.op().expect_uid = uid.to_owned();
        self
    }

    /// Refused with Conflict if the object has another resourceVersion.
    pub fn expect_resource_version(mut self, resource_version: &str) -> Self {
        self.op().expect_resource_version = resource_version.to_owned();
        self
    }

    pub fn propagation(mut self, propagation: Propagation) -> Self {
        self.op().propagation = propagation;
        self
    }

    pub fn grace_seconds(mut self, seconds: i64) -> Self {
        self.op().grace_seconds = Some(seconds);
        self
    }

    /// Apply: take fields from other managers.
    pub fn force(self) -> Self {
        self.flag(abi::OP_FORCE)
    }

    /// That the object is gone is a success.
    pub fn ignore_not_found(self) -> Self {
        self.flag(abi::OP_IGNORE_NOT_FOUND)
    }

    /// That the object exists already is a success.
    pub fn ignore_exists(self) -> Self {
        self.flag(abi::OP_IGNORE_EXISTS)
    }

    /// Run this only when `other` has succeeded. `{name}` in an event's message becomes the name of its object.
    pub fn if_succeeded(mut self, other: OpId) -> Self {
        self.op().after = other.0;
        self.flag(abi::OP_IF_SUCCEEDED)
    }

    /// Run this only when `other` has failed. `{error}` in an event's message becomes the reason.
    pub fn if_failed(mut self, other: OpId) -> Self {
        self.op().after = other.0;
        self.flag(abi::OP_IF_FAILED)
    }

    pub fn id(self) -> OpId {
        self.id
    }

    pub fn done(self) {}
}
