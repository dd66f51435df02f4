//! The resources that the executor knows, each with where and how its objects are stored.

use std::{collections::HashMap, sync::Arc};

use gantry_codec::{Strictness, canonical};
use gantry_kinds::{Catalog, Ref, Resource, Type};
use gantry_meta::{Cause, GroupVersionKind, GroupVersionResource, Object, ObjectView as _, Status};
use gantry_patch::managed::Versions;
use gantry_storage::{Key, Shard};
use gantry_watch_cache::ResourceConfig;

use crate::{
    convert::{self, Conversion},
    fields::SelectableFields,
    request::Target,
    strategy::{self, Strategy},
};

/// One resource in one version, ready to be worked with.
pub(crate) struct Served {
    pub resource: Resource,
    pub gvr: GroupVersionResource,
    pub gvk: GroupVersionKind,
    /// Kind and version that its objects are stored in. The same as `gvk` for nearly all.
    pub stored: GroupVersionKind,
    /// `/<group>/<resource>/` of the stored form.
    pub prefix: String,
    pub shard: Shard,
    /// `None`: what is stored is what is served.
    pub conversion: Option<&'static dyn Conversion>,
    pub strategy: &'static dyn Strategy,
    stored_group: String,
    stored_root: Ref<Type>,
    /// All versions of the group that what is stored is served in, this one too.
    forms: Vec<Form>,
}

/// What is stored in one of the versions that it is served in.
struct Form {
    resource: Resource,
    conversion: Option<&'static dyn Conversion>,
}

impl Form {
    /// Of another group nobody says what it owned, though it may be stored as the same.
    fn all(catalog: &Catalog, served: &Resource, stored: &Resource) -> Vec<Self> {
        let of_stored = |resource: &&Resource| {
            (&resource.group, &resource.plural) == (&served.group, &served.plural)
                && stored_version(catalog, resource) == (&*stored.group, &*stored.version)
        };
        let form =
            |resource: &Resource| Self { resource: resource.clone(), conversion: convert::between(resource, stored) };
        catalog.resources().filter(of_stored).map(form).collect()
    }
}

impl Served {
    fn new(catalog: &Catalog, resource: &Resource) -> Self {
        let (group, version) = stored_version(catalog, resource);
        let stored = catalog.resource(group, version, &resource.plural).unwrap_or(resource);
        let plural = &*resource.plural;
        Self {
            gvr: GroupVersionResource::new(&resource.group, &resource.version, plural),
            gvk: GroupVersionKind::new(&resource.group, &resource.version, &resource.kind),
            stored: GroupVersionKind::new(&stored.group, &stored.version, &stored.kind),
            prefix: Key::resource_prefix(&stored.group, plural),
            shard: shard(&stored.group, plural),
            conversion: convert::between(resource, stored),
            strategy: strategy::of(&resource.group, plural),
            stored_group: stored.group.to_string(),
            stored_root: stored.root.clone(),
            forms: Form::all(catalog, resource, stored),
            resource: resource.clone(),
        }
    }

    pub fn key(&self, namespace: &str, name: &str) -> Key {
        let namespace = if self.resource.namespaced { namespace } else { "" };
        Key::new(&self.stored_group, &self.resource.plural, namespace, name)
    }

    /// The object as it is stored.
    pub fn to_stored(&self, object: Object) -> Object {
        let Some(conversion) = self.conversion else { return object };
        let mut stored = conversion.to_stored(object);
        canonical::canonicalise(&self.stored_root, &mut stored);
        stored
    }

    /// A stored object as clients of this version see it.
    pub fn to_served(&self, stored: Object) -> Object {
        let Some(conversion) = self.conversion else { return stored };
        let mut object = conversion.to_served(stored);
        canonical::canonicalise(&self.resource.root, &mut object);
        object
    }

    /// What a client sent, with what it says twice said once.
    pub fn settled(&self, object: Object) -> Object {
        match self.conversion {
            Some(conversion) if conversion.settles_first() => {
                // An empty record says that there is to be none, which is lost on the way.
                let record = object.metadata().and_then(|metadata| metadata.get("managedFields")).cloned();
                let mut settled = self.to_served(self.to_stored(object));
                if let Some(record) = record {
                    settled.metadata_mut().insert("managedFields".into(), record);
                }
                settled
            }
            _ => object,
        }
    }

    pub fn not_found(&self, name: &str) -> Status {
        Status::not_found(&self.resource.group, &self.resource.plural, name)
    }

    pub fn already_exists(&self, name: &str) -> Status {
        Status::already_exists(&self.resource.group, &self.resource.plural, name)
    }

    /// As [`Self::already_exists`], of an object that says what its name is made from: another try may find a free one. It names
    /// the group as it is stored.
    pub fn generated_name_taken(&self, name: &str) -> Status {
        let mut status = Status::already_exists(&self.stored_group, &self.resource.plural, name);
        status.details.get_or_insert_default().retry_after_seconds = 1;
        status
    }

    pub fn conflict(&self, name: &str, why: &str) -> Status {
        Status::conflict(&self.resource.group, &self.resource.plural, name, why)
    }

    /// Names the kind as it is stored, unlike the others: events of events.k8s.io are core ones there.
    pub fn invalid(&self, name: &str, causes: Vec<Cause>) -> Status {
        Status::invalid(&self.stored_group, &self.resource.kind, name, causes)
    }
}

impl Versions for Served {
    fn convert(&self, object: &Object, from: &str, to: &str) -> Option<(&Type, Object)> {
        let form = |version: &str| self.forms.iter().find(|form| form.resource.api_version == version);
        let (from, to) = (form(from)?, form(to)?);
        let decoded = gantry_codec::decode_value((&from.resource).into(), object.clone().into(), Strictness::Ignore);
        let mut object = decoded.ok()?.object;
        if let Some(conversion) = from.conversion {
            object = conversion.to_stored(object);
            canonical::canonicalise(&self.stored_root, &mut object);
        }
        if let Some(conversion) = to.conversion {
            object = conversion.to_served(object);
            canonical::canonicalise(&to.resource.root, &mut object);
        }
        Some((&to.resource.root, object))
    }
}

/// The version that `storage_version` names if it is served, else the resource's own.
pub(crate) fn stored_version<'a>(catalog: &Catalog, resource: &'a Resource) -> (&'a str, &'a str) {
    let named = resource.storage_version.split_once('/').unwrap_or(("", &resource.storage_version));
    match catalog.resource(named.0, named.1, &resource.plural) {
        Some(_) => named,
        None => (&resource.group, &resource.version),
    }
}

fn shard(group: &str, plural: &str) -> Shard {
    match (group, plural) {
        ("", "events") => Shard::Events,
        ("coordination.k8s.io", "leases") => Shard::Leases,
        _ => Shard::Durable,
    }
}

/// All of them, by group, version and plural.
pub(crate) struct ServedResources {
    by_resource: HashMap<GroupVersionResource, Arc<Served>>,
    /// The preferred version of each group's resource.
    preferred: HashMap<(String, String), Arc<Served>>,
}

impl ServedResources {
    pub fn new(catalog: &Catalog) -> Self {
        let mut all = Self { by_resource: HashMap::new(), preferred: HashMap::new() };
        for resource in catalog.resources() {
            let served = Arc::new(Served::new(catalog, resource));
            let group_resource = (resource.group.to_string(), resource.plural.to_string());
            all.preferred.entry(group_resource).or_insert_with(|| served.clone());
            all.by_resource.insert(served.gvr.clone(), served);
        }
        all
    }

    /// 404 with empty details for a resource, or a subresource, that is not served.
    pub fn find(&self, target: &Target) -> Result<&Arc<Served>, Status> {
        let served = self.by_resource.get(&target.resource).ok_or_else(unknown)?;
        let sub = target.subresource.as_str();
        let known = sub.is_empty() || served.resource.subresource(sub).is_some();
        let scoped = served.resource.namespaced || target.namespace.is_empty();
        if known && scoped { Ok(served) } else { Err(unknown()) }
    }

    pub fn preferred(&self, group: &str, plural: &str) -> Option<&Arc<Served>> {
        self.preferred.get(&(group.to_owned(), plural.to_owned()))
    }
}

/// The answer to what names no object where it needs one.
pub(crate) fn nameless() -> Status {
    Status::bad_request("Name parameter required.")
}

/// The answer to a path that nothing is served under.
pub(crate) fn unknown() -> Status {
    let message = "the server could not find the requested resource";
    Status::failure(gantry_meta::Reason::NotFound, message).with_empty_details()
}

/// The answer to a method that a path does not have.
pub(crate) fn method_not_allowed() -> Status {
    let message = "the server does not allow this method on the requested resource";
    Status::failure(gantry_meta::Reason::MethodNotAllowed, message).with_empty_details()
}

/// How the watch cache is to hold each stored resource of `catalog`.
pub fn resource_configs(catalog: &Catalog) -> Vec<ResourceConfig> {
    let mut by_prefix: HashMap<String, Vec<Served>> = HashMap::new();
    for resource in catalog.resources().filter(|resource| resource.is_stored()) {
        let served = Served::new(catalog, resource);
        by_prefix.entry(served.prefix.clone()).or_default().push(served);
    }
    by_prefix.into_values().map(|served| config(&served)).collect()
}

fn config(served: &[Served]) -> ResourceConfig {
    let first = &served[0];
    let (stored, plural) = (&first.stored, &*first.resource.plural);
    let fields = SelectableFields::new(served.iter().map(|s| &s.resource));
    ResourceConfig::new(&first.stored_group, plural, &stored.api_version(), &stored.kind)
        .shard(first.shard)
        .attributes(Arc::new(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_both_groups_are_stored_as_one() {
        let all = ServedResources::new(gantry_kinds::catalog());
        let core = all.preferred("", "events").unwrap();
        let newer = all.preferred("events.k8s.io", "events").unwrap();
        assert_eq!(core.prefix, newer.prefix);
        assert_eq!((newer.shard, &*newer.stored.api_version()), (Shard::Events, "v1"));
        assert!(core.conversion.is_none() && newer.conversion.is_some());
        assert_eq!(newer.not_found("e").details.unwrap().group, "events.k8s.io", "the group that was asked");
    }

    #[test]
    fn what_one_version_always_writes_is_written_though_the_other_does_not_know_it() {
        let all = ServedResources::new(gantry_kinds::catalog());
        let newer = all.preferred("events.k8s.io", "events").unwrap();
        let event = serde_json::json!({"kind": "Event", "apiVersion": "events.k8s.io/v1", "metadata": {"name": "e"}});
        let stored = newer.to_stored(event.as_object().unwrap().clone());
        assert_eq!((&stored["reportingComponent"], &stored["involvedObject"]), (&"".into(), &serde_json::json!({})));
        assert!(newer.to_served(stored).get("reportingComponent").is_none());
    }

    #[test]
    fn an_autoscaler_has_the_versions_of_its_group_and_an_event_its_own_alone() {
        let all = ServedResources::new(gantry_kinds::catalog());
        let autoscalers = all.preferred("autoscaling", "horizontalpodautoscalers").unwrap();
        let newer = serde_json::json!({"kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v2",
            "metadata": {"name": "a"}, "spec": {"maxReplicas": 2, "metrics": null}});
        let newer = newer.as_object().unwrap();
        let (_, older) = autoscalers.convert(newer, "autoscaling/v2", "autoscaling/v1").unwrap();
        assert_eq!((&older["apiVersion"], &older["spec"]["maxReplicas"]), (&"autoscaling/v1".into(), &2.into()));
        let (_, again) = autoscalers.convert(&older, "autoscaling/v1", "autoscaling/v2").unwrap();
        assert_eq!(again["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 80);
        assert!(autoscalers.convert(newer, "autoscaling/v2", "autoscaling/v7").is_none());
        let events = all.preferred("events.k8s.io", "events").unwrap();
        assert!(events.convert(&Object::new(), "events.k8s.io/v1", "v1").is_none());
    }

    #[test]
    fn every_stored_resource_has_one_place() {
        let configs = resource_configs(gantry_kinds::catalog());
        let mut prefixes: Vec<_> = configs.iter().map(|c| c.prefix.clone()).collect();
        prefixes.sort();
        prefixes.dedup();
        assert_eq!(prefixes.len(), configs.len());
        assert!(prefixes.iter().any(|p| &**p == "/autoscaling/horizontalpodautoscalers/"));
    }

    #[test]
    fn what_is_not_served_is_not_found() {
        let all = ServedResources::new(gantry_kinds::catalog());
        let pods = GroupVersionResource::new("", "v1", "pods");
        assert!(all.find(&Target::object(&pods, "a", "b").with_subresource("log")).is_ok());
        let unknown = all.find(&Target::object(&pods, "a", "b").with_subresource("nosub")).err().unwrap();
        assert_eq!((unknown.code, unknown.details.is_some()), (404, true));
        let nodes = GroupVersionResource::new("", "v1", "nodes");
        assert!(all.find(&Target::object(&nodes, "a", "b")).is_err(), "nodes are in no namespace");
    }
}
