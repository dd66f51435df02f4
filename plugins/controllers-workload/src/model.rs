//! The fields that the workload controllers decide by. Source: API reference, apps/v1 and core/v1.

use std::collections::BTreeMap;

use gantry_plugin::Metadata;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::selector::Selector;

pub const REVISION: &str = "deployment.kubernetes.io/revision";
pub const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
pub const DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
pub const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";
pub const POD_TEMPLATE_HASH: &str = "pod-template-hash";
pub const POD_DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pod {
    pub metadata: Metadata,
    pub spec: PodSpec,
    pub status: PodStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    pub node_name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    pub phase: String,
    pub conditions: Vec<PodCondition>,
    pub container_statuses: Vec<ContainerStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodCondition {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
    pub last_transition_time: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerStatus {
    pub restart_count: i64,
}

impl Pod {
    pub fn is_finished(&self) -> bool {
        matches!(self.status.phase.as_str(), "Succeeded" | "Failed")
    }

    /// Neither finished nor on its way out.
    pub fn is_active(&self) -> bool {
        !self.is_finished() && !self.metadata.is_terminating()
    }

    /// Since when the pod is Ready.
    pub fn ready_since(&self) -> Option<Timestamp> {
        let ready = self.status.conditions.iter().find(|c| c.kind == "Ready" && c.status == "True")?;
        Some(ready.last_transition_time.unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// From when on the pod counts as available, if it stays Ready.
    pub fn available_from(&self, min_ready_seconds: i64) -> Option<Timestamp> {
        let since = self.ready_since()?;
        Some(since.checked_add(jiff::SignedDuration::from_secs(min_ready_seconds)).unwrap_or(Timestamp::MAX))
    }

    pub fn restarts(&self) -> i64 {
        self.status.container_statuses.iter().map(|c| c.restart_count).sum()
    }
}

/// A condition of a workload's status. `lastUpdateTime` is a Deployment's alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_update_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Timestamp>,
    pub reason: String,
    pub message: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaSet {
    pub metadata: Metadata,
    pub spec: ReplicaSetSpec,
    pub status: ReplicaSetStatus,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaSetSpec {
    pub replicas: i64,
    pub min_ready_seconds: i64,
    pub selector: Selector,
    pub template: Value,
}

impl Default for ReplicaSetSpec {
    fn default() -> Self {
        Self { replicas: 1, min_ready_seconds: 0, selector: Selector::default(), template: Value::Null }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaSetStatus {
    pub replicas: i64,
    pub fully_labeled_replicas: i64,
    pub ready_replicas: i64,
    pub available_replicas: i64,
    pub terminating_replicas: Option<i64>,
    pub observed_generation: i64,
    pub conditions: Vec<Condition>,
}

/// What a ReplicaSet was before: its selector is of labels alone.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicationController {
    pub metadata: Metadata,
    pub spec: ReplicationControllerSpec,
    pub status: ReplicaSetStatus,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicationControllerSpec {
    pub replicas: i64,
    pub min_ready_seconds: i64,
    pub selector: BTreeMap<String, String>,
    pub template: Value,
}

impl Default for ReplicationControllerSpec {
    fn default() -> Self {
        Self { replicas: 1, min_ready_seconds: 0, selector: BTreeMap::new(), template: Value::Null }
    }
}

impl From<ReplicationController> for ReplicaSet {
    fn from(controller: ReplicationController) -> Self {
        let ReplicationControllerSpec { replicas, min_ready_seconds, selector, template } = controller.spec;
        let selector = Selector { match_labels: selector, ..Selector::default() };
        let spec = ReplicaSetSpec { replicas, min_ready_seconds, selector, template };
        Self { metadata: controller.metadata, spec, status: controller.status }
    }
}

impl ReplicaSet {
    pub fn annotation(&self, name: &str) -> Option<i64> {
        self.metadata.annotations.get(name)?.parse().ok()
    }

    pub fn revision(&self) -> i64 {
        self.annotation(REVISION).unwrap_or(0)
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Deployment {
    pub metadata: Metadata,
    pub spec: DeploymentSpec,
    pub status: DeploymentStatus,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentSpec {
    pub replicas: i64,
    pub selector: Selector,
    pub template: Value,
    pub strategy: Strategy,
    pub min_ready_seconds: i64,
    pub revision_history_limit: Option<i64>,
    pub paused: bool,
    pub progress_deadline_seconds: Option<i64>,
}

impl Default for DeploymentSpec {
    fn default() -> Self {
        Self {
            replicas: 1,
            selector: Selector::default(),
            template: Value::Null,
            strategy: Strategy::default(),
            min_ready_seconds: 0,
            revision_history_limit: None,
            paused: false,
            progress_deadline_seconds: None,
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Strategy {
    #[serde(rename = "type")]
    pub kind: String,
    pub rolling_update: Option<RollingUpdate>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RollingUpdate {
    pub max_surge: Value,
    pub max_unavailable: Value,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentStatus {
    pub observed_generation: i64,
    pub replicas: i64,
    pub updated_replicas: i64,
    pub ready_replicas: i64,
    pub available_replicas: i64,
    pub unavailable_replicas: i64,
    pub terminating_replicas: Option<i64>,
    pub collision_count: Option<i64>,
    pub conditions: Vec<Condition>,
}

/// Rounding of a percentage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Round {
    Up,
    Down,
}

/// An int-or-percent of `total`; anything else is 0.
pub fn resolve(value: &Value, total: i64, round: Round) -> i64 {
    if let Some(number) = value.as_i64() {
        return number;
    }
    let percent = value.as_str().and_then(|t| t.strip_suffix('%')).and_then(|t| t.parse::<i64>().ok());
    let scaled = percent.unwrap_or(0).saturating_mul(total);
    match round {
        Round::Up => scaled.saturating_add(99).div_euclid(100),
        Round::Down => scaled.div_euclid(100),
    }
}

impl Deployment {
    pub fn is_rolling(&self) -> bool {
        self.spec.strategy.kind != "Recreate"
    }

    /// Pods above `replicas` that may exist during a rolling update.
    pub fn max_surge(&self) -> i64 {
        match (&self.spec.strategy.rolling_update, self.is_rolling()) {
            (Some(rolling), true) => resolve(&rolling.max_surge, self.spec.replicas, Round::Up),
            _ => 0,
        }
    }

    /// Pods below `replicas` that may be unavailable during a rolling update. Where surge and this are both 0, 1.
    pub fn max_unavailable(&self) -> i64 {
        let replicas = self.spec.replicas;
        match (&self.spec.strategy.rolling_update, self.is_rolling()) {
            (Some(rolling), true) if replicas > 0 => {
                let unavailable = resolve(&rolling.max_unavailable, replicas, Round::Down);
                if unavailable == 0 && self.max_surge() == 0 { 1 } else { unavailable.min(replicas) }
            }
            _ => 0,
        }
    }

    /// `None`: the deployment has no deadline.
    pub fn progress_deadline(&self) -> Option<i64> {
        self.spec.progress_deadline_seconds.filter(|s| *s != i64::from(i32::MAX))
    }
}

/// Labels of a pod template.
pub fn template_labels(template: &Value) -> BTreeMap<String, String> {
    let labels = template.pointer("/metadata/labels").and_then(Value::as_object);
    labels.into_iter().flatten().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(replicas: i64, surge: Value, unavailable: Value) -> Deployment {
        serde_json::from_value(json!({"spec": {"replicas": replicas, "strategy": {"type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}}}))
        .unwrap()
    }

    #[test]
    fn surge_rounds_up_and_unavailable_down() {
        let d = deployment(10, json!("25%"), json!("25%"));
        assert_eq!((d.max_surge(), d.max_unavailable()), (3, 2));
        let d = deployment(3, json!(1), json!(0));
        assert_eq!((d.max_surge(), d.max_unavailable()), (1, 0));
    }

    #[test]
    fn a_rollout_can_always_move() {
        let d = deployment(1, json!(0), json!("25%"));
        assert_eq!((d.max_surge(), d.max_unavailable()), (0, 1));
    }
}
