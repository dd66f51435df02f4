//! The versions of one key since the floor.

use std::sync::Arc;

use gantry_storage::Revision;
use smallvec::SmallVec;

use crate::CachedObject;

struct Version {
    revision: Revision,
    /// `None`: deleted at `revision`.
    object: Option<Arc<CachedObject>>,
}

/// Versions in revision order. Most keys have exactly one, kept inline.
#[derive(Default)]
pub(crate) struct Chain(SmallVec<[Version; 1]>);

impl Chain {
    /// Adds a newer version and returns the state before it, if the object stood.
    pub fn push(&mut self, revision: Revision, object: Option<Arc<CachedObject>>) -> Option<Arc<CachedObject>> {
        let previous = self.newest().cloned();
        self.0.push(Version { revision, object });
        previous
    }

    pub fn newest(&self) -> Option<&Arc<CachedObject>> {
        self.0.last()?.object.as_ref()
    }

    /// The state as of `at`.
    pub fn at(&self, at: Revision) -> Option<&Arc<CachedObject>> {
        self.0.iter().rev().find(|v| v.revision <= at)?.object.as_ref()
    }

    /// Forgets what no reader at `floor` or later can see; returns what was forgotten.
    pub fn trim(&mut self, floor: Revision) -> SmallVec<[Arc<CachedObject>; 2]> {
        let visible = self.0.iter().rposition(|v| v.revision <= floor).unwrap_or(0);
        let mut gone: SmallVec<_> = self.0.drain(..visible).filter_map(|v| v.object).collect();
        if self.0.first().is_some_and(|v| v.revision <= floor && v.object.is_none()) {
            gone.extend(self.0.remove(0).object);
        }
        if self.0.len() == 1 {
            self.0.shrink_to_fit();
        }
        gone
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn objects(&self) -> impl Iterator<Item = &Arc<CachedObject>> {
        self.0.iter().filter_map(|v| v.object.as_ref())
    }
}
