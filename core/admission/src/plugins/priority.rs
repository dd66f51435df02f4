//! A pod's priority is the number of its class; the system's classes stay.

use std::sync::Arc;

use async_trait::async_trait;
use gantry_meta::{Object, ObjectView, Status, Value};

use crate::{Attributes, ClusterView, MutatingPlugin, Operation, tree};

const GROUP: &str = "scheduling.k8s.io";
const SYSTEM_CLASSES: &[&str] = &["system-node-critical", "system-cluster-critical"];

pub struct Priority {
    view: Arc<dyn ClusterView>,
}

/// What a class, or the absence of one, gives a pod.
struct Given {
    class: Option<String>,
    priority: i64,
    preemption: String,
}

impl Priority {
    pub fn new(view: Arc<dyn ClusterView>) -> Self {
        Self { view }
    }

    async fn given(&self, attributes: &Attributes<'_>, class: &str) -> Result<Given, Status> {
        if class.is_empty() {
            return self.default_class().await;
        }
        match self.view.get(GROUP, "priorityclasses", "", class).await? {
            Some(found) => Ok(Given { class: None, ..given_by(&found) }),
            None => Err(attributes.forbidden(format!("no PriorityClass with name {class} was found"))),
        }
    }

    /// The class marked `globalDefault` (of several the lowest), else priority 0.
    async fn default_class(&self) -> Result<Given, Status> {
        let classes = self.view.list(GROUP, "priorityclasses", "").await?;
        let defaults = classes.iter().filter(|c| c.get("globalDefault") == Some(&Value::Bool(true)));
        let chosen = defaults.map(given_by).min_by_key(|given| given.priority);
        Ok(chosen.unwrap_or(Given { class: None, priority: 0, preemption: "PreemptLowerPriority".into() }))
    }

    async fn admit_pod(&self, attributes: &Attributes<'_>, pod: &mut Object) -> Result<(), Status> {
        let spec = tree::object_mut(pod, "spec");
        let given = self.given(attributes, tree::text(spec, "priorityClassName")).await?;
        let stated = spec.get("priority").and_then(Value::as_i64);
        if stated.is_some_and(|stated| stated != given.priority) {
            let computed = given.priority;
            let why = format!("the integer value of priority must not be provided in pod spec; it is {computed}");
            return Err(attributes.forbidden(why));
        }
        let policy = spec.get("preemptionPolicy").and_then(Value::as_str);
        if policy.is_some_and(|policy| policy != given.preemption) {
            let computed = &given.preemption;
            let why =
                format!("the string value of PreemptionPolicy must not be provided in pod spec; it is {computed}");
            return Err(attributes.forbidden(why));
        }
        if let Some(class) = given.class {
            spec.insert("priorityClassName".into(), class.into());
        }
        spec.insert("priority".into(), given.priority.into());
        spec.insert("preemptionPolicy".into(), given.preemption.into());
        Ok(())
    }

    async fn admit_class(&self, attributes: &Attributes<'_>, class: &Object) -> Result<(), Status> {
        if class.get("globalDefault") != Some(&Value::Bool(true)) {
            return Ok(());
        }
        let classes = self.view.list(GROUP, "priorityclasses", "").await?;
        let other =
            classes.iter().find(|c| c.get("globalDefault") == Some(&Value::Bool(true)) && c.name() != attributes.name);
        match other {
            None => Ok(()),
            Some(other) => {
                let why = format!("PriorityClass {} is already marked as default; only one can be", other.name());
                Err(attributes.forbidden(why))
            }
        }
    }
}

fn given_by(class: &Object) -> Given {
    let preemption = class.get("preemptionPolicy").and_then(Value::as_str).unwrap_or("PreemptLowerPriority");
    Given {
        class: Some(class.name().to_owned()),
        priority: class.get("value").and_then(Value::as_i64).unwrap_or_default(),
        preemption: preemption.to_owned(),
    }
}

#[async_trait]
impl MutatingPlugin for Priority {
    fn name(&self) -> &'static str {
        "Priority"
    }

    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        match attributes.operation {
            Operation::Create | Operation::Update => {
                attributes.is("", "pods") || attributes.is(GROUP, "priorityclasses")
            }
            Operation::Delete => attributes.is(GROUP, "priorityclasses"),
            Operation::Connect => false,
        }
    }

    async fn admit(
        &self,
        attributes: &Attributes<'_>,
        object: Option<&mut Object>,
        old: Option<&Object>,
    ) -> Result<(), Status> {
        match (object, old) {
            (Some(pod), Some(old)) if attributes.is("", "pods") => {
                keep_given(pod, old);
                Ok(())
            }
            (Some(pod), None) if attributes.is("", "pods") => self.admit_pod(attributes, pod).await,
            (Some(class), _) => self.admit_class(attributes, class).await,
            (None, _) if SYSTEM_CLASSES.contains(&attributes.name) => {
                Err(attributes.forbidden("this is a system priority class and cannot be deleted"))
            }
            (None, _) => Ok(()),
        }
    }
}

/// An update that leaves out what was given here leaves it as it is.
fn keep_given(pod: &mut Object, old: &Object) {
    let spec = tree::object_mut(pod, "spec");
    for member in ["priority", "preemptionPolicy"] {
        let given = old.get("spec").and_then(|spec| spec.get(member)).filter(|given| !given.is_null());
        if let Some(given) = given.filter(|_| spec.get(member).is_none_or(Value::is_null)) {
            spec.insert(member.to_owned(), given.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use gantry_auth::UserInfo;
    use gantry_meta::GroupVersionResource;
    use serde_json::json;

    use super::*;
    use crate::plugins::testing::Stored;

    async fn updated(new: Value, old: Value) -> Value {
        let (resource, user) = (GroupVersionResource::new("", "v1", "pods"), UserInfo::loopback());
        let attributes = Attributes {
            operation: Operation::Update,
            resource: &resource,
            subresource: "",
            namespace: "ns",
            name: "p",
            user: &user,
            dry_run: false,
        };
        let [mut new, old] = [new, old].map(|spec| json!({ "spec": spec }).as_object().cloned().unwrap());
        let plugin = Priority::new(Arc::new(Stored::new("priorityclasses", &[])));
        assert!(plugin.handles(&attributes));
        plugin.admit(&attributes, Some(&mut new), Some(&old)).await.unwrap();
        new["spec"].clone()
    }

    #[tokio::test]
    async fn an_update_keeps_the_priority_that_it_leaves_out() {
        let old = json!({"priority": 7, "preemptionPolicy": "Never"});
        assert_eq!(updated(json!({"priority": null}), old.clone()).await, old);
        let other = json!({"priority": 8, "preemptionPolicy": "Never"});
        assert_eq!(updated(other.clone(), old).await, other, "what is stated is for validation to refuse");
    }
}
