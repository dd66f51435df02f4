//! Discovery documents: which groups, versions and resources are served, in the legacy and in the aggregated form.
//!
//! All depend on the catalogue only (and the server's address), so callers make them once and keep the bytes.

use gantry_kinds::{Catalog, Group, Resource, Subresource, Text, Version};
use gantry_meta::{Object, Value};
use serde_json::json;

/// What follows the type of the encoding in the media type of [`aggregated`], as answers name it.
pub const AGGREGATED_FORM: &str = ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// `/api`. `server_address` is `HOST:PORT`. It has no `apiVersion`, which clients of old expect.
pub fn api_versions(server_address: &str) -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}],
    })
}

/// `/apis`: all groups but the core one.
pub fn api_group_list(catalog: &Catalog) -> Value {
    let groups: Vec<Value> = named_groups(catalog).map(|g| Value::Object(group_members(g))).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/GROUP`.
pub fn api_group(group: &Group) -> Value {
    let mut members = group_members(group);
    members.insert("kind".to_owned(), "APIGroup".into());
    members.insert("apiVersion".to_owned(), "v1".into());
    Value::Object(members)
}

fn named_groups(catalog: &Catalog) -> impl Iterator<Item = &Group> {
    catalog.groups().iter().filter(|g| !g.name.is_empty())
}

fn group_members(group: &Group) -> Object {
    let version = |v: &Version| json!({"groupVersion": format!("{}/{}", group.name, v.name), "version": v.name});
    let versions: Vec<Value> = group.versions.iter().map(version).collect();
    let mut members = Object::new();
    members.insert("name".to_owned(), group.name.clone().into());
    if let Some(preferred) = versions.first() {
        members.insert("preferredVersion".to_owned(), preferred.clone());
    }
    members.insert("versions".to_owned(), Value::Array(versions));
    members
}

/// `/api/v1` and `/apis/GROUP/VERSION`. The core group's alone has no `apiVersion`.
pub fn api_resource_list(group: &Group, version: &Version) -> Value {
    let resources: Vec<Value> = version.resources.iter().flat_map(legacy_rows).collect();
    if group.name.is_empty() {
        return json!({"kind": "APIResourceList", "groupVersion": version.name, "resources": resources});
    }
    json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": format!("{}/{}", group.name, version.name),
        "resources": resources,
    })
}

/// A resource and its subresources.
fn legacy_rows(resource: &Resource) -> Vec<Value> {
    let mut own = json!({
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": resource.verbs,
    });
    insert_list(&mut own, "shortNames", &resource.short_names);
    insert_list(&mut own, "categories", &resource.categories);
    if resource.is_stored() {
        own["storageVersionHash"] = resource.storage_hash.clone().into();
    }
    let below = resource.subresources.iter().map(|s| legacy_subresource(resource, s));
    std::iter::once(own).chain(below).collect()
}

fn legacy_subresource(resource: &Resource, subresource: &Subresource) -> Value {
    let mut row = json!({
        "name": format!("{}/{}", resource.plural, subresource.name),
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": subresource.kind,
        "verbs": subresource.verbs,
    });
    if has_kind_of_its_own(resource, subresource) {
        row["group"] = subresource.kind_group.clone().into();
        row["version"] = subresource.kind_version.clone().into();
    }
    row
}

/// Group and version of a subresource's kind are said only where they are not the resource's.
fn has_kind_of_its_own(resource: &Resource, subresource: &Subresource) -> bool {
    subresource.api_version != resource.api_version
}

fn insert_list(row: &mut Value, name: &str, list: &[Text]) {
    if !list.is_empty() {
        row[name] = json!(list);
    }
}

/// The aggregated form of `/api` (`core`) and of `/apis`.
pub fn aggregated(catalog: &Catalog, core: bool) -> Value {
    let groups: Vec<Value> =
        catalog.groups().iter().filter(|g| g.name.is_empty() == core).map(aggregated_group).collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": groups})
}

fn aggregated_group(group: &Group) -> Value {
    let metadata = if group.name.is_empty() { json!({}) } else { json!({"name": group.name}) };
    let versions: Vec<Value> = group
        .versions
        .iter()
        .map(|version| {
            let resources: Vec<Value> = version.resources.iter().map(aggregated_resource).collect();
            json!({"version": version.name, "resources": resources, "freshness": "Current"})
        })
        .collect();
    json!({"metadata": metadata, "versions": versions})
}

fn aggregated_resource(resource: &Resource) -> Value {
    let mut row = json!({
        "resource": resource.plural,
        "responseKind": {"group": "", "version": "", "kind": resource.kind},
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": resource.verbs,
    });
    insert_list(&mut row, "shortNames", &resource.short_names);
    insert_list(&mut row, "categories", &resource.categories);
    if !resource.subresources.is_empty() {
        row["subresources"] = resource.subresources.iter().map(|s| aggregated_subresource(resource, s)).collect();
    }
    row
}

fn aggregated_subresource(resource: &Resource, subresource: &Subresource) -> Value {
    let (group, version) = match has_kind_of_its_own(resource, subresource) {
        true => (&*subresource.kind_group, &*subresource.kind_version),
        false => ("", ""),
    };
    json!({
        "subresource": subresource.name,
        "responseKind": {"group": group, "version": version, "kind": subresource.kind},
        "verbs": subresource.verbs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_kinds::catalog;

    fn core_rows() -> Vec<Value> {
        let core = catalog().group("").unwrap();
        let Value::Array(rows) = api_resource_list(core, &core.versions[0])["resources"].take() else {
            panic!("a list")
        };
        rows
    }

    #[test]
    fn legacy_rows_carry_what_clients_of_old_read() {
        let rows = core_rows();
        let row = |name: &str| rows.iter().find(|r| r["name"] == name).unwrap();
        let pods = json!({"name": "pods", "singularName": "pod", "namespaced": true, "kind": "Pod",
            "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
            "shortNames": ["po"], "categories": ["all"], "storageVersionHash": "xPOwRZ+Yhw8="});
        assert_eq!(row("pods"), &pods);
        let eviction = json!({"name": "pods/eviction", "singularName": "", "namespaced": true, "kind": "Eviction",
            "group": "policy", "version": "v1", "verbs": ["create"]});
        assert_eq!(row("pods/eviction"), &eviction);
    }

    #[test]
    fn groups_name_their_preferred_version() {
        let autoscaling = api_group(catalog().group("autoscaling").unwrap());
        assert_eq!(autoscaling["preferredVersion"], json!({"groupVersion": "autoscaling/v2", "version": "v2"}));
        assert_eq!(autoscaling["versions"].as_array().map(Vec::len), Some(2));
        let core = catalog().group("").unwrap();
        assert!(api_resource_list(core, &core.versions[0]).get("apiVersion").is_none());
    }

    #[test]
    fn the_aggregated_form_says_kinds_in_full_only_where_they_differ() {
        let document = aggregated(catalog(), true);
        let resources = document["items"][0]["versions"][0]["resources"].as_array().unwrap();
        let pods = resources.iter().find(|r| r["resource"] == "pods").unwrap();
        let below = pods["subresources"].as_array().unwrap();
        let kind = |name: &str| &below.iter().find(|s| s["subresource"] == name).unwrap()["responseKind"];
        assert_eq!(kind("eviction"), &json!({"group": "policy", "version": "v1", "kind": "Eviction"}));
        assert_eq!(kind("exec"), &json!({"group": "", "version": "", "kind": "PodExecOptions"}));
        assert_eq!(document["items"].as_array().map(Vec::len), Some(1));
    }
}
