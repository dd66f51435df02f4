//! All that is served, in the order of discovery.

use crate::{
    field::Type,
    resource::{Group, Resource, Version},
    tables,
};
use std::sync::LazyLock;

/// Groups, versions and resources, with look-ups. [`catalog`] has the built-in ones.
#[derive(Clone, Debug)]
pub struct Catalog {
    groups: Vec<Group>,
}

/// The built-in kinds.
pub fn catalog() -> &'static Catalog {
    static CATALOG: LazyLock<Catalog> = LazyLock::new(|| Catalog::new(tables::groups()));
    &CATALOG
}

/// What people are told about a type (`field` empty) or a field; `ty` empty: about all fields of that name.
pub fn description(ty: &str, field: &str) -> Option<&'static str> {
    let rows = &tables::DESCRIPTIONS;
    rows.binary_search_by(|(t, f, _)| (*t, *f).cmp(&(ty, field))).ok().map(|at| rows[at].2)
}

impl Catalog {
    pub fn new(groups: Vec<Group>) -> Self {
        Self { groups }
    }

    /// In the order served: the core group first.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|g| g.name == name)
    }

    pub fn version(&self, group: &str, version: &str) -> Option<&Version> {
        self.group(group)?.versions.iter().find(|v| v.name == version)
    }

    pub fn resource(&self, group: &str, version: &str, plural: &str) -> Option<&Resource> {
        self.version(group, version)?.resources.iter().find(|r| r.plural == plural)
    }

    /// The resource whose objects are of that kind.
    pub fn by_kind(&self, group: &str, version: &str, kind: &str) -> Option<&Resource> {
        self.version(group, version)?.resources.iter().find(|r| r.kind == kind)
    }

    /// The resource in the group's preferred version among those that serve it.
    pub fn preferred(&self, group: &str, plural: &str) -> Option<&Resource> {
        self.group(group)?.versions.iter().flat_map(|v| &v.resources).find(|r| r.plural == plural)
    }

    /// Every resource of every version, in the order served.
    pub fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.groups.iter().flat_map(|g| &g.versions).flat_map(|v| &v.resources)
    }

    /// The type of a kind that need not be a resource of its own: `Scale`, `Eviction`, `PodList`, `DeleteOptions`, `Status`.
    pub fn type_of_kind(&self, group: &str, version: &str, kind: &str) -> Option<&'static Type> {
        let kinds = &tables::KINDS;
        kinds.iter().find(|(g, v, k, _)| (*g, *v, *k) == (group, version, kind)).map(|(.., ty)| *ty)
    }

    /// A built-in type by its full name: `io.k8s.api.core.v1.PodSpec`.
    pub fn type_named(&self, name: &str) -> Option<&'static Type> {
        tables::TYPES.binary_search_by(|t| (*t.name).cmp(name)).ok().map(|at| &tables::TYPES[at])
    }

    /// All built-in types, by name.
    pub fn types(&self) -> &'static [Type] {
        &tables::TYPES
    }

    /// The group, version and kind of each built-in type that is a kind, as OpenAPI publishes them.
    pub fn kinds(&self) -> impl Iterator<Item = (&'static str, &'static str, &'static str, &'static Type)> {
        tables::KINDS.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        field::{Shape, Topology},
        literal::Literal,
    };

    #[test]
    fn groups_and_resources_stand_in_the_order_served() {
        let names: Vec<&str> = catalog().groups().iter().map(|g| &*g.name).collect();
        assert_eq!(names[..3], ["", "apiregistration.k8s.io", "apps"]);
        assert_eq!(names.last(), Some(&"plugins.gantry.dev"));
        assert_eq!(catalog().resources().count(), 69);
        assert_eq!(catalog().group("autoscaling").unwrap().versions[0].name, "v2");
    }

    #[test]
    fn a_resource_is_found_by_url_and_by_kind() {
        let pods = catalog().resource("", "v1", "pods").unwrap();
        assert_eq!((&*pods.kind, pods.namespaced, pods.manages_generation), ("Pod", true, true));
        assert!(pods.subresource("exec").unwrap().has_verb("get"));
        assert_eq!(catalog().by_kind("apps", "v1", "Deployment").unwrap().plural, "deployments");
        let scale = catalog().resource("apps", "v1", "deployments").unwrap().subresource("scale").unwrap();
        assert_eq!((&*scale.api_version, scale.root.is_some()), ("autoscaling/v1", true));
        assert!(catalog().resource("", "v1", "Pods").is_none());
    }

    #[test]
    fn fields_know_how_they_merge_default_and_encode() {
        let pod = catalog().type_of_kind("", "v1", "Pod").unwrap();
        let container = pod.descend(&["spec", "containers"]).unwrap();
        let ports = container.field("ports").unwrap();
        assert_eq!((ports.topology, ports.merge_key.as_deref()), (Topology::ListMap, Some("containerPort")));
        assert_eq!(*ports.map_keys, ["containerPort", "protocol"]);
        let protocol = ports.shape.leaf_type().unwrap().field("protocol").unwrap();
        assert_eq!(protocol.default, Some(Literal::Text("TCP".into())));
        assert_eq!(container.field("resources").unwrap().emitted, Some(Literal::EmptyObject));
        assert!(matches!(pod.descend(&["metadata"]).unwrap().field("labels").unwrap().shape, Shape::Map(_)));
        assert!(pod.descend(&["spec"]).unwrap().field("overhead").unwrap().emitted.is_none());
        assert!(container.field("Image").is_none());
    }

    #[test]
    fn every_stored_resource_has_columns_selectors_and_a_list_kind() {
        for resource in catalog().resources().filter(|r| r.has_verb("list")) {
            assert!(!resource.columns.is_empty(), "{} has no columns", resource.plural);
            assert!(resource.selectable_field("metadata.name").is_some(), "{}", resource.plural);
            let list = catalog().type_of_kind(&resource.group, &resource.version, &resource.list_kind);
            assert!(list.is_some(), "{} has no list kind", resource.plural);
        }
    }

    #[test]
    fn fields_are_sorted_so_that_look_ups_find_each_of_them() {
        for ty in catalog().types() {
            for field in ty.fields.iter() {
                assert_eq!(ty.field(&field.name).map(|f| &f.name), Some(&field.name), "{}", ty.name);
                let mut alike = [format!("{}\0", field.name), format!("{}0", field.name), field.name.to_uppercase()];
                alike[2].push_str(&field.name);
                assert!(alike.iter().all(|name| ty.field(name).is_none()), "{} of {}", field.name, ty.name);
            }
            assert!(ty.field("").is_none() && ty.field("\u{10ffff}").is_none(), "{}", ty.name);
        }
    }

    #[test]
    fn kind_and_version_of_kinds_are_in_the_envelope_alone() {
        for (.., ty) in catalog().kinds() {
            let tagged = |name: &str| ty.field(name).is_some_and(|f| !f.tag.is_empty());
            assert!(!tagged("kind") && !tagged("apiVersion"), "{}", ty.name);
        }
    }

    #[test]
    fn resources_say_what_a_write_cannot_set() {
        let reset = |group: &str, resource: &str, subresource: &str| {
            let resource = catalog().resource(group, "v1", resource).unwrap();
            resource.reset_fields_of(subresource).iter().map(|names| names.join(".")).collect::<Vec<_>>()
        };
        assert_eq!(reset("apps", "deployments", ""), ["status"]);
        assert_eq!(reset("apps", "deployments", "status"), ["spec", "metadata.labels"]);
        assert_eq!(reset("batch", "jobs", "status"), ["spec"]);
        assert_eq!(reset("", "namespaces", "finalize"), ["status"]);
        assert_eq!(reset("apiregistration.k8s.io", "apiservices", "status"), ["metadata", "spec"]);
        // A kind without a status, and a subresource that may set everything.
        assert!(reset("", "configmaps", "").is_empty() && reset("", "pods", "resize").is_empty());
    }

    #[test]
    fn a_scale_says_where_its_numbers_are() {
        for resource in catalog().resources() {
            for subresource in &resource.subresources {
                assert_eq!(subresource.scale.is_some(), subresource.name == "scale", "{}", resource.plural);
            }
        }
        let sets = catalog().resource("apps", "v1", "statefulsets").unwrap();
        let scale = sets.subresource("scale").and_then(|s| s.scale.as_ref()).unwrap();
        assert_eq!(
            (scale.replicas.join("."), scale.selector.join(".")),
            ("spec.replicas".into(), "spec.selector".into())
        );
    }

    #[test]
    fn descriptions_are_of_types_and_fields_that_exist() {
        for (ty, field, text) in tables::DESCRIPTIONS {
            assert_eq!(description(ty, field), Some(text));
            let known =
                ty.is_empty() || catalog().type_named(ty).is_some_and(|t| field.is_empty() || t.field(field).is_some());
            let special = ["Time", "MicroTime", "FieldsV1", "Quantity", "IntOrString", "RawExtension"];
            assert!(known || special.iter().any(|s| ty.ends_with(s)), "{ty} {field}");
        }
    }
}
