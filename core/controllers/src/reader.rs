//! What a controller may read: the stores it watches, and the API itself where it asks for that.

use std::{sync::Arc, time::Duration};

use gantry_meta::{GroupVersionResource, LabelSelector};
use gantry_plugin_host::{ObjectReader, ObjectRecord, ReadFailure, ReadQuery, ServedResource};
use gantry_runtime::{ListOptions, ObjectSource, Observed};
use parking_lot::RwLock;
use tokio::{runtime::Handle, time::timeout};

use crate::{
    store::{ResourceStore, Selection, resource_name},
    stores::Served,
};

const LIVE_LIMIT: Duration = Duration::from_secs(10);

/// The reads of one controller.
pub(crate) struct ControllerReader {
    pub(crate) source: Arc<dyn ObjectSource>,
    pub(crate) served: Served,
    /// Those of the watches that name a resource.
    pub(crate) watched: Vec<Arc<ResourceStore>>,
    /// Those of a watch on everything; grows when the API serves more.
    pub(crate) everything: RwLock<Vec<Arc<ResourceStore>>>,
    /// Live reads run here, while the plugin's thread waits.
    pub(crate) runtime: Handle,
}

impl ControllerReader {
    fn store(&self, query: &ReadQuery<'_>) -> Result<Arc<ResourceStore>, ReadFailure> {
        let is_asked = |store: &&Arc<ResourceStore>| {
            *store.resource.group == *query.group
                && *store.resource.version == *query.version
                && *store.resource.resource == *query.resource
        };
        if let Some(store) = self.watched.iter().find(is_asked) {
            return Ok(store.clone());
        }
        self.everything.read().iter().find(is_asked).cloned().ok_or(ReadFailure::NotWatched)
    }

    fn live<T>(&self, ask: impl Future<Output = Result<T, gantry_runtime::SourceError>>) -> Result<T, ReadFailure> {
        match self.runtime.block_on(async { timeout(LIVE_LIMIT, ask).await }) {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(ReadFailure::Failed(error.to_string())),
            Err(_) => Err(ReadFailure::Failed("the API did not answer in time".into())),
        }
    }

    fn live_list(&self, query: &ReadQuery<'_>) -> Result<Vec<Arc<ObjectRecord>>, ReadFailure> {
        if query.resource == "*" || !query.index_path.is_empty() || !query.owner_uid.is_empty() {
            return Err(ReadFailure::Malformed);
        }
        let field_selector =
            if query.name.is_empty() { String::new() } else { format!("metadata.name={}", query.name) };
        let options = ListOptions {
            namespace: query.namespace.to_owned(),
            label_selector: query.label_selector.to_owned(),
            field_selector,
        };
        let resource = GroupVersionResource::new(query.group, query.version, query.resource);
        let listed = self.live(self.source.list(&resource, &options))?;
        let kind = self.kind(&resource);
        Ok(listed.items.into_iter().map(|item| Arc::new(record(&resource, &kind, item))).collect())
    }

    fn kind(&self, resource: &GroupVersionResource) -> String {
        let served = self.served.borrow();
        let same = |s: &&ServedResource| *s.name.group == *resource.group && *s.name.resource == *resource.resource;
        served.iter().find(same).map(|s| s.name.kind.to_string()).unwrap_or_default()
    }
}

fn record(resource: &GroupVersionResource, kind: &str, observed: Observed) -> ObjectRecord {
    ObjectRecord {
        resource: Arc::new(resource_name(resource, kind)),
        namespace: observed.namespace.into(),
        name: observed.name.into(),
        uid: observed.uid.into(),
        resource_version: observed.resource_version.into(),
        json: observed.json,
    }
}

impl ObjectReader for ControllerReader {
    fn get(&self, query: &ReadQuery<'_>) -> Result<Option<Arc<ObjectRecord>>, ReadFailure> {
        if !query.live {
            return Ok(self.store(query)?.get(query.namespace, query.name).map(|entry| entry.record.clone()));
        }
        let resource = GroupVersionResource::new(query.group, query.version, query.resource);
        let found = self.live(self.source.get(&resource, query.namespace, query.name))?;
        Ok(found.map(|observed| Arc::new(record(&resource, &self.kind(&resource), observed))))
    }

    fn list(&self, query: &ReadQuery<'_>) -> Result<Vec<Arc<ObjectRecord>>, ReadFailure> {
        if query.live {
            return self.live_list(query);
        }
        let labels = match query.label_selector {
            "" => None,
            text => Some(LabelSelector::parse(text).map_err(|_| ReadFailure::Malformed)?),
        };
        let selection = Selection {
            namespace: query.namespace,
            name: query.name,
            owner_uid: query.owner_uid,
            index: (!query.index_path.is_empty()).then_some((query.index_path, query.index_value)),
            labels: labels.as_ref(),
        };
        let records = |store: &ResourceStore| -> Vec<Arc<ObjectRecord>> {
            store.list(&selection).iter().map(|entry| entry.record.clone()).collect()
        };
        if query.resource == "*" {
            let stores = self.everything.read().clone();
            if stores.is_empty() || selection.index.is_some() {
                return Err(ReadFailure::NotWatched);
            }
            return Ok(stores.iter().flat_map(|store| records(store)).collect());
        }
        let store = self.store(query)?;
        if selection.index.is_some_and(|(path, _)| !store.has_index(path)) {
            return Err(ReadFailure::NotWatched);
        }
        Ok(records(&store))
    }

    fn resources(&self) -> Arc<[ServedResource]> {
        self.served.borrow().clone()
    }
}
