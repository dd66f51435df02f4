//! The budget's fields, and the status that follows from counts.

use std::collections::BTreeMap;

use gantry_plugin::Metadata;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::expected::Expected;
use crate::selector::Selector;

/// Source: API reference, policy/v1 PodDisruptionBudget.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Budget {
    pub metadata: Metadata,
    pub spec: BudgetSpec,
    pub status: Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BudgetSpec {
    /// `None` covers nothing, an empty one every pod of the namespace.
    pub selector: Option<Selector>,
    pub min_available: Value,
    pub max_unavailable: Value,
}

/// What was found of a budget's pods.
pub struct Counted {
    pub healthy: i64,
    pub expected: Expected,
}

/// Whether disruptions are allowed, with the reason.
struct Verdict<'a> {
    status: &'static str,
    reason: &'static str,
    message: &'a str,
}

impl Budget {
    pub fn covers(&self, labels: &BTreeMap<String, String>) -> bool {
        self.spec.selector.as_ref().is_some_and(|selector| selector.is_empty() || selector.matches(labels))
    }

    /// Evictions that were granted, by pod.
    pub fn disrupted_pods(&self) -> BTreeMap<String, Timestamp> {
        let granted = self.status.get("disruptedPods").and_then(Value::as_object);
        let parsed =
            granted.into_iter().flatten().filter_map(|(pod, at)| Some((pod.clone(), at.as_str()?.parse().ok()?)));
        parsed.collect()
    }

    pub fn status_of(&self, counted: &Counted, disrupted: &BTreeMap<String, Timestamp>, now: Timestamp) -> Value {
        let Counted { healthy, expected } = counted;
        let allowed = if expected.pods > 0 { (healthy - expected.desired_healthy).max(0) } else { 0 };
        let verdict = if allowed > 0 {
            Verdict { status: "True", reason: "SufficientPods", message: "" }
        } else {
            Verdict { status: "False", reason: "InsufficientPods", message: "" }
        };
        let mut status = json!({
            "observedGeneration": self.metadata.generation,
            "disruptionsAllowed": allowed,
            "currentHealthy": healthy,
            "desiredHealthy": expected.desired_healthy,
            "expectedPods": expected.pods,
            "conditions": self.conditions(&verdict, now),
        });
        if !disrupted.is_empty() {
            let times = disrupted.iter().map(|(pod, at)| (pod.clone(), seconds(*at).into()));
            status["disruptedPods"] = Value::Object(times.collect());
        }
        status
    }

    /// Nobody knows how many pods there should be: nothing is allowed, the rest stays.
    pub fn failed_status(&self, why: &str, now: Timestamp) -> Value {
        let verdict = Verdict { status: "False", reason: "SyncFailed", message: why };
        let mut status = if self.status.is_object() { self.status.clone() } else { json!({}) };
        for count in ["currentHealthy", "desiredHealthy", "expectedPods"] {
            if status.get(count).is_none() {
                status[count] = 0.into();
            }
        }
        status["disruptionsAllowed"] = 0.into();
        status["conditions"] = self.conditions(&verdict, now);
        status
    }

    fn conditions(&self, verdict: &Verdict<'_>, now: Timestamp) -> Value {
        const KIND: &str = "DisruptionAllowed";
        let before = self.status.get("conditions").and_then(Value::as_array);
        let old = before.into_iter().flatten().find(|condition| condition["type"] == KIND);
        let unmoved = old.filter(|old| old["status"] == verdict.status).map(|old| old["lastTransitionTime"].clone());
        let mut conditions: Vec<Value> =
            before.into_iter().flatten().filter(|condition| condition["type"] != KIND).cloned().collect();
        conditions.push(json!({
            "type": KIND,
            "status": verdict.status,
            "observedGeneration": self.metadata.generation,
            "lastTransitionTime": unmoved.unwrap_or_else(|| seconds(now).into()),
            "reason": verdict.reason,
            "message": verdict.message,
        }));
        conditions.into()
    }
}

fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
