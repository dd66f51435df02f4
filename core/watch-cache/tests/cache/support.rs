//! A cache on storage in memory, with pods (indexed by node) and config maps.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gantry_storage::{Expect, Key, MemoryStorage, Operation, Revision, Shard, Write};
use gantry_watch_cache::{
    AttributeExtractor, CacheOptions, CachedObject, Delivery, DeliveryKind, ResourceConfig, WatchCache,
};

pub const PODS: &str = "/core/pods/";
pub const CONFIG_MAPS: &str = "/core/configmaps/";

pub struct PodFields;

impl AttributeExtractor for PodFields {
    fn indexed_fields(&self) -> &[&'static str] {
        &["spec.nodeName"]
    }

    fn fields(&self, wire: &[u8]) -> Vec<(Box<str>, Box<str>)> {
        let pod: serde_json::Value = serde_json::from_slice(wire).unwrap();
        let node = pod["spec"]["nodeName"].as_str().unwrap_or_default();
        vec![("spec.nodeName".into(), node.into())]
    }
}

pub fn resources() -> Vec<ResourceConfig> {
    vec![
        ResourceConfig::new("", "pods", "v1", "Pod").attributes(Arc::new(PodFields)),
        ResourceConfig::new("", "configmaps", "v1", "ConfigMap"),
    ]
}

pub fn quick() -> CacheOptions {
    let ms = Duration::from_millis;
    CacheOptions { lag_max: ms(500), back_off: (ms(1), ms(10)), ..CacheOptions::default() }
}

pub async fn fixture() -> (Arc<MemoryStorage>, Arc<WatchCache>) {
    let storage = Arc::new(MemoryStorage::new());
    let cache = WatchCache::start(storage.clone(), resources(), quick()).await;
    (storage, cache)
}

pub fn pod_key(name: &str) -> Key {
    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
    Key::new("", "pods", namespace, name)
}

pub fn pod_value(name: &str, node: &str, app: &str) -> Bytes {
    format!(
        r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{name}","labels":{{"app":"{app}"}}}},"spec":{{"nodeName":"{node}"}}}}"#
    )
    .into()
}

pub fn write(key: Key, expect: Expect, operation: Operation) -> Write {
    Write { shard: Shard::Durable, key, expect, operation, claims: Vec::new(), with: Vec::new(), fence: None }
}

/// Creates or replaces whatever stands.
pub async fn put_pod(cache: &WatchCache, name: &str, node: &str, app: &str) -> Revision {
    let key = pod_key(name);
    let expect = cache.get(&key).map_or(Expect::Absent, |o| Expect::At(o.revision()));
    let value = pod_value(key.name(), node, app);
    cache.commit(write(key, expect, Operation::Put(value))).await.unwrap().revision()
}

pub async fn delete_pod(cache: &WatchCache, name: &str) -> Revision {
    let current = cache.get(&pod_key(name)).unwrap();
    let delete = write(pod_key(name), Expect::At(current.revision()), Operation::Delete(current.stored()));
    cache.commit(delete).await.unwrap().revision()
}

pub fn names(objects: &[Arc<CachedObject>]) -> Vec<String> {
    objects.iter().map(|o| format!("{}@{}", o.key().name(), o.revision())).collect()
}

/// `+name@revision` for added, `~` for modified, `-` for deleted.
pub fn seen(deliveries: &[Delivery], name: impl Fn(&CachedObject) -> String) -> Vec<String> {
    let spell = |d: &Delivery| {
        let kind = match d.kind {
            DeliveryKind::Added => "+",
            DeliveryKind::Modified => "~",
            DeliveryKind::Deleted => "-",
        };
        format!("{kind}{}@{}", name(&d.object), d.object.revision())
    };
    deliveries.iter().map(spell).collect()
}
