//! Controllers: `map` turns events into keys, `reconcile` turns a key into operations.

mod key;
mod ops;
mod reader;
mod shim;
mod watch;

use std::time::Duration;

pub use key::Key;
pub use ops::{EventType, Failed, ObjectReference, Op, OpDraft, OpId, Ops, Propagation, Verb};
pub use reader::{Query, Reader};
pub(crate) use watch::RawWatches;
pub use watch::{Mapping, Watch};

use crate::{Cx, Failure, Obj, Plugin};

/// A change of a watched object.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Index in [`Controller::WATCHES`].
    pub watch: usize,
    /// `None`: the object is new, or it was there when the controller started.
    pub old: Option<Obj<'a>>,
    /// `None`: the object is gone.
    pub new: Option<Obj<'a>>,
}

impl<'a> Event<'a> {
    /// The newest state there is.
    pub fn latest(&self) -> Option<Obj<'a>> {
        self.new.or(self.old)
    }
}

/// When a key is looked at again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// When an event maps to it.
    Done,
    /// After this time, or when an event maps to it.
    RequeueAfter(Duration),
}

/// A reconciler: a pure function of what it reads, the key and [`Cx::now`].
///
/// It has no client. It reads from the host's caches and returns operations, which the host executes as the plugin's own
/// account. The host retries with back-off, elects one leader, never shows one key to two calls at once, and shows a key
/// again only when its caches hold all that was written for it; so what `reconcile` reads includes its own writes.
pub trait Controller: Plugin {
    /// What is cached, and how its events become keys.
    const WATCHES: &'static [Watch];

    /// Keys for an event of a watch with [`Mapping::Custom`].
    ///
    /// # Errors
    /// The event is mapped again later.
    fn map(&self, cx: &Cx<'_>, event: &Event<'_>, read: &Reader<'_>) -> Result<Vec<Key>, Failure> {
        let _ = (cx, read);
        Ok(event.latest().map(|object| Key::of(object.namespace, object.name)).into_iter().collect())
    }

    /// Brings what `key` names one step nearer to what is desired.
    ///
    /// # Errors
    /// The key is tried again with back-off, after the operations put into `ops` have run.
    fn reconcile(&self, cx: &Cx<'_>, key: &Key, read: &Reader<'_>, ops: &mut Ops) -> Result<Outcome, Failure>;
}
