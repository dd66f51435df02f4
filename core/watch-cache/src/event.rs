//! What watchers see of a change.

use std::sync::{Arc, OnceLock};

use gantry_storage::Revision;

use crate::CachedObject;

/// Says which objects a list or watch is about, beyond its [`Scope`]. Pure: it is asked again for the same version.
pub type Filter = Arc<dyn Fn(&CachedObject) -> bool + Send + Sync>;

/// The part of a resource that a list or watch touches at all.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Scope {
    All,
    Namespace(Box<str>),
    /// `namespace` is empty for cluster-scoped objects.
    Object {
        namespace: Box<str>,
        name: Box<str>,
    },
    /// Objects whose indexed field has this value; see [`crate::AttributeExtractor::indexed_fields`].
    Indexed {
        field: &'static str,
        value: Box<str>,
    },
}

/// One change of a resource, shared by all its watchers.
pub(crate) struct Event {
    pub revision: Revision,
    /// The state written, or the last state of what was deleted (under the deletion's revision).
    pub object: Arc<CachedObject>,
    pub deleted: bool,
    pub previous: Option<Arc<CachedObject>>,
    /// The previous state under this event's revision, made when the first selector is left.
    left: OnceLock<Arc<CachedObject>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeliveryKind {
    Added,
    Modified,
    Deleted,
}

/// One event as one watcher sees it.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub kind: DeliveryKind,
    /// For `Deleted` the last state that the watcher knew, under the revision of the change.
    pub object: Arc<CachedObject>,
}

impl Event {
    pub fn new(object: Arc<CachedObject>, deleted: bool, previous: Option<Arc<CachedObject>>) -> Self {
        Self { revision: object.revision(), object, deleted, previous, left: OnceLock::new() }
    }

    /// Bytes of JSON that only history keeps alive because of this event.
    pub fn superseded_bytes(&self) -> usize {
        let own = if self.deleted { self.object.wire_len() } else { 0 };
        own + self.previous.as_ref().map_or(0, |p| p.wire_len())
    }

    /// What a watcher of the objects that `selected` accepts sees; `None` if they are none of its business.
    pub fn delivery(&self, selected: impl Fn(&CachedObject) -> bool) -> Option<Delivery> {
        let before = self.previous.as_deref().is_some_and(&selected);
        let after = !self.deleted && selected(&self.object);
        let kind = match (before, after) {
            (false, false) => return None,
            (false, true) => DeliveryKind::Added,
            (true, true) => DeliveryKind::Modified,
            (true, false) => DeliveryKind::Deleted,
        };
        let object = if kind == DeliveryKind::Deleted && !self.deleted { self.left() } else { &self.object };
        Some(Delivery { kind, object: object.clone() })
    }

    fn left(&self) -> &Arc<CachedObject> {
        self.left.get_or_init(|| {
            let previous = self.previous.as_ref().expect("only what had a previous state can leave a selector");
            Arc::new(previous.at_revision(self.revision))
        })
    }
}
