//! Waiting until an object says what is waited for.

use anyhow::Result;
use futures::StreamExt;
use gantry_meta::GroupVersionResource;
use gantry_runtime::{Backoff, ListOptions, ObjectSource, Observed, WatchEvent};
use serde_json::Value;

/// Looks at the object of this name (cluster-scoped) now and at each change, until `look` finds something in it.
///
/// # Errors
/// When the API goes away or refuses.
pub async fn until<T>(
    source: &dyn ObjectSource,
    resource: &GroupVersionResource,
    name: &str,
    look: impl Fn(&Value) -> Option<T>,
) -> Result<T> {
    let look = |observed: &Observed| look(&serde_json::from_slice(&observed.json).ok()?);
    let options = ListOptions { field_selector: format!("metadata.name={name}"), ..Default::default() };
    let mut backoff = Backoff::default();
    loop {
        let listed = source.list(resource, &options).await?;
        if let Some(found) = listed.items.iter().find_map(look) {
            return Ok(found);
        }
        let mut events = source.watch(resource, &options, &listed.resource_version).await?;
        // The next list tells where things stand when the watch breaks.
        while let Some(Ok(event)) = events.next().await {
            if let WatchEvent::Added(object) | WatchEvent::Modified(object) = &event
                && let Some(found) = look(object)
            {
                return Ok(found);
            }
        }
        tokio::time::sleep(backoff.next_delay()).await;
    }
}
