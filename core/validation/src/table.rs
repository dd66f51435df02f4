//! Which rules each resource has: what its names may be, and its own checks on create and on update.

use crate::{
    field::{Causes, Root},
    kinds,
    names::NameRule::{self, DnsLabel, DnsSubdomain, PathSegment},
};

/// What an update is checked with.
#[derive(Clone, Copy)]
pub struct Update<'a> {
    pub new: Root<'a>,
    pub old: Root<'a>,
    /// `status`, `scale` and the like; `None` for the resource itself.
    pub subresource: Option<&'a str>,
}

/// The rules of one resource.
pub struct Rules {
    pub group: &'static str,
    pub resource: &'static str,
    pub name: NameRule,
    /// Checks besides metadata on create.
    pub create: fn(Root<'_>, &mut Causes),
    /// Checks besides metadata on update.
    pub update: fn(Update<'_>, &mut Causes),
}

/// For resources without rules of their own.
static GENERIC: Rules = Rules { group: "", resource: "", name: DnsSubdomain, create: |_, _| {}, update: |_, _| {} };

/// The rules of a resource; generic ones for what has none.
pub fn rules(group: &str, resource: &str) -> &'static Rules {
    TABLE.iter().find(|rules| rules.resource == resource && rules.group == group).unwrap_or(&GENERIC)
}

const fn row(
    group: &'static str,
    resource: &'static str,
    name: NameRule,
    create: fn(Root<'_>, &mut Causes),
    update: fn(Update<'_>, &mut Causes),
) -> Rules {
    Rules { group, resource, name, create, update }
}

const RBAC: &str = "rbac.authorization.k8s.io";

static TABLE: &[Rules] = &[
    row("", "configmaps", DnsSubdomain, kinds::config_map::create, kinds::config_map::update),
    row("", "secrets", DnsSubdomain, kinds::secret::create, kinds::secret::update),
    row("", "namespaces", DnsLabel, kinds::namespace::create, kinds::namespace::update),
    row("", "events", DnsSubdomain, kinds::event::create, kinds::event::update),
    row("events.k8s.io", "events", DnsSubdomain, kinds::event::create, kinds::event::update),
    row("coordination.k8s.io", "leases", DnsSubdomain, kinds::lease::create, kinds::lease::update),
    row(RBAC, "roles", PathSegment, |_, _| {}, |_, _| {}),
    row(RBAC, "clusterroles", PathSegment, |_, _| {}, |_, _| {}),
    row(RBAC, "rolebindings", PathSegment, |_, _| {}, |_, _| {}),
    row(RBAC, "clusterrolebindings", PathSegment, |_, _| {}, |_, _| {}),
];
