//! Selectors, checked against what the kind allows and turned into what the cache walks.

use std::{borrow::Cow, sync::Arc};

use gantry_meta::{FieldSelector, LabelSelector, Status};
use gantry_watch_cache::{CachedObject, Filter, Scope};

use crate::{
    fields::NODE_NAME,
    request::{ListOptions, Target},
    served::Served,
};

/// Which objects of a resource a list, watch or deletecollection is about.
pub(crate) struct Selection {
    pub scope: Scope,
    /// `None`: everything in scope.
    pub filter: Option<Filter>,
    /// No selector was given, not even one that only repeats the scope.
    pub unselective: bool,
}

impl Selection {
    /// 400 for a selector that cannot be read, or a field that the kind does not select by.
    pub fn new(served: &Served, target: &Target, options: &ListOptions) -> Result<Self, Status> {
        let labels = LabelSelector::parse(&options.label_selector)
            .map_err(|error| Status::bad_request(format!("unable to parse label selector: {error}")))?;
        let fields = FieldSelector::parse(&options.field_selector)
            .map_err(|error| Status::bad_request(format!("unable to parse field selector: {error}")))?;
        check_fields(served, &fields)?;
        let scope = scope(served, target, &fields);
        let unselective = labels.is_everything() && fields.is_everything();
        Ok(Self { filter: filter(served, target, &scope, labels, fields), scope, unselective })
    }
}

/// Kinds that list their own fields and this one not among them.
const NAMELESS: [&str; 3] = ["namespaces", "nodes", "resourceslices"];

fn check_fields(served: &Served, fields: &FieldSelector) -> Result<(), Status> {
    let known = |field: &str| {
        field == "metadata.name"
            || served.resource.selectable_field(field).is_some()
            || (field == "metadata.namespace" && !NAMELESS.contains(&&*served.resource.plural))
    };
    match fields.terms().iter().find(|term| !known(&term.field)) {
        None => Ok(()),
        Some(term) => {
            let (field, resource) = (&term.field, served.resource.group_resource());
            Err(Status::bad_request(format!(
                "field label not supported: {field:?} is not a selectable field of {resource}"
            )))
        }
    }
}

/// The smallest part of the resource that holds all that can match.
fn scope(served: &Served, target: &Target, fields: &FieldSelector) -> Scope {
    let namespace = match target.namespace.as_str() {
        "" => fields.required_value("metadata.namespace").unwrap_or_default(),
        named => named,
    };
    let name = if target.name.is_empty() { fields.required_value("metadata.name") } else { Some(&*target.name) };
    match name {
        Some(name) if !served.resource.namespaced => return Scope::Object { namespace: "".into(), name: name.into() },
        Some(name) if !namespace.is_empty() => return Scope::Object { namespace: namespace.into(), name: name.into() },
        _ => {}
    }
    // A cluster-wide watch of one node's pods is what node daemons open.
    if let Some(node) = fields.required_value(NODE_NAME).filter(|node| !node.is_empty())
        && &*served.resource.plural == "pods"
        && target.namespace.is_empty()
    {
        return Scope::Indexed { field: NODE_NAME, value: node.into() };
    }
    if namespace.is_empty() { Scope::All } else { Scope::Namespace(namespace.into()) }
}

fn filter(
    served: &Served,
    target: &Target,
    scope: &Scope,
    labels: LabelSelector,
    fields: FieldSelector,
) -> Option<Filter> {
    let named = !target.name.is_empty();
    if labels.is_everything() && is_said_by(scope, &fields) && !named {
        return None;
    }
    let name = target.name.clone();
    let namespaced = served.resource.namespaced;
    Some(Arc::new(move |object: &CachedObject| {
        (!named || object.key().name() == name)
            && labels.matches_with(|key| object.labels().get(key))
            && fields.matches_with(|field| value_of(object, field, namespaced))
    }))
}

/// True if all that is in `scope` is what `fields` selects.
fn is_said_by(scope: &Scope, fields: &FieldSelector) -> bool {
    match scope {
        Scope::Namespace(namespace) => fields
            .terms()
            .iter()
            .all(|term| term.field == "metadata.namespace" && !term.negated && *term.value == **namespace),
        _ => fields.is_everything(),
    }
}

fn value_of<'a>(object: &'a CachedObject, field: &str, namespaced: bool) -> Cow<'a, str> {
    match field {
        "metadata.namespace" if !namespaced => Cow::Borrowed(""),
        _ => Cow::Borrowed(object.field(field).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use gantry_meta::FieldSelector;
    use gantry_watch_cache::Scope;

    use super::is_said_by;

    #[test]
    fn a_selector_that_only_repeats_the_namespace_filters_nothing() {
        let said = |scope: &Scope, fields: &str| is_said_by(scope, &FieldSelector::parse(fields).unwrap());
        let namespace = Scope::Namespace("a".into());
        assert!(said(&namespace, "") && said(&namespace, "metadata.namespace=a") && said(&Scope::All, ""));
        for other in ["metadata.namespace=b", "metadata.namespace!=a", "metadata.namespace=a,metadata.name=x"] {
            assert!(!said(&namespace, other), "{other}");
        }
        assert!(!said(&Scope::All, "metadata.namespace=a"));
    }
}
