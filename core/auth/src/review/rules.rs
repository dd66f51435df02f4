//! What may I do in this namespace.

use gantry_meta::{Object, Status, Value};
use serde_json::json;

use super::{AUTHORIZATION, answer};
use crate::{UserInfo, rbac::RbacStore};

/// `SelfSubjectRulesReview`: all rules that hold for `user` in the namespace that the body names (400 without one). The spec
/// comes back empty, as the reference gives it. For a node the list is incomplete: the graph is no list of rules.
pub fn self_subject_rules_review(mut body: Object, rbac: &RbacStore, user: &UserInfo) -> Result<Object, Box<Status>> {
    let namespace = body.get("spec").and_then(|spec| spec.get("namespace")).and_then(Value::as_str).unwrap_or_default();
    if namespace.is_empty() {
        return Err(Box::new(Status::bad_request("no namespace on request")));
    }
    let rules = rbac.rules_for(user, namespace);
    let (mut resources, mut paths) = (Vec::new(), Vec::new());
    for rule in &rules {
        if rule.non_resource_urls.is_empty() {
            resources.push(json!(rule));
        } else {
            paths.push(json!(rule));
        }
    }
    let mut status = json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false});
    if user.node_name().is_some() {
        status["incomplete"] = true.into();
        status["evaluationError"] = "node authorizer does not support user rule resolution".into();
    }
    Ok(answer(&mut body, "SelfSubjectRulesReview", AUTHORIZATION, json!({}), Some(json!({})), status))
}
