//! One request on its way through its stages. Source: the API reference, `audit.k8s.io/v1 Event`.

use std::{net::IpAddr, sync::Arc};

use gantry_meta::{Object, Status, Value, time};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::{AuditLog, Level, policy::Chosen};
use crate::{Attributes, UserInfo};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Stage {
    RequestReceived,
    /// Of watches and streams: the answer has begun.
    ResponseStarted,
    ResponseComplete,
    Panic,
}

impl Stage {
    fn as_str(self) -> &'static str {
        match self {
            Self::RequestReceived => "RequestReceived",
            Self::ResponseStarted => "ResponseStarted",
            Self::ResponseComplete => "ResponseComplete",
            Self::Panic => "Panic",
        }
    }
}

/// What a request is known by besides what it asks.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    pub audit_id: &'a str,
    /// Path and query.
    pub uri: &'a str,
    pub user_agent: &'a str,
    pub address: Option<IpAddr>,
    /// Whom the user of the attributes acts as, if as somebody else.
    pub impersonated: Option<&'a UserInfo>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    Code(u16),
    Refused(&'a Status),
    /// Nobody waited for the answer any more.
    Abandoned,
}

/// A request that the policy chose. Nothing is written for a stage that the policy omits.
pub struct Entry {
    log: Arc<AuditLog>,
    chosen: Chosen,
    event: Object,
    annotations: Object,
}

impl Entry {
    /// `None`: the policy does not want this request. `attributes.user` is who proved their identity.
    pub fn begin(log: &Arc<AuditLog>, attributes: &Attributes<'_>, origin: &Origin<'_>) -> Option<Self> {
        let chosen = log.policy().choose(attributes)?;
        let mut event = Object::new();
        let mut put = |member: &str, value: Value| event.insert(member.to_owned(), value);
        put("kind", "Event".into());
        put("apiVersion", "audit.k8s.io/v1".into());
        put("level", chosen.level.as_str().into());
        put("auditID", origin.audit_id.into());
        put("requestURI", origin.uri.into());
        put("verb", attributes.verb.into());
        put("user", attributes.user.to_json());
        if let Some(user) = origin.impersonated {
            put("impersonatedUser", user.to_json());
        }
        put("sourceIPs", origin.address.iter().map(IpAddr::to_string).collect::<Vec<_>>().into());
        put("userAgent", origin.user_agent.into());
        if attributes.is_resource() {
            put("objectRef", Value::Object(reference(attributes)));
        }
        put("requestReceivedTimestamp", time::format_micro_time(Timestamp::now()).into());
        Some(Self { log: log.clone(), chosen, event, annotations: Object::new() })
    }

    pub fn level(&self) -> Level {
        self.chosen.level
    }

    /// Adds to `objectRef` what only the request's address knows.
    pub fn api_version(&mut self, version: &str) {
        if let Some(reference) = self.event.get_mut("objectRef").and_then(Value::as_object_mut) {
            reference.insert("apiVersion".into(), version.into());
        }
    }

    /// What was decided on the request, and why.
    pub fn decided(&mut self, allowed: bool, reason: &str) {
        let decision = if allowed { "allow" } else { "forbid" };
        self.annotations.insert("authorization.k8s.io/decision".into(), decision.into());
        self.annotations.insert("authorization.k8s.io/reason".into(), reason.into());
    }

    /// What was sent. It may name what the request's address does not: the object that is to be made. Its content is
    /// recorded only where the level asks for it.
    pub fn request_object(&mut self, object: Value) {
        self.complete_reference(&object);
        if self.level() >= Level::Request {
            self.put_object("requestObject", object);
        }
    }

    fn complete_reference(&mut self, object: &Value) {
        let Some(reference) = self.event.get_mut("objectRef").and_then(Value::as_object_mut) else { return };
        for member in ["namespace", "name", "uid", "resourceVersion"] {
            let known = object["metadata"][member].as_str().filter(|text| !text.is_empty());
            if let (Some(text), None) = (known, reference.get(member)) {
                reference.insert(member.to_owned(), text.into());
            }
        }
    }

    pub fn response_object(&mut self, object: Value) {
        self.put_object("responseObject", object);
    }

    fn put_object(&mut self, member: &str, mut object: Value) {
        if self.chosen.omit_managed_fields
            && let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut)
        {
            metadata.remove("managedFields");
        }
        self.event.insert(member.into(), object);
    }

    /// Writes the event of a stage.
    pub fn reach(&self, stage: Stage, outcome: Option<Outcome<'_>>) {
        if self.chosen.omit_stages.contains(&stage) {
            return;
        }
        let mut event = self.event.clone();
        event.insert("stage".into(), stage.as_str().into());
        event.insert("stageTimestamp".into(), time::format_micro_time(Timestamp::now()).into());
        if let Some(outcome) = outcome {
            event.insert("responseStatus".into(), response_status(outcome));
        }
        if !self.annotations.is_empty() {
            event.insert("annotations".into(), Value::Object(self.annotations.clone()));
        }
        self.log.record(&Value::Object(event));
    }
}

fn reference(attributes: &Attributes<'_>) -> Object {
    let members = [
        ("resource", attributes.resource),
        ("namespace", attributes.namespace),
        ("name", attributes.name),
        ("apiGroup", attributes.group),
        ("subresource", attributes.subresource),
    ];
    let set = members.into_iter().filter(|(_, text)| !text.is_empty());
    set.map(|(member, text)| (member.to_owned(), text.into())).collect()
}

fn response_status(outcome: Outcome<'_>) -> Value {
    match outcome {
        Outcome::Code(code) => json!({"metadata": {}, "code": code}),
        Outcome::Abandoned => json!({
            "metadata": {}, "status": "Failure",
            "message": "the client went away before the answer; what it asked for may have been done",
        }),
        Outcome::Refused(status) => json!({
            "metadata": {}, "status": "Failure", "message": status.message, "reason": status.reason, "code": status.code,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Policy;

    fn lines(path: &std::path::Path) -> Vec<Value> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn each_stage_is_a_line_with_as_much_as_the_level_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let rules = json!([{"level": "Request", "omitManagedFields": true}]);
        let policy = json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules});
        let log = Arc::new(AuditLog::open(Policy::from_json(policy).unwrap(), &path).unwrap());
        let (jane, root) = (UserInfo::new("jane", &["dev"]), UserInfo::new("root", &[]));
        let attributes = Attributes::resource(&root, "create", "", "configmaps").at("ns", "a");
        let origin = Origin {
            audit_id: "id-1",
            uri: "/api/v1/namespaces/ns/configmaps",
            user_agent: "kubectl",
            address: Some([10, 0, 0, 1].into()),
            impersonated: Some(&jane),
        };
        let mut entry = Entry::begin(&log, &attributes, &origin).unwrap();
        entry.reach(Stage::RequestReceived, None);
        entry.decided(true, "because");
        entry.request_object(json!({"metadata": {"name": "a", "managedFields": [{}]}}));
        entry.reach(Stage::ResponseComplete, Some(Outcome::Code(201)));
        drop((entry, log));
        let written = lines(&path);
        assert_eq!(written.len(), 2);
        assert_eq!(written[0]["stage"], "RequestReceived");
        assert_eq!(written[0]["responseStatus"], Value::Null);
        let last = &written[1];
        assert_eq!((&last["auditID"], &last["user"]["username"]), (&json!("id-1"), &json!("root")));
        assert_eq!(last["impersonatedUser"]["username"], "jane");
        assert_eq!(last["objectRef"], json!({"resource": "configmaps", "namespace": "ns", "name": "a"}));
        assert_eq!(last["requestObject"], json!({"metadata": {"name": "a"}}));
        assert_eq!(last["responseStatus"]["code"], 201);
        assert_eq!(last["annotations"]["authorization.k8s.io/decision"], "allow");
        assert_eq!(last["sourceIPs"], json!(["10.0.0.1"]));
    }
}
