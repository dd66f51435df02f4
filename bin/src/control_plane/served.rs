//! What the API serves, as controllers ask for it.

use std::{collections::BTreeSet, sync::Arc};

use gantry_controllers::Served;
use gantry_kinds::{Catalog, Resource};
use gantry_plugin_host::{ResourceName, ServedResource};
use tokio::sync::watch;

/// The catalogue's stored resources in their preferred versions. It does not change while the process runs: custom resources
/// are not served yet.
pub fn follow(catalog: &Catalog) -> Served {
    let mut seen = BTreeSet::new();
    let preferred =
        catalog.resources().filter(|r| r.is_stored() && seen.insert((r.group.to_string(), r.plural.to_string())));
    let all: Arc<[ServedResource]> = preferred.map(served).collect();
    watch::channel(all).1
}

fn served(resource: &Resource) -> ServedResource {
    let has = |verbs: &[&str]| verbs.iter().all(|verb| resource.has_verb(verb));
    ServedResource {
        name: Arc::new(ResourceName {
            group: (*resource.group).into(),
            version: (*resource.version).into(),
            resource: (*resource.plural).into(),
            kind: (*resource.kind).into(),
        }),
        namespaced: resource.namespaced,
        deletable: has(&["list", "watch", "delete"]),
        collection: has(&["deletecollection"]),
    }
}
