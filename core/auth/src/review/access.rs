//! May somebody do something: SubjectAccessReview, its Local and its Self form.

use gantry_meta::{Cause, FieldPath, FieldSelector, LabelSelector, Object, Status, Value, names};
use serde_json::json;

use super::{AUTHORIZATION, answer};
use crate::{Attributes, Authorizer, Decision, UserFields, UserInfo};

/// Which of the three reviews is asked.
#[derive(Clone, Copy, Debug)]
pub enum ReviewKind<'a> {
    Subject,
    /// The namespace of the URL.
    Local(&'a str),
    /// The asker.
    SelfSubject(&'a UserInfo),
}

impl ReviewKind<'_> {
    fn kind(self) -> &'static str {
        match self {
            Self::Subject => "SubjectAccessReview",
            Self::Local(_) => "LocalSubjectAccessReview",
            Self::SelfSubject(_) => "SelfSubjectAccessReview",
        }
    }
}

type Causes = Vec<Cause>;

/// Answers an access review; 422 without `details.kind` for one that makes no sense.
pub fn access_review(
    mut body: Object,
    kind: ReviewKind<'_>,
    authorizer: &dyn Authorizer,
) -> Result<Object, Box<Status>> {
    let empty = Object::new();
    let spec = body.get("spec").and_then(Value::as_object).unwrap_or(&empty);
    let mut causes = judge_attributes(spec, kind);
    causes.extend(judge_metadata(&body, kind));
    let selectors = Selectors::read(spec, &mut causes);
    if !causes.is_empty() {
        return Err(Box::new(Status::invalid(AUTHORIZATION, "", "", causes)));
    }
    let user = match kind {
        ReviewKind::SelfSubject(user) => user.clone(),
        ReviewKind::Subject | ReviewKind::Local(_) => user_of(spec),
    };
    let decision = authorizer.explain(&attributes_of(spec, &user, &selectors));
    let metadata = match kind {
        ReviewKind::Local(namespace) => json!({ "namespace": namespace }),
        _ => json!({}),
    };
    Ok(answer(&mut body, kind.kind(), AUTHORIZATION, metadata, None, status_of(&decision)))
}

fn text<'a>(object: &'a Object, member: &str) -> &'a str {
    object.get(member).and_then(Value::as_str).unwrap_or_default()
}

fn part<'a>(spec: &'a Object, member: &str) -> Option<&'a Object> {
    spec.get(member).and_then(Value::as_object)
}

fn judge_attributes(spec: &Object, kind: ReviewKind<'_>) -> Causes {
    let mut causes = Causes::new();
    let mut invalid = |field: &str, why: &'static str| causes.push(Cause::invalid(&FieldPath::of(field), why));
    let (resource, path) = (part(spec, "resourceAttributes"), part(spec, "nonResourceAttributes"));
    match (resource, path) {
        (Some(_), Some(_)) => {
            invalid("spec.nonResourceAttributes", "cannot be specified in combination with resourceAttributes");
        }
        (None, None) => {
            invalid(
                "spec.resourceAttributes",
                "exactly one of nonResourceAttributes or resourceAttributes must be specified",
            );
        }
        _ => {}
    }
    if let ReviewKind::Local(namespace) = kind {
        if path.is_some() {
            invalid("spec.nonResourceAttributes", "disallowed on this kind of request");
        }
        if resource.is_some_and(|resource| text(resource, "namespace") != namespace) {
            invalid("spec.resourceAttributes.namespace", "must match the namespace of the request");
        }
    }
    let named =
        !text(spec, "user").is_empty() || spec.get("groups").and_then(Value::as_array).is_some_and(|g| !g.is_empty());
    if !named && !matches!(kind, ReviewKind::SelfSubject(_)) {
        invalid("spec.user", "at least one of user or group must be specified");
    }
    causes
}

/// A review is no object: it has no name and no labels.
fn judge_metadata(body: &Object, kind: ReviewKind<'_>) -> Option<Cause> {
    let metadata = body.get("metadata").and_then(Value::as_object)?;
    let allowed = |member: &str, value: &Value| match member {
        "managedFields" | "creationTimestamp" => true,
        "namespace" => matches!(kind, ReviewKind::Local(namespace) if value.as_str() == Some(namespace)),
        _ => value.is_null(),
    };
    let odd = metadata.iter().any(|(member, value)| !allowed(member, value));
    odd.then(|| Cause::invalid(&FieldPath::of("metadata"), "must be empty"))
}

fn user_of(spec: &Object) -> UserInfo {
    let words = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let extra = part(spec, "extra").into_iter().flatten();
    UserFields {
        name: text(spec, "user").to_owned(),
        uid: text(spec, "uid").to_owned(),
        groups: spec.get("groups").map(words).unwrap_or_default(),
        extra: extra.map(|(key, values)| (key.to_lowercase(), words(values))).collect(),
    }
    .into()
}

#[derive(Default)]
struct Selectors {
    fields: Option<FieldSelector>,
    labels: Option<LabelSelector>,
}

impl Selectors {
    /// Reads both selectors; raw and parsed form together are refused. What cannot be used narrows nothing and is dropped.
    fn read(spec: &Object, causes: &mut Causes) -> Self {
        let Some(resource) = part(spec, "resourceAttributes") else { return Self::default() };
        let mut texts = ["fieldSelector", "labelSelector"].map(|member| selector_text(resource, member, causes));
        Self {
            fields: texts[0].take().and_then(|text| FieldSelector::parse(&text).ok()),
            labels: texts[1].take().and_then(|text| LabelSelector::parse(&text).ok()),
        }
    }
}

fn selector_text(resource: &Object, member: &str, causes: &mut Causes) -> Option<String> {
    let selector = part(resource, member)?;
    let path = FieldPath::of("spec.resourceAttributes").field(member);
    let raw = text(selector, "rawSelector");
    let requirements = selector.get("requirements").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    match (raw.is_empty(), requirements.is_empty()) {
        (false, true) => return Some(raw.to_owned()),
        (false, false) => {
            causes.push(Cause::invalid(&path.field("rawSelector"), "may not be specified together with requirements"));
        }
        (true, true) => {
            causes.push(Cause::required(&path.field("requirements"), "requirements or rawSelector is required"));
        }
        (true, false) => {}
    }
    for (index, requirement) in requirements.iter().enumerate().filter_map(|(index, r)| Some((index, r.as_object()?))) {
        judge_requirement(requirement, &path.field("requirements").index(index), member == "labelSelector", causes);
    }
    let terms: Vec<String> =
        requirements.iter().filter_map(|r| requirement_text(r, member == "labelSelector")).collect();
    Some(terms.join(","))
}

/// A key, and values as the operator needs them. Operators that nobody here knows are let through, as newer clients may
/// know them.
fn judge_requirement(requirement: &Object, path: &FieldPath, label: bool, causes: &mut Causes) {
    let values = requirement.get("values").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let (key, at) = (text(requirement, "key"), path.field("values"));
    if !label && key.is_empty() {
        causes.push(Cause::required(&path.field("key"), "must be specified"));
    }
    match (text(requirement, "operator"), values.is_empty()) {
        ("In" | "NotIn", true) => causes.push(Cause::required(&at, "must be specified for In and NotIn")),
        ("Exists" | "DoesNotExist", false) => {
            causes.push(Cause::forbidden(&at, "may not be specified for Exists and DoesNotExist"));
        }
        _ => {}
    }
    if label {
        causes.extend(names::qualified_name(key).map(|why| Cause::invalid(&path.field("key"), why)));
        let texts = values.iter().map(|value| value.as_str().unwrap_or_default());
        let reasons = texts.enumerate().filter_map(|(index, value)| Some((index, names::label_value(value)?)));
        causes.extend(reasons.map(|(index, why)| Cause::invalid(&at.index(index), why)));
    }
}

/// One requirement in selector grammar. Field selectors know only equality with one value; more is dropped.
fn requirement_text(requirement: &Value, label: bool) -> Option<String> {
    let requirement = requirement.as_object()?;
    let key = text(requirement, "key");
    let values: Vec<&str> =
        requirement.get("values").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    match (text(requirement, "operator"), &*values) {
        ("In", [value]) => Some(format!("{key}={}", escaped(value, label))),
        ("NotIn", [value]) => Some(format!("{key}!={}", escaped(value, label))),
        ("In", values) if label => Some(format!("{key} in ({})", values.join(","))),
        ("NotIn", values) if label => Some(format!("{key} notin ({})", values.join(","))),
        ("Exists", _) if label => Some(key.to_owned()),
        ("DoesNotExist", _) if label => Some(format!("!{key}")),
        _ => None,
    }
}

fn escaped(value: &str, label: bool) -> String {
    if label { value.to_owned() } else { value.replace('\\', r"\\").replace(',', r"\,").replace('=', r"\=") }
}

fn attributes_of<'a>(spec: &'a Object, user: &'a UserInfo, selectors: &'a Selectors) -> Attributes<'a> {
    match part(spec, "resourceAttributes") {
        Some(resource) => {
            Attributes::resource(user, text(resource, "verb"), text(resource, "group"), text(resource, "resource"))
                .at(text(resource, "namespace"), text(resource, "name"))
                .subresource(text(resource, "subresource"))
                .selecting(selectors.fields.as_ref(), selectors.labels.as_ref())
        }
        None => {
            let path = part(spec, "nonResourceAttributes");
            let of = |member| path.map(|path| text(path, member)).unwrap_or_default();
            Attributes::path(user, of("verb"), of("path"))
        }
    }
}

fn status_of(decision: &Decision) -> Value {
    let mut status = json!({ "allowed": decision.is_allowed() });
    if matches!(decision, Decision::Deny(_)) {
        status["denied"] = true.into();
    }
    if !decision.reason().is_empty() {
        status["reason"] = decision.reason().into();
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccessStore, AuthorizerChain};

    fn ask(body: Value, kind: ReviewKind<'_>) -> Result<bool, String> {
        let chain = AuthorizerChain::new(std::sync::Arc::new(AccessStore::default()));
        let body = body.as_object().cloned().expect("an object");
        match access_review(body, kind, &chain) {
            Ok(answer) => Ok(answer["status"]["allowed"].as_bool().unwrap()),
            Err(status) => Err(status.details.unwrap().causes[0].field.clone()),
        }
    }

    #[test]
    fn a_review_needs_a_subject_and_one_kind_of_attributes() {
        let resource = json!({"verb": "get", "resource": "pods"});
        let path = json!({"verb": "get", "path": "/x"});
        for (spec, field) in [
            (json!({ "resourceAttributes": resource }), "spec.user"),
            (json!({"user": "jane"}), "spec.resourceAttributes"),
            (
                json!({"user": "jane", "resourceAttributes": resource, "nonResourceAttributes": path}),
                "spec.nonResourceAttributes",
            ),
        ] {
            assert_eq!(ask(json!({ "spec": spec }), ReviewKind::Subject), Err(field.into()));
        }
        let named = json!({"metadata": {"name": "n"}, "spec": {"user": "jane", "resourceAttributes": resource}});
        assert_eq!(ask(named, ReviewKind::Subject), Err("metadata".into()));
        assert_eq!(
            ask(json!({"spec": {"groups": ["a"], "resourceAttributes": resource}}), ReviewKind::Subject),
            Ok(false)
        );
        let elsewhere = json!({"spec": {"user": "jane", "resourceAttributes": {"namespace": "b", "verb": "get"}}});
        assert_eq!(ask(elsewhere, ReviewKind::Local("a")), Err("spec.resourceAttributes.namespace".into()));
        let master = UserInfo::new("root", &["system:masters"]);
        assert_eq!(ask(json!({"spec": {"nonResourceAttributes": path}}), ReviewKind::SelfSubject(&master)), Ok(true));
    }

    #[test]
    fn selectors_of_a_review_reach_the_authoriser() {
        let review = |selector: Value| {
            let attributes = json!({"verb": "list", "resource": "pods", "fieldSelector": selector});
            let spec = json!({"user": "system:node:n", "groups": ["system:nodes"], "resourceAttributes": attributes});
            ask(json!({ "spec": spec }), ReviewKind::Subject)
        };
        let requirement =
            |node| json!({"requirements": [{"key": "spec.nodeName", "operator": "In", "values": [node]}]});
        assert_eq!(review(requirement("n")), Ok(true));
        assert_eq!(review(requirement("other")), Ok(false));
        assert_eq!(review(json!({"rawSelector": "spec.nodeName=n"})), Ok(true));
        let both = json!({"rawSelector": "a=b", "requirements": [{"key": "a", "operator": "In", "values": ["b"]}]});
        assert_eq!(review(both), Err("spec.resourceAttributes.fieldSelector.rawSelector".into()));
        let valueless = json!({"requirements": [{"key": "a", "operator": "In"}]});
        assert_eq!(review(valueless), Err("spec.resourceAttributes.fieldSelector.requirements[0].values".into()));
    }
}
