//! How plugins see the rest of the cluster.

use async_trait::async_trait;
use gantry_meta::{Object, Status};

/// Reads of other objects, from the cache of this server: everything this server wrote is there.
#[async_trait]
pub trait ClusterView: Send + Sync {
    /// `Ok(None)`: no such object. `namespace` is empty for cluster-scoped resources.
    async fn get(&self, group: &str, resource: &str, namespace: &str, name: &str) -> Result<Option<Object>, Status>;

    /// As [`Self::get`], but newer than anything committed anywhere before the call: for a last look before a refusal.
    async fn get_newest(
        &self,
        group: &str,
        resource: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Object>, Status>;

    /// All objects of a resource, of one namespace or (empty) of all.
    async fn list(&self, group: &str, resource: &str, namespace: &str) -> Result<Vec<Object>, Status>;
}
