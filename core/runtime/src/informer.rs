//! A cache and the reflector that fills it, in one call.

use std::sync::Arc;

use gantry_meta::GroupVersionResource;
use tokio_util::sync::CancellationToken;

use crate::{Cache, CacheContent, ListOptions, ObjectSource, Reflector};

/// Starts to follow a resource in the background, until `stop`, and returns the cache that fills.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use gantry_meta::{GroupVersionResource, Value};
/// # use gantry_runtime::{Cache, ListOptions, ObjectSource, inform};
/// # async fn example(source: Arc<dyn ObjectSource>, stop: tokio_util::sync::CancellationToken) {
/// let pods = GroupVersionResource::new("", "v1", "pods");
/// let cache = Cache::<Value>::new().with_index("node", |pod| {
///     pod["spec"]["nodeName"].as_str().map(str::to_owned).into_iter().collect()
/// });
/// let cache = inform(source, pods, ListOptions::default(), cache, stop);
/// cache.wait_synced().await;
/// let on_node = cache.indexed("node", "n1");
/// # }
/// ```
pub fn inform<T: CacheContent>(
    source: Arc<dyn ObjectSource>,
    resource: GroupVersionResource,
    options: ListOptions,
    cache: Cache<T>,
    stop: CancellationToken,
) -> Arc<Cache<T>> {
    let cache = Arc::new(cache);
    tokio::spawn(Reflector::new(source, resource, options, cache.clone()).run(stop));
    cache
}
