//! What a controller watches.

use gantry_abi as abi;

use crate::{Resource, instance::Constant};

/// How an event of a watched resource becomes keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mapping {
    /// Not at all: the resource is only read.
    Cached,
    /// The object's own namespace and name.
    Itself,
    /// The controller owner's namespace and name, if it is of this group and kind. Old and new owner both.
    Owner { group: &'static str, kind: &'static str },
    /// [`super::Controller::map`] is asked.
    Custom,
}

/// One resource that the host keeps in its cache for the controller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watch {
    pub resource: Resource<'static>,
    pub mapping: Mapping,
    /// The controller reads only metadata of it.
    pub metadata_only: bool,
    /// Paths such as `spec.nodeName` by which [`super::Query::indexed`] may ask.
    pub indexes: &'static [&'static str],
}

impl Watch {
    /// Read-only until told how to map.
    pub const fn cached(resource: Resource<'static>) -> Self {
        Self { resource, mapping: Mapping::Cached, metadata_only: false, indexes: &[] }
    }

    /// What the controller is about: an event's key is the object.
    pub const fn primary(resource: Resource<'static>) -> Self {
        Self { mapping: Mapping::Itself, ..Self::cached(resource) }
    }

    /// What the controller makes: an event's key is the controlling owner of this kind.
    pub const fn owned(resource: Resource<'static>, owner: Resource<'static>) -> Self {
        Self { mapping: Mapping::Owner { group: owner.group, kind: owner.kind }, ..Self::cached(resource) }
    }

    /// The controller's own `map` says which keys an event has.
    pub const fn mapped(resource: Resource<'static>) -> Self {
        Self { mapping: Mapping::Custom, ..Self::cached(resource) }
    }

    /// Metadata of every resource that can be listed, watched and deleted, those added later too.
    /// [`super::Reader::list`] with [`super::Query::everything`] reads it; [`super::Event`] tells which resource an object has.
    pub const fn every_deletable_resource() -> Self {
        Self { metadata_only: true, ..Self::mapped(Resource::new("*", "*", "*", "*")) }
    }

    #[must_use]
    pub const fn metadata_only(self) -> Self {
        Self { metadata_only: true, ..self }
    }

    #[must_use]
    pub const fn indexed(self, indexes: &'static [&'static str]) -> Self {
        Self { indexes, ..self }
    }

    /// `indexes`: those of `self` as the ABI carries them; must outlive the result.
    fn raw(&self, indexes: &[abi::Str]) -> abi::Watch {
        let (map, owner_group, owner_kind) = match self.mapping {
            Mapping::Cached => (abi::MAP_NONE, "", ""),
            Mapping::Itself => (abi::MAP_SELF, "", ""),
            Mapping::Owner { group, kind } => (abi::MAP_OWNER, group, kind),
            Mapping::Custom => (abi::MAP_CUSTOM, "", ""),
        };
        abi::Watch {
            size: abi::size_of_u32::<abi::Watch>(),
            flags: if self.metadata_only { abi::WATCH_METADATA } else { 0 },
            map,
            reserved: 0,
            group: abi::Str::of(self.resource.group),
            version: abi::Str::of(self.resource.version),
            resource: abi::Str::of(self.resource.resource),
            owner_group: abi::Str::of(owner_group),
            owner_kind: abi::Str::of(owner_kind),
            indexes: indexes.as_ptr(),
            n_indexes: indexes.len() as u64,
        }
    }
}

/// The watches of a controller as the ABI carries them. Lives with the instance.
pub(crate) struct RawWatches {
    watches: Constant<abi::Watch>,
    /// What `watches` points to.
    _indexes: Vec<Constant<abi::Str>>,
}

impl RawWatches {
    pub(crate) fn of(watches: &[Watch]) -> Self {
        let indexes: Vec<Constant<abi::Str>> =
            watches.iter().map(|w| Constant(w.indexes.iter().map(|path| abi::Str::of(path)).collect())).collect();
        let watches = watches.iter().zip(&indexes).map(|(watch, indexes)| watch.raw(&indexes.0)).collect();
        Self { watches: Constant(watches), _indexes: indexes }
    }

    pub(crate) fn as_slice(&self) -> &[abi::Watch] {
        &self.watches.0
    }
}
