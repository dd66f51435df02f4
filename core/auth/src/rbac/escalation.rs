//! Nobody may give what they do not have: checks on writes of roles and bindings.

use gantry_meta::{Object, ObjectView, Status};

use super::{GROUP, PolicyRule, RbacStore, RoleRef, aggregation::is_aggregated, store::rules_of, uncovered};
use crate::{Attributes, Authorizer, UserInfo};

/// A role about to be written. `resource` is `roles` or `clusterroles`.
#[derive(Clone, Copy, Debug)]
pub struct RoleWrite<'a> {
    pub resource: &'a str,
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

/// Refuses (403) a role that gives more than its writer has in that namespace, unless they have the verb `escalate` on it.
/// A change that leaves rules and aggregation alone passes.
pub fn check_role_write(
    authorizer: &dyn Authorizer,
    store: &RbacStore,
    user: &UserInfo,
    write: RoleWrite<'_>,
) -> Result<(), Box<Status>> {
    let unchanged =
        write.old.is_some_and(|old| same(old, write.new, "rules") && same(old, write.new, "aggregationRule"));
    if user.is_master() || unchanged || may(authorizer, user, "escalate", write.resource, write.new) {
        return Ok(());
    }
    let mut wanted = rules_of(write.new);
    if is_aggregated(write.new) {
        wanted.extend(full_authority());
    }
    refuse_uncovered(store, user, write.resource, write.new, &wanted)
}

/// Refuses (403) a binding of a role that gives more than its writer has, unless they have the verb `bind` on the role. A
/// role that is missing is 404 for those without `bind`, with the
/// binding's resource in its details, as the reference has it. Any change of the binding counts, even of a label.
pub fn check_binding_write(
    authorizer: &dyn Authorizer,
    store: &RbacStore,
    user: &UserInfo,
    write: BindingWrite<'_>,
) -> Result<(), Box<Status>> {
    if user.is_master() || write.old.is_some_and(|old| old == write.new) {
        return Ok(());
    }
    let Some(role) = RoleRef::of(write.new) else { return Ok(()) };
    let namespace = write.new.namespace();
    let bind = Attributes::resource(user, "bind", GROUP, role.resource()).at(namespace, &role.name);
    if authorizer.authorize(&bind).is_allowed() {
        return Ok(());
    }
    let rules = store.role_rules(&role, namespace);
    let rules = rules.ok_or_else(|| Box::new(Status::not_found(GROUP, write.resource, &role.name)))?;
    refuse_uncovered(store, user, write.resource, write.new, &rules)
}

fn same(old: &Object, new: &Object, member: &str) -> bool {
    let present = |object: &Object| object.get(member).filter(|value| !value.is_null()).cloned();
    present(old) == present(new)
}

fn may(authorizer: &dyn Authorizer, user: &UserInfo, verb: &str, resource: &str, object: &Object) -> bool {
    let attributes = Attributes::resource(user, verb, GROUP, resource).at(object.namespace(), object.name());
    authorizer.authorize(&attributes).is_allowed()
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
        object(json!({"metadata": {"name": "new", "namespace": "ns"}, "roleRef": {"kind": "Role", "name": role}}))
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
        RoleWrite { resource: "roles", new, old }
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
    fn a_label_on_a_strong_role_is_no_escalation_but_one_on_a_binding_is() {
        let (store, jane) = (store(), UserInfo::new("jane", &[]));
        let old = role("strong", &["delete"]);
        let mut labelled = old.clone();
        labelled.metadata_mut().insert("labels".into(), json!({"a": "b"}));
        assert!(check_role_write(&store, &store, &jane, write(&labelled, Some(&old))).is_ok());
        let old = binding("strong");
        let mut labelled = old.clone();
        labelled.metadata_mut().insert("labels".into(), json!({"a": "b"}));
        let write = BindingWrite { resource: "rolebindings", new: &labelled, old: Some(&old) };
        assert_eq!(check_binding_write(&store, &store, &jane, write).unwrap_err().code, 403);
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
        sum.insert("aggregationRule".into(), json!({"clusterRoleSelectors": []}));
        assert!(check_role_write(&store, &store, &jane, write(&sum, None)).is_err());
    }
}
