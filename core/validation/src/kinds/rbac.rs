//! Role, ClusterRole, RoleBinding, ClusterRoleBinding.

use crate::{
    field::{Causes, Field, Root},
    names,
    rules::selector,
    table::Update,
};

const GROUP: &str = "rbac.authorization.k8s.io";

fn rules(object: Root<'_>, namespaced: bool, causes: &mut Causes) {
    object.member("rules").items().for_each(|rule| policy_rule(&rule, namespaced, causes));
}

fn policy_rule(rule: &Field<'_>, namespaced: bool, causes: &mut Causes) {
    let member = |name| rule.member(name);
    causes.require(&member("verbs"));
    let urls = member("nonResourceURLs");
    if !urls.is_empty() {
        if namespaced {
            causes.invalid(&urls, "namespaced rules cannot apply to non-resource URLs");
        }
        if ["apiGroups", "resources", "resourceNames"].iter().any(|name| !member(name).is_empty()) {
            causes.invalid(&urls, "rules cannot apply to both regular resources and non-resource URLs");
        }
        return;
    }
    causes.require(&member("apiGroups"));
    causes.require(&member("resources"));
}

pub mod role {
    use super::*;

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        rules(object, true, causes);
    }

    pub fn update(update: Update<'_>, causes: &mut Causes) {
        update.as_created(create, causes);
    }
}

pub mod cluster_role {
    use super::*;

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        rules(object, false, causes);
        let aggregation = object.member("aggregationRule");
        if !aggregation.is_set() {
            return;
        }
        let selectors = aggregation.member("clusterRoleSelectors");
        causes.require(&selectors);
        for one in selectors.items() {
            selector::label_selector(&one, causes);
            if selector::parse(&one).is_err() {
                causes.invalid(&one, "invalid label selector");
            }
        }
    }

    pub fn update(update: Update<'_>, causes: &mut Causes) {
        update.as_created(create, causes);
    }
}

/// The role that a binding names: a ClusterRole, or in a namespace a Role as well.
fn binding(object: Root<'_>, kinds: &[&str], namespaced: bool, causes: &mut Causes) {
    let role = object.member("roleRef");
    if role.member("apiGroup").text() != GROUP {
        causes.not_supported(&role.member("apiGroup"), &[GROUP]);
    }
    causes.one_of(&role.member("kind"), kinds);
    let name = role.member("name");
    if causes.require(&name) {
        causes.invalid_each(&name, names::path_segment(name.text()));
    }
    object.member("subjects").items().for_each(|subject| self::subject(&subject, namespaced, causes));
}

fn subject(subject: &Field<'_>, namespaced: bool, causes: &mut Causes) {
    let (kind, name, group) = (subject.member("kind"), subject.member("name"), subject.member("apiGroup"));
    causes.require(&name);
    match kind.text() {
        "ServiceAccount" => {
            if !name.is_empty() {
                causes.invalid_each(&name, names::dns_subdomain(name.text()));
            }
            if !group.is_empty() {
                causes.not_supported(&group, &[""]);
            }
            // In a namespaced binding the binding's own namespace is meant.
            if !namespaced {
                causes.require(&subject.member("namespace"));
            }
        }
        "User" | "Group" => {
            if group.text() != GROUP {
                causes.not_supported(&group, &[GROUP]);
            }
        }
        _ => causes.not_supported(&kind, &["ServiceAccount", "User", "Group"]),
    }
}

fn binding_update(update: Update<'_>, causes: &mut Causes) {
    causes.immutable(&update.new.member("roleRef"), &update.old.member("roleRef"));
}

pub mod role_binding {
    use super::*;

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        binding(object, &["Role", "ClusterRole"], true, causes);
    }

    pub fn update(update: Update<'_>, causes: &mut Causes) {
        update.as_created(create, causes);
        binding_update(update, causes);
    }
}

pub mod cluster_role_binding {
    use super::*;

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        binding(object, &["ClusterRole"], false, causes);
    }

    pub fn update(update: Update<'_>, causes: &mut Causes) {
        update.as_created(create, causes);
        binding_update(update, causes);
    }
}
