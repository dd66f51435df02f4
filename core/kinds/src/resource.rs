//! What is served under a group and version.

use crate::{
    field::{Ref, Type},
    literal::{List, Text},
};

/// A group of the API. The core group's name is empty.
#[derive(Clone, Debug)]
pub struct Group {
    pub name: Text,
    /// Preferred version first.
    pub versions: Vec<Version>,
}

/// A version of a group with its resources.
#[derive(Clone, Debug)]
pub struct Version {
    pub name: Text,
    pub resources: Vec<Resource>,
}

/// Names of fields that lead from an object to one in it: `metadata`, `labels`.
pub type FieldNames = List<Text>;

/// A resource: a collection of objects of one kind, or (without `list`) a kind that is only created, like a review.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Empty for the core group.
    pub group: Text,
    pub version: Text,
    /// `v1` or `GROUP/VERSION`.
    pub api_version: Text,
    pub plural: Text,
    pub singular: Text,
    pub kind: Text,
    pub list_kind: Text,
    pub namespaced: bool,
    pub short_names: List<Text>,
    pub categories: List<Text>,
    /// Sorted, as discovery lists them.
    pub verbs: List<Text>,
    /// `storageVersionHash` of the legacy discovery documents; empty where nothing is stored.
    pub storage_hash: Text,
    /// `v1`, `apps/v1`; empty where nothing is stored.
    pub storage_version: Text,
    pub subresources: Vec<Subresource>,
    /// PUT on a name that does not exist creates.
    pub create_on_update: bool,
    /// PUT without `metadata.resourceVersion` is allowed.
    pub unconditional_update: bool,
    /// `metadata.generation` starts at 1 and counts changes of the desired state.
    pub manages_generation: bool,
    /// A client's `status` is dropped on create.
    pub status_reset: bool,
    /// False: stored and served, but nothing acts on it yet, which writes say in a Warning header.
    pub acted_on: bool,
    /// What a write of the resource itself cannot set, so that its writer does not come to own it.
    pub reset_fields: Vec<FieldNames>,
    pub root: Ref<Type>,
    pub selectable: Vec<SelectableField>,
    pub columns: Vec<Column>,
}

impl Resource {
    pub fn has_verb(&self, verb: &str) -> bool {
        self.verbs.iter().any(|v| v == verb)
    }

    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|s| s.name == name)
    }

    /// What a write through the subresource (empty: of the resource itself) cannot set.
    pub fn reset_fields_of(&self, subresource: &str) -> &[FieldNames] {
        match subresource {
            "" => &self.reset_fields,
            name => self.subresource(name).map_or(&[], |subresource| &subresource.reset_fields),
        }
    }

    /// Objects of it are kept: reviews and bindings are answered at once and forgotten.
    pub fn is_stored(&self) -> bool {
        !self.storage_hash.is_empty()
    }

    /// `pods`, `deployments.apps`: the spelling of messages.
    pub fn group_resource(&self) -> String {
        if self.group.is_empty() { self.plural.clone().into_owned() } else { format!("{}.{}", self.plural, self.group) }
    }

    pub fn selectable_field(&self, field: &str) -> Option<&SelectableField> {
        self.selectable.iter().find(|s| s.field == field)
    }
}

/// What is served below an object: `status`, `scale`, `exec` ...
#[derive(Clone, Debug)]
pub struct Subresource {
    pub name: Text,
    /// The kind of its body, and that kind's group and version.
    pub kind: Text,
    pub kind_group: Text,
    pub kind_version: Text,
    /// Of its kind: `autoscaling/v1` for `scale`.
    pub api_version: Text,
    pub verbs: List<Text>,
    /// `None` for the options kinds of connect verbs, which come as query parameters.
    pub root: Option<Ref<Type>>,
    /// What a write through it cannot set.
    pub reset_fields: Vec<FieldNames>,
    /// Of `scale` alone: where the objects have what it shows.
    pub scale: Option<ScaleFields>,
    /// Columns of its own tables (`scale`); empty: those of the resource.
    pub columns: Vec<Column>,
}

impl Subresource {
    pub fn has_verb(&self, verb: &str) -> bool {
        self.verbs.iter().any(|v| v == verb)
    }
}

/// Where the objects of a resource have what their `Scale` shows.
#[derive(Clone, Debug)]
pub struct ScaleFields {
    pub replicas: FieldNames,
    pub status_replicas: FieldNames,
    /// A label selector, or a map of labels.
    pub selector: FieldNames,
}

/// A field that field selectors accept.
#[derive(Clone, Debug)]
pub struct SelectableField {
    /// As clients spell it.
    pub field: Text,
    /// Where the value comes from, in the words of the table: a path, or a sentence that code implements.
    pub rule: Text,
}

/// A column of Table answers.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: Text,
    /// `string`, `integer`, `boolean`, `date`.
    pub kind: Text,
    /// `name` or empty.
    pub format: Text,
    /// 0: always shown; 1: wide output only.
    pub priority: u8,
    /// How a cell is made, in the words of the table.
    pub rule: Text,
}
