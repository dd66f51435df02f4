//! All stores of the process: one per resource, whoever watches it.

use std::sync::Arc;

use gantry_meta::GroupVersionResource;
use gantry_plugin_host::ServedResource;
use gantry_runtime::{ListOptions, ObjectSource, Reflector};
use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::store::ResourceStore;

/// What the API serves, preferred versions only; changes with custom resources.
pub type Served = tokio::sync::watch::Receiver<Arc<[ServedResource]>>;

/// Makes and keeps stores. Their reflectors run until `stop`.
pub(crate) struct Stores {
    source: Arc<dyn ObjectSource>,
    stop: CancellationToken,
    /// Paths that some controller wants to ask by. Fixed before the first store is made.
    indexes: HashMap<GroupVersionResource, HashSet<Arc<str>>>,
    by_resource: Mutex<HashMap<GroupVersionResource, Arc<ResourceStore>>>,
}

impl Stores {
    pub(crate) fn new(
        source: Arc<dyn ObjectSource>,
        indexes: HashMap<GroupVersionResource, HashSet<Arc<str>>>,
        stop: CancellationToken,
    ) -> Self {
        Self { source, stop, indexes, by_resource: Mutex::default() }
    }

    /// The store of a resource, started if it is the first time. `kind` may be empty.
    pub(crate) fn follow(&self, resource: &GroupVersionResource, kind: &str) -> Arc<ResourceStore> {
        let mut stores = self.by_resource.lock();
        if let Some(store) = stores.get(resource) {
            return store.clone();
        }
        let indexes = self.indexes.get(resource).map(|paths| paths.iter().cloned().collect()).unwrap_or_default();
        let store = Arc::new(ResourceStore::new(resource.clone(), kind, indexes));
        let reflector = Reflector::new(self.source.clone(), resource.clone(), ListOptions::default(), store.clone());
        tokio::spawn(reflector.run(self.stop.clone()));
        stores.insert(resource.clone(), store.clone());
        store
    }

    pub(crate) fn get(&self, resource: &GroupVersionResource) -> Option<Arc<ResourceStore>> {
        self.by_resource.lock().get(resource).cloned()
    }
}

/// Whether a watch on everything follows this resource. Events come in masses, own nothing and are owned by nothing.
pub(crate) fn is_followed_by_everything(served: &ServedResource) -> bool {
    served.deletable && !(&*served.name.resource == "events" && ["", "events.k8s.io"].contains(&&*served.name.group))
}

pub(crate) fn gvr(served: &ServedResource) -> GroupVersionResource {
    GroupVersionResource::new(&served.name.group, &served.name.version, &served.name.resource)
}
