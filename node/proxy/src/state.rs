//! What the node knows of Services and EndpointSlices: their JSON without what no plan reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use gantry_meta::{GroupVersionResource, Object, ObjectView, Value};
use gantry_plugin::service_rules::SERVICE_NAME_LABEL;
use gantry_runtime::{Cache, CacheContent, ListOptions, ObjectKey, ObjectSource, Observed, inform};
use tokio_util::sync::CancellationToken;

use crate::planner::PlanRequest;

/// Services that one request to a planner carries at most: bounds what is copied at a time.
const SERVICES_PER_REQUEST: usize = 256;

/// A Service as the planners get it.
#[derive(Debug)]
pub struct ServiceObject {
    service_type: String,
    json: Box<[u8]>,
}

/// An EndpointSlice as the planners get it.
#[derive(Debug)]
pub struct SliceObject {
    /// The service it is of.
    pub service: ObjectKey,
    json: Box<[u8]>,
}

impl CacheContent for ServiceObject {
    fn decode(observed: &Observed) -> Result<Self, serde_json::Error> {
        let object: Object = serde_json::from_slice(&observed.json)?;
        let service_type = object.get("spec").and_then(|spec| spec.get("type")).and_then(Value::as_str);
        let service_type = service_type.unwrap_or("ClusterIP").to_owned();
        Ok(Self { service_type, json: trimmed(object)? })
    }
}

impl CacheContent for SliceObject {
    fn decode(observed: &Observed) -> Result<Self, serde_json::Error> {
        let object: Object = serde_json::from_slice(&observed.json)?;
        let service = object.labels().and_then(|labels| labels.get(SERVICE_NAME_LABEL)).and_then(Value::as_str);
        let service = ObjectKey::new(&observed.namespace, service.unwrap_or_default());
        Ok(Self { service, json: trimmed(object)? })
    }
}

fn trimmed(mut object: Object) -> Result<Box<[u8]>, serde_json::Error> {
    let metadata = object.metadata_mut();
    metadata.remove("managedFields");
    metadata.remove("ownerReferences");
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
    serde_json::to_vec(&object).map(Vec::into_boxed_slice)
}

const BY_SERVICE: &str = "service";

/// Both caches.
pub struct ServiceState {
    pub services: Arc<Cache<ServiceObject>>,
    pub slices: Arc<Cache<SliceObject>>,
}

impl ServiceState {
    /// Follows the cluster until `stop`.
    pub fn follow(source: &Arc<dyn ObjectSource>, stop: &CancellationToken) -> Self {
        let services = GroupVersionResource::new("", "v1", "services");
        let slices = GroupVersionResource::new("discovery.k8s.io", "v1", "endpointslices");
        let (all, by_service) = (ListOptions::default(), slice_cache());
        Self {
            services: inform(source.clone(), services, all.clone(), Cache::new(), stop.clone()),
            slices: inform(source.clone(), slices, all, by_service, stop.clone()),
        }
    }

    /// Every service there is.
    pub fn keys(&self) -> impl Iterator<Item = ObjectKey> {
        self.services.list().into_iter().map(|service| service.key.clone())
    }

    /// Requests that together ask for these services; those that do not exist are in none. With each the keys it is for.
    pub fn requests(&self, node: &str, keys: &[ObjectKey]) -> Vec<(PlanRequest, Vec<ObjectKey>)> {
        let mut by_type: BTreeMap<String, Vec<ObjectKey>> = BTreeMap::new();
        for key in keys {
            if let Some(service) = self.services.get(&key.namespace, &key.name) {
                by_type.entry(service.service_type.clone()).or_default().push(key.clone());
            }
        }
        let requests = by_type.into_iter().flat_map(|(service_type, keys)| {
            let chunks: Vec<_> = keys.chunks(SERVICES_PER_REQUEST).map(<[_]>::to_vec).collect();
            chunks.into_iter().map(move |keys| (self.request(node, &service_type, &keys), keys))
        });
        requests.collect()
    }

    fn request(&self, node: &str, service_type: &str, keys: &[ObjectKey]) -> PlanRequest {
        let services = keys.iter().filter_map(|key| self.services.get(&key.namespace, &key.name));
        let slices = keys.iter().flat_map(|key| self.slices.indexed(BY_SERVICE, &key.to_string()));
        PlanRequest {
            service_type: service_type.to_owned(),
            node: node.to_owned(),
            services: json_list(services.map(|service| service.json.clone())),
            slices: json_list(slices.map(|slice| slice.json.clone())),
        }
    }
}

fn slice_cache() -> Cache<SliceObject> {
    Cache::new().with_index(BY_SERVICE, |slice: &gantry_runtime::Cached<SliceObject>| vec![slice.service.to_string()])
}

fn json_list(items: impl Iterator<Item = Box<[u8]>>) -> Vec<u8> {
    let mut list = vec![b'['];
    for (index, item) in items.enumerate() {
        if index > 0 {
            list.push(b',');
        }
        list.extend_from_slice(&item);
    }
    list.push(b']');
    list
}
