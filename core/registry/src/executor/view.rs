//! How admission sees the cluster: through the watch cache.

use std::sync::Arc;

use async_trait::async_trait;
use gantry_admission::ClusterView;
use gantry_kinds::Catalog;
use gantry_meta::{Object, Status};
use gantry_watch_cache::{CachedObject, ListRequest, Scope, WatchCache};

use crate::{
    failures::{lagging, list_failed},
    served::{Served, ServedResources},
};

pub(super) struct CacheView {
    served: ServedResources,
    cache: Arc<WatchCache>,
}

impl CacheView {
    pub fn new(catalog: &Catalog, cache: Arc<WatchCache>) -> Self {
        Self { served: ServedResources::new(catalog), cache }
    }

    fn served(&self, group: &str, resource: &str) -> Result<&Served, Status> {
        let found = self.served.preferred(group, resource);
        found.map(|served| &**served).ok_or_else(|| Status::internal(format!("{resource}.{group} is not served")))
    }

    fn cached(&self, served: &Served, namespace: &str, name: &str) -> Option<Object> {
        self.cache.get(&served.key(namespace, name)).map(|object| tree(&object))
    }
}

/// The stored tree, with its resourceVersion.
pub(crate) fn tree(object: &CachedObject) -> Object {
    gantry_codec::parse_stored(&object.wire()).expect("what is stored was written by the codec")
}

#[async_trait]
impl ClusterView for CacheView {
    async fn get(&self, group: &str, resource: &str, namespace: &str, name: &str) -> Result<Option<Object>, Status> {
        Ok(self.cached(self.served(group, resource)?, namespace, name))
    }

    async fn get_newest(
        &self,
        group: &str,
        resource: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Object>, Status> {
        let served = self.served(group, resource)?;
        self.cache.consistent(served.shard).await.map_err(|error| lagging(&error))?;
        Ok(self.cached(served, namespace, name))
    }

    async fn list(&self, group: &str, resource: &str, namespace: &str) -> Result<Vec<Object>, Status> {
        let served = self.served(group, resource)?;
        let scope = if namespace.is_empty() { Scope::All } else { Scope::Namespace(namespace.into()) };
        let page = self.cache.list(&served.prefix, &ListRequest::new(scope)).map_err(list_failed)?;
        Ok(page.objects.iter().map(|object| tree(object)).collect())
    }
}
