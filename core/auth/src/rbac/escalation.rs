//! Nobody may give what they do not have: checks on writes of roles and bindings.

use gantry_meta::{Object, ObjectView, Status, Value};

use super::{GROUP, PolicyRule, RbacStore, RoleRef, store::rules_of, uncovered};
use crate::{Attributes, Authorizer, UserInfo};

/// A role about to be written. `resource` is `roles` or `clusterroles`.
#[derive(Clone, Copy, Debug)]
pub struct RoleWrite<'a> {
    pub resource: &'a str,
    /// The name that the request's URL has; empty where it is a collection.
    pub named: &'a str,
    pub new: &'a Object,
    /// `None` on create.
    pub old: Option<&'a Object>,
}

/// A binding about to be written. `resource` is `rolebindings` or `clusterrolebindings`.
#[derive(Clone, Copy, Debug)]
pub struct BindingWrite<'a> {
    pub resource: &'a str,
    pub new: &'a Object,
    pub old: Option<&'a Object>,
}

/// Refuses (403) a role that gives more than its writer has in that namespace, unless they have the verb `escalate` on the URL's
/// role. Any change counts, even of a label, by which an aggregated role would take it in; only what garbage collection changes
/// does not.
pub fn check_role_write(
    authorizer: &dyn Authorizer,
    store: &RbacStore,
    user: &UserInfo,
    write: RoleWrite<'_>,
) -> Result<(), Box<Status>> {
    let for_collection = write.old.is_some_and(|old| is_same_but_for_collection(old, write.new));
    if user.is_master() || for_collection || may_escalate(authorizer, user, write) {
        return Ok(());
    }
    let mut wanted = rules_of(write.new);
    if gathers(write.new) || write.old.is_some_and(gathers) {
        wanted.extend(full_authority());
    }
    refuse_uncovered(store, user, write.resource, write.new, &wanted)
}

/// Refuses (403) a binding of a role that gives more than its writer has, unless they have the verb `bind` on the role. A
/// role that is missing is 404 for those without `bind`, with the binding's resource in its details, as the reference has it;
/// a role of a namespace in a binding that has none is 400. Any change counts as it does for roles.
pub fn check_binding_write(
    authorizer: &dyn Authorizer,
    store: &RbacStore,
    user: &UserInfo,
    write: BindingWrite<'_>,
) -> Result<(), Box<Status>> {
    if user.is_master() || write.old.is_some_and(|old| is_same_but_for_collection(old, write.new)) {
        return Ok(());
    }
    let Some(role) = RoleRef::of(write.new) else { return Ok(()) };
    let namespace = write.new.namespace();
    let group = write.new.get("roleRef").and_then(|role| role.get("apiGroup")?.as_str()).unwrap_or_default();
    let bind = Attributes::resource(user, "bind", group, role.resource()).at(namespace, &role.name);
    if authorizer.authorize(&bind).is_allowed() {
        return Ok(());
    }
    if namespace.is_empty() && role.resource() == "roles" {
        return Err(Box::new(Status::bad_request("a role of a namespace cannot be bound in the whole cluster")));
    }
    let rules = store.role_rules(&role, namespace);
    let rules = rules.ok_or_else(|| Box::new(Status::not_found(GROUP, write.resource, &role.name)))?;
    refuse_uncovered(store, user, write.resource, write.new, &rules)
}

/// Whether nothing differs but what garbage collection sets and removes, and the record of who did.
fn is_same_but_for_collection(old: &Object, new: &Object) -> bool {
    const COLLECTION: [&str; 4] = ["finalizers", "ownerReferences", "selfLink", "managedFields"];
    let is_part = |(name, value): &(&String, &Value)| *name != "metadata" && !is_nothing(value);
    let parts = |object: &Object| -> Vec<(String, Value)> {
        let nothing = Object::new();
        let metadata = object.metadata().unwrap_or(&nothing).iter();
        let metadata = metadata.filter(|(name, value)| !COLLECTION.contains(&name.as_str()) && !is_nothing(value));
        let mut parts: Vec<_> =
            metadata.chain(object.iter().filter(is_part)).map(|(n, v)| (n.clone(), v.clone())).collect();
        parts.sort_by(|a, b| a.0.cmp(&b.0));
        parts
    };
    parts(old) == parts(new)
}

/// An empty list or map says what an absent one says.
fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Object::is_empty)
}

fn may_escalate(authorizer: &dyn Authorizer, user: &UserInfo, write: RoleWrite<'_>) -> bool {
    let attributes =
        Attributes::resource(user, "escalate", GROUP, write.resource).at(write.new.namespace(), write.named);
    authorizer.authorize(&attributes).is_allowed()
}

/// Whether a role takes in the rules of others.
fn gathers(role: &Object) -> bool {
    let selectors = role.get("aggregationRule").and_then(|rule| rule.get("clusterRoleSelectors")?.as_array());
    selectors.is_some_and(|selectors| !selectors.is_empty())
}

/// Who writes an aggregated role may put anything into it later, through others.
fn full_authority() -> [PolicyRule; 2] {
    let paths = PolicyRule { verbs: vec!["*".into()], non_resource_urls: vec!["*".into()], ..PolicyRule::default() };
    [PolicyRule::on(&["*"], &["*"], &["*"]), paths]
}

fn refuse_uncovered(
    store: &RbacStore,
    user: &UserInfo,
    resource: &str,
    object: &Object,
    wanted: &[PolicyRule],
) -> Result<(), Box<Status>> {
    let missing = uncovered(&store.rules_for(user, object.namespace()), wanted);
    if missing.is_empty() {
        return Ok(());
    }
    let shown: Vec<String> = missing.iter().take(20).map(describe).collect();
    let what = format!(
        "is forbidden: user {:?} is attempting to grant permissions not currently held: {}",
        user.name,
        shown.join("; ")
    );
    Err(Box::new(Status::about(gantry_meta::Reason::Forbidden, GROUP, resource, object.name(), &what)))
}

fn describe(rule: &PolicyRule) -> String {
    if rule.non_resource_urls.is_empty() {
        let names = if rule.resource_names.is_empty() { String::new() } else { format!(" {:?}", rule.resource_names) };
        format!(
            "{} {} in API group {:?}{names}",
            rule.verbs.join(","),
            rule.resources.join(","),
            rule.api_groups.join(",")
        )
    } else {
        format!("{} {}", rule.verbs.join(","), rule.non_resource_urls.join(","))
    }
}

#[cfg(test)]
mod tests {
    use gantry_meta::Value;
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Object {
        value.as_object().cloned().expect("an object")
    }

    fn role(name: &str, verbs: &[&str]) -> Object {
        object(json!({"metadata": {"name": name, "namespace": "ns"},
            "rules": [{"verbs": verbs, "apiGroups": [""], "resources": ["pods"]}]}))
    }

    fn binding(role: &str) -> Object {
        object(
            json!({"metadata": {"name": "new", "namespace": "ns"}, "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": role}}),
        )
    }

    /// Jane may get and list pods in `ns`.
    fn store() -> RbacStore {
        let store = RbacStore::default();
        store.apply("roles", "ns", "own", Some(&role("own", &["get", "list"])));
        store.apply("roles", "ns", "strong", Some(&role("strong", &["delete"])));
        let bound = object(json!({"metadata": {"namespace": "ns"}, "subjects": [{"kind": "User", "name": "jane"}],
            "roleRef": {"kind": "Role", "name": "own"}}));
        store.apply("rolebindings", "ns", "own", Some(&bound));
        store
    }

    fn write<'a>(new: &'a Object, old: Option<&'a Object>) -> RoleWrite<'a> {
        RoleWrite { resource: "roles", named: "", new, old }
    }

    #[test]
    fn a_role_may_not_give_more_than_its_writer_has() {
        let (store, jane) = (store(), UserInfo::new("jane", &[]));
        assert!(check_role_write(&store, &store, &jane, write(&role("fine", &["get"]), None)).is_ok());
        let refused =
            check_role_write(&store, &store, &jane, write(&role("more", &["get", "delete"]), None)).unwrap_err();
        let details = refused.details.unwrap();
        assert_eq!((refused.code, &*details.kind, &*details.name), (403, "roles", "more"));
        assert!(check_role_write(&store, &store, &jane, write(&role("star", &["*"]), None)).is_err());
        let masters = UserInfo::new("root", &[crate::user::GROUP_MASTERS]);
        assert!(check_role_write(&store, &store, &masters, write(&role("star", &["*"]), None)).is_ok());
    }

    #[test]
    fn any_change_of_a_strong_role_or_binding_counts_but_that_of_garbage_collection() {
        let (store, jane) = (store(), UserInfo::new("jane", &[]));
        let allowed = |old: &Object, member: &str, value: Value| {
            let mut new = old.clone();
            new.metadata_mut().insert(member.into(), value);
            let binding = BindingWrite { resource: "rolebindings", new: &new, old: Some(old) };
            let as_role = check_role_write(&store, &store, &jane, write(&new, Some(old)));
            let as_binding = check_binding_write(&store, &store, &jane, binding);
            if old.contains_key("rules") { as_role.is_ok() } else { as_binding.is_ok() }
        };
        for old in [role("strong", &["delete"]), binding("strong")] {
            assert!(!allowed(&old, "labels", json!({"rbac.example.com/aggregate-to-all": "true"})));
            assert!(allowed(&old, "labels", json!({})), "an empty map says nothing");
            assert!(allowed(&old, "finalizers", json!(["example.com/hold"])));
            assert!(allowed(&old, "ownerReferences", json!([{"kind": "ConfigMap", "name": "o", "uid": "u"}])));
        }
    }

    #[test]
    fn the_verb_escalate_counts_for_the_name_in_the_url() {
        let (store, jane) = (store(), UserInfo::new("jane", &[]));
        let escalate = object(json!({"metadata": {"namespace": "ns", "name": "own"}, "rules": [
            {"verbs": ["escalate"], "apiGroups": [GROUP], "resources": ["roles"], "resourceNames": ["strong"]}]}));
        store.apply("roles", "ns", "own", Some(&escalate));
        let strong = role("strong", &["delete"]);
        let named = RoleWrite { named: "strong", ..write(&strong, None) };
        assert!(check_role_write(&store, &store, &jane, named).is_ok());
        assert!(check_role_write(&store, &store, &jane, write(&strong, None)).is_err(), "a collection has no name");
    }

    #[test]
    fn a_role_of_a_namespace_is_not_bound_in_the_whole_cluster() {
        let (store, jane) = (store(), UserInfo::new("jane", &[]));
        let mut everywhere = binding("own");
        everywhere.metadata_mut().remove("namespace");
        let write = BindingWrite { resource: "clusterrolebindings", new: &everywhere, old: None };
        assert_eq!(check_binding_write(&store, &store, &jane, write).unwrap_err().code, 400);
    }

    #[test]
    fn binding_needs_the_rules_or_the_verb_bind() {
        let (store, jane) = (store(), UserInfo::new("jane", &[]));
        let check = |role: &str| {
            let new = binding(role);
            check_binding_write(&store, &store, &jane, BindingWrite { resource: "rolebindings", new: &new, old: None })
        };
        assert!(check("own").is_ok());
        assert_eq!(check("strong").unwrap_err().code, 403);
        assert_eq!(check("absent").unwrap_err().code, 404);
        let bind = object(json!({"metadata": {"namespace": "ns", "name": "own"}, "rules": [
            {"verbs": ["bind"], "apiGroups": [GROUP], "resources": ["roles"], "resourceNames": ["strong"]}]}));
        store.apply("roles", "ns", "own", Some(&bind));
        assert!(check("strong").is_ok());
    }

    #[test]
    fn an_aggregated_role_needs_full_authority() {
        let (store, jane) = (store(), UserInfo::new("jane", &[]));
        let mut sum = role("sum", &["get"]);
        let plain = sum.clone();
        sum.insert("aggregationRule".into(), json!({"clusterRoleSelectors": []}));
        assert!(check_role_write(&store, &store, &jane, write(&sum, None)).is_ok(), "it takes in nothing");
        sum.insert("aggregationRule".into(), json!({"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}));
        assert!(check_role_write(&store, &store, &jane, write(&sum, None)).is_err());
        assert!(check_role_write(&store, &store, &jane, write(&plain, Some(&sum))).is_err(), "nor may it end");
    }
}
