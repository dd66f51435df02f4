//! Role, ClusterRole, RoleBinding, ClusterRoleBinding.

use gantry_kinds::fields::rbac_v1::{AggregationRule, ClusterRole, PolicyRule, Role, RoleBinding, RoleRef, Subject};

use crate::{
    field::{Causes, Field, Root},
    names,
    rules::selector,
    table::Update,
};

const GROUP: &str = "rbac.authorization.k8s.io";

fn rules(object: Root<'_>, namespaced: bool, causes: &mut Causes) {
    object.member(Role::RULES).items().for_each(|rule| policy_rule(&rule, namespaced, causes));
}

fn policy_rule(rule: &Field<'_>, namespaced: bool, causes: &mut Causes) {
    let member = |name| rule.member(name);
    causes.require(&member(PolicyRule::VERBS));
    let urls = member(PolicyRule::NON_RESOURCE_URLS);
    if !urls.is_empty() {
        if namespaced {
            causes.invalid(&urls, "namespaced rules cannot apply to non-resource URLs");
        }
        if [PolicyRule::API_GROUPS, PolicyRule::RESOURCES, PolicyRule::RESOURCE_NAMES]
            .iter()
            .any(|name| !member(*name).is_empty())
        {
            causes.invalid(&urls, "rules cannot apply to both regular resources and non-resource URLs");
        }
        return;
    }
    causes.require(&member(PolicyRule::API_GROUPS));
    causes.require(&member(PolicyRule::RESOURCES));
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
        let aggregation = object.member(ClusterRole::AGGREGATION_RULE);
        if !aggregation.is_set() {
            return;
        }
        let selectors = aggregation.member(AggregationRule::CLUSTER_ROLE_SELECTORS);
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
    let role = object.member(RoleBinding::ROLE_REF);
    if role.member(RoleRef::API_GROUP).text() != GROUP {
        causes.not_supported(&role.member(RoleRef::API_GROUP), &[GROUP]);
    }
    causes.one_of(&role.member(RoleRef::KIND), kinds);
    let name = role.member(RoleRef::NAME);
    if causes.require(&name) {
        causes.invalid_each(&name, names::path_segment(name.text()));
    }
    object.member(RoleBinding::SUBJECTS).items().for_each(|subject| self::subject(&subject, namespaced, causes));
}

fn subject(subject: &Field<'_>, namespaced: bool, causes: &mut Causes) {
    let (kind, name, group) =
        (subject.member(Subject::KIND), subject.member(Subject::NAME), subject.member(Subject::API_GROUP));
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
                causes.require(&subject.member(Subject::NAMESPACE));
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
    causes.immutable(&update.new.member(RoleBinding::ROLE_REF), &update.old.member(RoleBinding::ROLE_REF));
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
