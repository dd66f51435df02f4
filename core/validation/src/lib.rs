//! What objects may hold: metadata rules, and per-kind rules in the reference's order.
//!
//! A cause's field path and reason are API and follow the reference; its message is ours. Objects come decoded and with
//! defaults; what cannot be decoded never gets here.

pub mod cel;
pub mod field;
pub mod kinds;
pub mod metadata;
pub mod names;
pub mod ratchet;
pub mod rules;
pub mod table;
mod warnings;

use field::{Causes, Root};
use gantry_meta::{Cause, Object};
use names::NameRule;
use rules::schema;

/// Which resource an object belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resource<'a> {
    /// Empty for the core group.
    pub group: &'a str,
    /// Plural.
    pub resource: &'a str,
    pub namespaced: bool,
}

/// Checks a new object, after defaults, with its name generated. Empty if it is fine.
pub fn validate_create(resource: Resource<'_>, object: &Object) -> Vec<Cause> {
    let (root, mut causes) = (Root(object), Causes::default());
    let rules = table::rules(resource.group, resource.resource);
    let name = rules.map_or(NameRule::DnsSubdomain, |rules| rules.name);
    let looks = table::metadata_looks(resource.group, resource.resource, None);
    if looks.create {
        metadata::object_meta(root, resource.namespaced, name, &mut causes);
        if looks.finalizers {
            metadata::finalizers_are_standard_or_qualified(root, &mut causes);
        }
    }
    match rules {
        Some(rules) => (rules.create)(root, &mut causes),
        None => schema::by_table(resource.group, resource.resource, root, &mut causes),
    }
    if causes.is_empty() && (!looks.create || name == NameRule::AfterSpec) {
        metadata::object_meta(root, resource.namespaced, NameRule::PathSegment, &mut causes);
    }
    causes.into_vec()
}

/// Checks an update of a resource or of one of its subresources (`status`, ...), after the parts that this request may
/// not write were put back. Empty if it is fine.
pub fn validate_update(resource: Resource<'_>, new: &Object, old: &Object, subresource: Option<&str>) -> Vec<Cause> {
    let (new, old, mut causes) = (Root(new), Root(old), Causes::default());
    let rules = table::rules(resource.group, resource.resource);
    let looks = table::metadata_looks(resource.group, resource.resource, subresource);
    metadata::object_meta(new, resource.namespaced, NameRule::PathSegment, &mut causes);
    metadata::object_meta_update(new, old, &mut causes);
    let name = rules.map_or(NameRule::DnsSubdomain, |rules| rules.name);
    let (namespaced, finalizers) = (resource.namespaced, looks.finalizers);
    let update = table::Update { new, old, subresource, namespaced, name, finalizers };
    looks.update.iter().for_each(|look| update.look(*look, &mut causes));
    match rules {
        Some(rules) => own_rules(rules, update, &mut causes),
        None if subresource.is_none() => {
            schema::by_table(resource.group, resource.resource, new, &mut causes);
        }
        None => {}
    }
    causes.into_vec()
}

/// The rules of a kind, but for those that the stored object breaks as well and that it may break.
fn own_rules(rules: &table::Rules, update: table::Update<'_>, causes: &mut Causes) {
    let mut found = Causes::default();
    (rules.update)(update, &mut found);
    if found.is_ratcheted() {
        let mut before = Causes::default();
        (rules.update)(table::Update { new: update.old, ..update }, &mut before);
        found.forgive(&before);
    }
    causes.append(found);
}

/// What is wrong with the addresses and families of a service. They are settled before anything else of it is looked at: where this
/// finds something, nothing else is told.
pub fn service_addresses(new: &Object, old: Option<&Object>) -> Vec<Cause> {
    let mut causes = Causes::default();
    kinds::service::address_causes(Root(new), old.map(Root), &mut causes);
    causes.into_vec()
}

/// What a write of `object` over `old`, or of one of its subresources, should be warned about, one text for each finding.
/// Both are as they are to be stored: with the generation that the write makes.
pub fn warnings(
    resource: Resource<'_>,
    object: &Object,
    old: Option<&Object>,
    subresource: Option<&str>,
) -> Vec<String> {
    warnings::warnings(resource, object, old, subresource)
}
