//! ConfigMaps and Secrets that pods of this node refer to: one watch per object, for as long as some pod refers to it.
//! The node authoriser allows nothing wider.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use gantry_meta::GroupVersionResource;
use gantry_runtime::{ListOptions, ObjectSource, Observed, Reflector, ReflectorTarget};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::pod::desired::DesiredPod;

/// How environment and volumes read what a pod refers to.
pub trait ReferencedObjects: Send + Sync {
    fn config_map(&self, namespace: &str, name: &str) -> Option<Arc<ConfigMap>>;
    fn secret(&self, namespace: &str, name: &str) -> Option<Arc<Secret>>;
}

/// One object that a pod refers to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reference {
    ConfigMap { namespace: String, name: String },
    Secret { namespace: String, name: String },
}

impl Reference {
    fn names(&self) -> (&'static str, &str, &str) {
        match self {
            Self::ConfigMap { namespace, name } => ("configmaps", namespace, name),
            Self::Secret { namespace, name } => ("secrets", namespace, name),
        }
    }
}

#[derive(Clone)]
enum Content {
    ConfigMap(Arc<ConfigMap>),
    Secret(Arc<Secret>),
}

/// The last known state of one object; a reflector fills it.
struct Entry {
    reference: Reference,
    content: Mutex<Option<Content>>,
    synced: watch::Sender<bool>,
    changes: mpsc::UnboundedSender<Reference>,
}

impl Entry {
    fn set(&self, object: Option<&Observed>) {
        let content = object.and_then(|observed| self.decode(observed));
        *self.content.lock() = content;
        if !self.synced.send_replace(true) {
            return; // The first content is awaited, not announced.
        }
        // Nobody listens any more when the daemon ends.
        let _ = self.changes.send(self.reference.clone());
    }

    fn decode(&self, observed: &Observed) -> Option<Content> {
        let decoded = match self.reference {
            Reference::ConfigMap { .. } => {
                serde_json::from_slice(&observed.json).map(|map| Content::ConfigMap(Arc::new(map)))
            }
            Reference::Secret { .. } => {
                serde_json::from_slice(&observed.json).map(|secret| Content::Secret(Arc::new(secret)))
            }
        };
        decoded.inspect_err(|error| tracing::warn!(reference = ?self.reference, %error, "cannot be read")).ok()
    }
}

impl ReflectorTarget for Entry {
    fn replaced(&self, items: Vec<Observed>) {
        self.set(items.first());
    }

    fn applied(&self, object: Observed) {
        self.set(Some(&object));
    }

    fn deleted(&self, _: Observed) {
        self.set(None);
    }
}

struct Followed {
    entry: Arc<Entry>,
    users: BTreeSet<String>,
    stop: CancellationToken,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// All objects that pods of this node refer to.
pub struct References {
    source: Arc<dyn ObjectSource>,
    followed: Mutex<HashMap<Reference, Followed>>,
    changes: mpsc::UnboundedSender<Reference>,
}

impl References {
    /// Changes of followed objects are announced on the returned channel.
    pub fn new(source: Arc<dyn ObjectSource>) -> (Self, mpsc::UnboundedReceiver<Reference>) {
        let (changes, receiver) = mpsc::unbounded_channel();
        (Self { source, followed: Mutex::default(), changes }, receiver)
    }

    /// Follows everything that the pod refers to, and returns once each object's first state is known.
    pub async fn acquire(&self, pod: &DesiredPod) {
        let mut pending = Vec::new();
        {
            let mut followed = self.followed.lock();
            for reference in references_of(pod) {
                let followed = followed.entry(reference.clone()).or_insert_with(|| self.follow(reference));
                followed.users.insert(pod.uid().into());
                pending.push(followed.entry.synced.subscribe());
            }
        }
        for mut synced in pending {
            // The sender lives as long as its entry; an entry that is gone has nobody waiting for it.
            let _ = synced.wait_for(|synced| *synced).await;
        }
    }

    /// Stops following what only this pod referred to.
    pub fn release(&self, pod_uid: &str) {
        self.followed.lock().retain(|_, followed| {
            followed.users.remove(pod_uid);
            !followed.users.is_empty()
        });
    }

    /// The uids of pods that refer to an object.
    pub fn users(&self, reference: &Reference) -> Vec<String> {
        self.followed.lock().get(reference).map(|f| f.users.iter().cloned().collect()).unwrap_or_default()
    }

    fn follow(&self, reference: Reference) -> Followed {
        let (resource, namespace, name) = reference.names();
        let options = ListOptions {
            namespace: namespace.into(),
            field_selector: format!("metadata.name={name}"),
            label_selector: String::new(),
        };
        let resource = GroupVersionResource::new("", "v1", resource);
        let entry = Arc::new(Entry {
            content: Mutex::default(),
            synced: watch::Sender::new(false),
            changes: self.changes.clone(),
            reference: reference.clone(),
        });
        let stop = CancellationToken::new();
        tokio::spawn(Reflector::new(self.source.clone(), resource, options, entry.clone()).run(stop.clone()));
        Followed { entry, users: BTreeSet::new(), stop }
    }

    fn content(&self, reference: &Reference) -> Option<Content> {
        self.followed.lock().get(reference)?.entry.content.lock().clone()
    }
}

impl ReferencedObjects for References {
    fn config_map(&self, namespace: &str, name: &str) -> Option<Arc<ConfigMap>> {
        match self.content(&Reference::ConfigMap { namespace: namespace.into(), name: name.into() })? {
            Content::ConfigMap(map) => Some(map),
            Content::Secret(_) => None,
        }
    }

    fn secret(&self, namespace: &str, name: &str) -> Option<Arc<Secret>> {
        match self.content(&Reference::Secret { namespace: namespace.into(), name: name.into() })? {
            Content::Secret(secret) => Some(secret),
            Content::ConfigMap(_) => None,
        }
    }
}

/// Everything a pod's environment, volumes and image pulls refer to.
pub fn references_of(pod: &DesiredPod) -> BTreeSet<Reference> {
    let mut maps = BTreeSet::new();
    let mut secrets = BTreeSet::new();
    for (_, container) in pod.all_containers() {
        for source in container.env_from.iter().flatten() {
            maps.extend(source.config_map_ref.iter().map(|r| r.name.clone()));
            secrets.extend(source.secret_ref.iter().map(|r| r.name.clone()));
        }
        for source in container.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref()) {
            maps.extend(source.config_map_key_ref.iter().map(|r| r.name.clone()));
            secrets.extend(source.secret_key_ref.iter().map(|r| r.name.clone()));
        }
    }
    for volume in pod.spec().volumes.iter().flatten() {
        maps.extend(volume.config_map.iter().map(|v| v.name.clone()));
        secrets.extend(volume.secret.iter().filter_map(|v| v.secret_name.clone()));
        for source in volume.projected.iter().flat_map(|p| p.sources.iter().flatten()) {
            maps.extend(source.config_map.iter().map(|r| r.name.clone()));
            secrets.extend(source.secret.iter().map(|r| r.name.clone()));
        }
    }
    secrets.extend(pod.spec().image_pull_secrets.iter().flatten().map(|r| r.name.clone()));
    let namespace = pod.namespace().to_owned();
    let maps = maps.into_iter().map(|name| Reference::ConfigMap { namespace: namespace.clone(), name });
    let secrets = secrets.into_iter().map(|name| Reference::Secret { namespace: namespace.clone(), name });
    maps.chain(secrets).collect()
}

#[cfg(test)]
pub mod testing {
    //! References that never change.

    use super::*;

    #[derive(Default)]
    pub struct FixedReferences {
        maps: HashMap<(String, String), Arc<ConfigMap>>,
    }

    impl FixedReferences {
        pub fn with_config_map(mut self, namespace: &str, name: &str, data: &[(&str, &str)]) -> Self {
            let data = data.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let map = ConfigMap { data: Some(data), ..Default::default() };
            self.maps.insert((namespace.into(), name.into()), Arc::new(map));
            self
        }
    }

    impl ReferencedObjects for FixedReferences {
        fn config_map(&self, namespace: &str, name: &str) -> Option<Arc<ConfigMap>> {
            self.maps.get(&(namespace.to_owned(), name.to_owned())).cloned()
        }

        fn secret(&self, _: &str, _: &str) -> Option<Arc<Secret>> {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::testing::pod_of;

    #[test]
    fn references_are_found_in_environment_volumes_and_pull_secrets() {
        let pod = pod_of(
            r#"{"imagePullSecrets":[{"name":"pull"}],
            "containers":[{"name":"a","envFrom":[{"configMapRef":{"name":"m1"}}]}],
            "volumes":[{"name":"v","projected":{"sources":[{"configMap":{"name":"m2"}},{"secret":{"name":"s"}}]}}]}"#,
        );
        let found: Vec<String> =
            references_of(&pod).iter().map(|r| format!("{}/{}", r.names().0, r.names().2)).collect();
        assert_eq!(found, ["configmaps/m1", "configmaps/m2", "secrets/pull", "secrets/s"]);
    }
}
