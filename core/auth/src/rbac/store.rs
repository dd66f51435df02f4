//! Roles and bindings in memory, indexed by subject.

use std::{borrow::Cow, sync::Arc};

use gantry_meta::{Object, Value};
use hashbrown::HashMap;
use parking_lot::RwLock;
use serde::Deserialize;

use super::{PolicyRule, RoleRef, Subject, binding::RoleKind};
use crate::{Attributes, Authorizer, Decision, UserInfo};

/// Namespace (empty for cluster-scoped) and name.
type ObjectName = (Arc<str>, Arc<str>);

/// A role given to a subject by a binding.
#[derive(Clone, Debug)]
struct Grant {
    binding: ObjectName,
    role: ObjectName,
    role_kind: RoleKind,
}

/// What one subject was given: everywhere, and per namespace.
#[derive(Default, Debug)]
struct Grants {
    cluster: Vec<Grant>,
    by_namespace: HashMap<Arc<str>, Vec<Grant>>,
}

impl Grants {
    fn bucket(&mut self, namespace: &Arc<str>) -> &mut Vec<Grant> {
        if namespace.is_empty() { &mut self.cluster } else { self.by_namespace.entry(namespace.clone()).or_default() }
    }

    fn is_empty(&self) -> bool {
        self.cluster.is_empty() && self.by_namespace.is_empty()
    }
}

#[derive(Default, Debug)]
struct Tables {
    roles: HashMap<ObjectName, Arc<[PolicyRule]>>,
    bindings: HashMap<ObjectName, Vec<Subject>>,
    users: HashMap<Arc<str>, Grants>,
    groups: HashMap<Arc<str>, Grants>,
}

/// The RBAC authoriser and its data. Fed with every change of roles and bindings by [`RbacStore::apply`]; a decision takes
/// a read lock and looks at nothing but what the user and their groups were given.
#[derive(Default, Debug)]
pub struct RbacStore {
    tables: RwLock<Tables>,
}

impl RbacStore {
    /// Takes in one change. `resource` is `roles`, `clusterroles`, `rolebindings` or `clusterrolebindings` (others are not
    /// RBAC's and are ignored); `object` is `None` when it was deleted.
    pub fn apply(&self, resource: &str, namespace: &str, name: &str, object: Option<&Object>) {
        let at: ObjectName = (namespace.into(), name.into());
        match resource {
            "roles" | "clusterroles" => self.tables.write().put_role(at, object),
            "rolebindings" | "clusterrolebindings" => self.tables.write().put_binding(at, object),
            _ => {}
        }
    }

    /// The rules of a role, or `None` if it does not exist. `binding_namespace` is where the binding that names it lives.
    pub fn role_rules(&self, role: &RoleRef, binding_namespace: &str) -> Option<Arc<[PolicyRule]>> {
        let at = (role.role_namespace(binding_namespace).into(), role.name.as_str().into());
        self.tables.read().roles.get(&at).cloned()
    }

    /// All that `user` may do in `namespace` (empty: at cluster scope), cluster-wide rules first.
    pub fn rules_for(&self, user: &UserInfo, namespace: &str) -> Vec<PolicyRule> {
        let mut rules = Vec::new();
        self.tables.read().visit(user, namespace, |_, found| {
            rules.extend(found.iter().cloned());
            false
        });
        rules
    }
}

impl RbacStore {
    fn decide(&self, attributes: &Attributes<'_>, reason: impl Fn(&Grant) -> Cow<'static, str>) -> Decision {
        let tables = self.tables.read();
        let granted = tables
            .visit(attributes.user, attributes.namespace, |_, rules| rules.iter().any(|rule| rule.permits(attributes)));
        match granted {
            Some(grant) => Decision::Allow(reason(grant)),
            None => Decision::NoOpinion(Cow::Borrowed("")),
        }
    }
}

impl Authorizer for RbacStore {
    fn authorize(&self, attributes: &Attributes<'_>) -> Decision {
        self.decide(attributes, |_| Cow::Borrowed(""))
    }

    fn explain(&self, attributes: &Attributes<'_>) -> Decision {
        self.decide(attributes, |grant| Cow::Owned(grant.reason(&attributes.user.name)))
    }
}

impl Grant {
    fn reason(&self, user: &str) -> String {
        let (namespace, binding) = (&self.binding.0, &self.binding.1);
        let kind = match self.role_kind {
            RoleKind::Role => "Role",
            RoleKind::ClusterRole => "ClusterRole",
        };
        let by = if namespace.is_empty() {
            format!("ClusterRoleBinding {binding:?}")
        } else {
            format!("RoleBinding \"{binding}/{namespace}\"")
        };
        format!("RBAC: allowed by {by} of {kind} {:?} to User {user:?}", self.role.1)
    }
}

impl Tables {
    fn put_role(&mut self, at: ObjectName, object: Option<&Object>) {
        match object {
            None => self.roles.remove(&at),
            Some(role) => self.roles.insert(at, rules_of(role).into()),
        };
    }

    fn put_binding(&mut self, at: ObjectName, object: Option<&Object>) {
        for subject in self.bindings.remove(&at).unwrap_or_default() {
            self.revoke(&subject, &at);
        }
        let Some((binding, role)) = object.and_then(|binding| Some((binding, RoleRef::of(binding)?))) else { return };
        let mut subjects = Subject::all_of(binding);
        subjects.sort();
        subjects.dedup();
        let grant = Grant {
            role: (role.role_namespace(&at.0).into(), role.name.as_str().into()),
            role_kind: role.kind,
            binding: at.clone(),
        };
        for subject in &subjects {
            let (table, key) = self.table_of(subject);
            table.entry(key).or_default().bucket(&at.0).push(grant.clone());
        }
        self.bindings.insert(at, subjects);
    }

    fn revoke(&mut self, subject: &Subject, binding: &ObjectName) {
        let (table, key) = self.table_of(subject);
        let Some(grants) = table.get_mut(&key) else { return };
        let bucket = grants.bucket(&binding.0);
        bucket.retain(|grant| grant.binding != *binding);
        if bucket.is_empty() {
            grants.by_namespace.remove(&binding.0);
        }
        if grants.is_empty() {
            table.remove(&key);
        }
    }

    fn table_of(&mut self, subject: &Subject) -> (&mut HashMap<Arc<str>, Grants>, Arc<str>) {
        match subject {
            Subject::User(name) => (&mut self.users, name.as_str().into()),
            Subject::Group(name) => (&mut self.groups, name.as_str().into()),
        }
    }

    /// Calls `found` with each grant that holds for `user` in `namespace` until it says true; returns that grant.
    fn visit(
        &self,
        user: &UserInfo,
        namespace: &str,
        mut found: impl FnMut(&Grant, &[PolicyRule]) -> bool,
    ) -> Option<&Grant> {
        let groups = user.groups.iter().filter_map(|group| self.groups.get(group.as_str()));
        let given: smallvec::SmallVec<[&Grants; 8]> =
            self.users.get(user.name.as_str()).into_iter().chain(groups).collect();
        let cluster = given.iter().flat_map(|grants| &grants.cluster);
        let local = given.iter().filter_map(|grants| grants.by_namespace.get(namespace)).flatten();
        cluster.chain(local).find(|grant| self.roles.get(&grant.role).is_some_and(|rules| found(grant, rules)))
    }
}

/// The rules of a role; one that cannot be read gives nothing.
pub(super) fn rules_of(role: &Object) -> Vec<PolicyRule> {
    let rules = role.get("rules").and_then(Value::as_array).into_iter().flatten();
    rules.filter_map(|rule| PolicyRule::deserialize(rule).ok()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Object {
        value.as_object().cloned().expect("tests build objects")
    }

    fn binding(namespace: &str, subjects: Value, kind: &str, role: &str) -> Object {
        object(
            json!({"metadata": {"namespace": namespace}, "subjects": subjects, "roleRef": {"kind": kind, "name": role}}),
        )
    }

    fn reader_role() -> Object {
        object(json!({"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]}))
    }

    fn may_get_pods(store: &RbacStore, user: &UserInfo, namespace: &str) -> bool {
        store.authorize(&Attributes::resource(user, "get", "", "pods").at(namespace, "p")).is_allowed()
    }

    #[test]
    fn a_role_binding_gives_a_cluster_role_in_its_namespace_only() {
        let store = RbacStore::default();
        let jane = UserInfo::new("jane", &[]);
        store.apply("clusterroles", "", "reader", Some(&reader_role()));
        let bound = binding("a", json!([{"kind": "User", "name": "jane"}]), "ClusterRole", "reader");
        store.apply("rolebindings", "a", "b", Some(&bound));
        assert!(may_get_pods(&store, &jane, "a"));
        assert!(!may_get_pods(&store, &jane, "b"));
        assert!(!may_get_pods(&store, &jane, ""));
        store.apply("rolebindings", "a", "b", None);
        assert!(!may_get_pods(&store, &jane, "a"));
    }

    #[test]
    fn a_cluster_binding_gives_its_role_everywhere_and_to_groups() {
        let store = RbacStore::default();
        let karl = UserInfo::new("karl", &["ops"]);
        let bound = binding("", json!([{"kind": "Group", "name": "ops"}]), "ClusterRole", "reader");
        store.apply("clusterrolebindings", "", "b", Some(&bound));
        assert!(!may_get_pods(&store, &karl, "a"), "the role does not exist yet");
        store.apply("clusterroles", "", "reader", Some(&reader_role()));
        assert!(may_get_pods(&store, &karl, "a") && may_get_pods(&store, &karl, ""));
        assert!(!may_get_pods(&store, &UserInfo::new("karl", &[]), "a"));
    }

    #[test]
    fn an_account_subject_without_namespace_is_one_of_the_bindings() {
        let store = RbacStore::default();
        store.apply("roles", "a", "reader", Some(&reader_role()));
        let bound = binding("a", json!([{"kind": "ServiceAccount", "name": "robot"}]), "Role", "reader");
        store.apply("rolebindings", "a", "b", Some(&bound));
        assert!(may_get_pods(&store, &UserInfo::new("system:serviceaccount:a:robot", &[]), "a"));
        assert!(!may_get_pods(&store, &UserInfo::new("system:serviceaccount:b:robot", &[]), "a"));
    }

    #[test]
    fn a_changed_binding_takes_back_what_it_gave() {
        let store = RbacStore::default();
        store.apply("roles", "a", "reader", Some(&reader_role()));
        for name in ["jane", "karl"] {
            let bound = binding("a", json!([{"kind": "User", "name": name}]), "Role", "reader");
            store.apply("rolebindings", "a", "b", Some(&bound));
        }
        assert!(!may_get_pods(&store, &UserInfo::new("jane", &[]), "a"));
        assert!(may_get_pods(&store, &UserInfo::new("karl", &[]), "a"));
    }
}
