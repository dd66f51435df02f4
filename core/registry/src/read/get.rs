//! One object.

use std::sync::Arc;

use bytes::Bytes;
use gantry_meta::{Object, Status};
use gantry_storage::Revision;
use gantry_watch_cache::CachedObject;

use super::{PATIENCE, rules};
use crate::{
    failures::lagging,
    request::{GetOptions, Target},
    response::{ApiResponse, ObjectResponse},
    served::Served,
    state::State,
};

pub(crate) async fn get(
    state: &State,
    served: &Served,
    target: &Target,
    options: &GetOptions,
) -> Result<ApiResponse, Status> {
    let object = fresh(state, served, target, options).await?;
    Ok(ApiResponse::Object(ObjectResponse { code: 200, kind: served.gvk.clone(), json: served_wire(served, &object) }))
}

/// What is stored, as new as is asked for.
pub(crate) async fn fresh(
    state: &State,
    served: &Served,
    target: &Target,
    options: &GetOptions,
) -> Result<Arc<CachedObject>, Status> {
    fresh_enough(state, served, &options.resource_version).await?;
    let key = served.key(&target.namespace, &target.name);
    state.cache.get(&key).ok_or_else(|| served.not_found(&target.name))
}

async fn fresh_enough(state: &State, served: &Served, resource_version: &str) -> Result<(), Status> {
    match rules::version(resource_version)? {
        None => _ = state.cache.consistent(served.shard).await.map_err(|error| lagging(&error))?,
        Some(0) => {}
        Some(version) => {
            let waited = state.cache.wait_for(served.shard, Revision(version), PATIENCE).await;
            waited.map_err(|error| lagging(&error))?;
        }
    }
    Ok(())
}

/// What stands under a key, for a write. What is missing in the cache is looked for once more after it has caught up:
/// another server may have written it. (Something stale is found out at commit.)
pub(crate) async fn current(
    state: &State,
    served: &Served,
    namespace: &str,
    name: &str,
) -> Result<Option<Arc<CachedObject>>, Status> {
    let key = served.key(namespace, name);
    if let Some(found) = state.cache.get(&key) {
        return Ok(Some(found));
    }
    state.cache.consistent(served.shard).await.map_err(|error| lagging(&error))?;
    Ok(state.cache.get(&key))
}

/// The bytes that clients of this version see: the cached ones, unless the kind is stored in another form.
pub(crate) fn served_wire(served: &Served, object: &CachedObject) -> Bytes {
    match served.conversion {
        None => object.wire(),
        Some(_) => gantry_codec::encode(&served_tree(served, object)).into(),
    }
}

/// The tree that clients of this version see.
pub(crate) fn served_tree(served: &Served, object: &CachedObject) -> Object {
    let tree: Object = serde_json::from_slice(&object.wire()).expect("what is stored was written by the codec");
    served.to_served(tree)
}
