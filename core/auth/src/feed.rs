//! Keeps an [`AccessStore`] up to date from an `ObjectSource`.

use std::sync::Arc;

use gantry_meta::{GroupVersionResource, Object};
use gantry_runtime::{ListOptions, ObjectSource, Observed, Reflector, ReflectorTarget};
use hashbrown::HashSet;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    AccessStore,
    access_store::{BOOTSTRAP_TOKEN_TYPE, KUBE_SYSTEM},
    rbac,
};

/// What an access store wants to hear of.
pub fn followed() -> Vec<(GroupVersionResource, ListOptions)> {
    let all = |group, resource| (GroupVersionResource::new(group, "v1", resource), ListOptions::default());
    let bootstrap_tokens = ListOptions {
        namespace: KUBE_SYSTEM.into(),
        field_selector: format!("type={BOOTSTRAP_TOKEN_TYPE}"),
        ..ListOptions::default()
    };
    vec![
        all(rbac::GROUP, "clusterroles"),
        all(rbac::GROUP, "clusterrolebindings"),
        all(rbac::GROUP, "roles"),
        all(rbac::GROUP, "rolebindings"),
        all("", "pods"),
        all("", "persistentvolumes"),
        (GroupVersionResource::new("", "v1", "secrets"), bootstrap_tokens),
    ]
}

/// Follows all of it in the background, until `stop`. The source must not itself be subject to the store's decisions before
/// the store is filled (the in-process client of the loopback user is not).
pub fn follow(source: &Arc<dyn ObjectSource>, store: &Arc<AccessStore>, stop: &CancellationToken) -> AccessFeed {
    let synced = followed()
        .into_iter()
        .map(|(resource, options)| {
            let target = Arc::new(FeedTarget::new(store.clone(), resource.clone()));
            let synced = target.synced.subscribe();
            tokio::spawn(Reflector::new(source.clone(), resource, options, target).run(stop.clone()));
            synced
        })
        .collect();
    AccessFeed { synced }
}

/// A running feed.
pub struct AccessFeed {
    synced: Vec<watch::Receiver<bool>>,
}

impl AccessFeed {
    /// Resolves when everything that existed at the start is in the store. Before, users other than `system:masters` may be
    /// refused what they may do.
    pub async fn synced(mut self) {
        for synced in &mut self.synced {
            // The sender goes only when the feed is stopped, and then nobody waits for it.
            let _ = synced.wait_for(|synced| *synced).await;
        }
    }
}

struct FeedTarget {
    store: Arc<AccessStore>,
    resource: GroupVersionResource,
    /// What was told to the store, so that a new list can take back what is gone.
    known: Mutex<HashSet<(String, String)>>,
    synced: watch::Sender<bool>,
}

impl FeedTarget {
    fn new(store: Arc<AccessStore>, resource: GroupVersionResource) -> Self {
        Self { store, resource, known: Mutex::default(), synced: watch::Sender::new(false) }
    }

    fn tell(&self, namespace: &str, name: &str, object: Option<&Object>) {
        self.store.apply(&self.resource.group, &self.resource.resource, namespace, name, object);
    }

    fn put(&self, observed: &Observed) {
        match serde_json::from_slice::<Object>(&observed.json) {
            Ok(object) => self.tell(&observed.namespace, &observed.name, Some(&object)),
            Err(error) => {
                warn!(resource = %self.resource.resource, name = %observed.name, %error, "an object cannot be read");
                self.tell(&observed.namespace, &observed.name, None);
            }
        }
    }
}

impl ReflectorTarget for FeedTarget {
    fn replaced(&self, items: Vec<Observed>) {
        let now: HashSet<(String, String)> =
            items.iter().map(|item| (item.namespace.clone(), item.name.clone())).collect();
        let mut known = self.known.lock();
        for (namespace, name) in known.difference(&now) {
            self.tell(namespace, name, None);
        }
        items.iter().for_each(|item| self.put(item));
        *known = now;
        drop(known);
        self.synced.send_replace(true);
    }

    fn applied(&self, object: Observed) {
        self.put(&object);
        self.known.lock().insert((object.namespace, object.name));
    }

    fn deleted(&self, object: Observed) {
        self.tell(&object.namespace, &object.name, None);
        self.known.lock().remove(&(object.namespace, object.name));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{Attributes, Authorizer, UserInfo};

    fn observed(name: &str, json: &'static str) -> Observed {
        Observed {
            namespace: String::new(),
            name: name.into(),
            uid: String::new(),
            resource_version: "1".into(),
            json: Bytes::from_static(json.as_bytes()),
        }
    }

    #[test]
    fn a_new_list_takes_back_what_is_gone() {
        let store = Arc::new(AccessStore::default());
        let target = |resource| FeedTarget::new(store.clone(), GroupVersionResource::new(rbac::GROUP, "v1", resource));
        let (roles, bindings) = (target("clusterroles"), target("clusterrolebindings"));
        roles.replaced(vec![observed("r", r#"{"rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}]}"#)]);
        let jane = UserInfo::new("jane", &[]);
        let may = || store.rbac().authorize(&Attributes::resource(&jane, "get", "", "pods")).is_allowed();
        let binding = r#"{"subjects":[{"kind":"User","name":"jane"}],"roleRef":{"kind":"ClusterRole","name":"r"}}"#;
        bindings.applied(observed("b", binding));
        assert!(may());
        bindings.replaced(vec![]);
        assert!(!may());
        bindings.replaced(vec![observed("b", binding)]);
        assert!(may());
        bindings.applied(observed("b", "{"));
        assert!(!may(), "what cannot be read gives nothing");
    }
}
