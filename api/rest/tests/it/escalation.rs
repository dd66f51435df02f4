//! Nobody gives what they do not have, over the wire.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Api, TestServer};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles";
const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings";
const MERGE: &str = "application/merge-patch+json";

fn role(name: &str, groups: &[&str], resources: &[&str], verbs: &[&str]) -> Value {
    let rule = json!({"apiGroups": groups, "resources": resources, "verbs": verbs});
    json!({"metadata": {"name": name}, "rules": [rule]})
}

fn binding(name: &str, kind: &str, role: &str) -> Value {
    let subject = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"});
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role});
    json!({"metadata": {"name": name}, "roleRef": role, "subjects": [subject]})
}

/// Jane writes roles and bindings, reads leases, and has no more. `strong` gives secrets.
async fn jane(server: &TestServer) -> Api {
    let admin = server.admin_api();
    let all = ["get", "create", "update", "patch"];
    let of_roles = ["roles", "rolebindings", "clusterroles", "clusterrolebindings"];
    let mut own = role("writer", &["rbac.authorization.k8s.io"], &of_roles, &all);
    let leases = json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get"]});
    own["rules"].as_array_mut().unwrap().push(leases);
    let strong = role("strong", &[""], &["secrets"], &["*"]);
    for (path, body) in [
        (format!("{RBAC}/clusterroles"), own),
        (format!("{RBAC}/clusterroles"), strong.clone()),
        (ROLES.to_owned(), strong),
        (format!("{RBAC}/clusterrolebindings"), binding("jane", "ClusterRole", "writer")),
    ] {
        assert_eq!(admin.json(Method::POST, &path, &body).await.0, 201, "{body}");
    }
    let jane = server.api_as("jane");
    // Rights are learned from watches: hers, and those that she does not have.
    let refused = |status: Value| status["message"].as_str().is_some_and(|text| text.contains("attempting to grant"));
    while !refused(jane.json(Method::POST, BINDINGS, &binding("probe", "Role", "strong")).await.1) {
        tokio::task::yield_now().await;
    }
    jane
}

#[tokio::test]
async fn what_is_given_is_looked_at_before_the_rest_of_the_object() {
    let server = TestServer::memory().await;
    let jane = jane(&server).await;
    let mut bad = binding("new", "Role", "strong");
    bad["subjects"][0]["kind"] = "Robot".into();
    for (role, kind, code) in [("strong", "Role", 403), ("absent", "Role", 404), ("absent", "ClusterRole", 404)] {
        bad["roleRef"]["name"] = role.into();
        bad["roleRef"]["kind"] = kind.into();
        assert_eq!(jane.json(Method::POST, BINDINGS, &bad).await.0, code, "{kind} {role}");
    }
    let everywhere = binding("new", "Role", "strong");
    assert_eq!(jane.json(Method::POST, &format!("{RBAC}/clusterrolebindings"), &everywhere).await.0, 400);
    let weak = role("weak", &["coordination.k8s.io"], &["leases"], &["get"]);
    assert_eq!(jane.json(Method::POST, ROLES, &weak).await.0, 201);
    assert_eq!(jane.json(Method::POST, BINDINGS, &binding("fine", "ClusterRole", "writer")).await.0, 201);
}

#[tokio::test]
async fn a_strong_role_takes_no_label_from_who_does_not_have_its_rules() {
    let server = TestServer::memory().await;
    let jane = jane(&server).await;
    let strong = format!("{RBAC}/clusterroles/strong");
    let label = json!({"metadata": {"labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}}});
    assert_eq!(jane.patch(&strong, MERGE, &label).await.0, 403);
    let hold = json!({"metadata": {"finalizers": ["example.com/hold"]}});
    assert_eq!(jane.patch(&strong, MERGE, &hold).await.0, 200, "garbage collection may");
    let gathering = json!({"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}});
    assert_eq!(jane.patch(&format!("{RBAC}/clusterroles/writer"), MERGE, &gathering).await.0, 403);
    assert_eq!(server.admin_api().patch(&strong, MERGE, &label).await.0, 200);
}
