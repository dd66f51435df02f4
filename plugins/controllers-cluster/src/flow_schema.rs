//! Whether the priority level that a flow schema names is there: the condition `Dangling` says so.

use gantry_plugin::{
    Controller, Cx, Event, Failure, HostRef, Key, Metadata, NoConfig, Ops, Outcome, Plugin, Query, Reader, Resource,
    Watch,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

const GROUP: &str = "flowcontrol.apiserver.k8s.io";
pub const FLOW_SCHEMAS: Resource<'static> = Resource::new(GROUP, "v1", "flowschemas", "FlowSchema");
pub const PRIORITY_LEVELS: Resource<'static> =
    Resource::new(GROUP, "v1", "prioritylevelconfigurations", "PriorityLevelConfiguration");

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct FlowSchema {
    metadata: Metadata,
    spec: Spec,
    status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    priority_level_configuration: Reference,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Reference {
    name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    conditions: Vec<Condition>,
}

/// Source: API reference, FlowSchemaCondition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    last_transition_time: Option<Timestamp>,
    reason: String,
    message: String,
}

impl FlowSchema {
    fn dangling(&self, there: bool, now: Timestamp) -> Condition {
        let name = &self.spec.priority_level_configuration.name;
        let (status, reason, end) = match there {
            true => ("False", "Found", "and it exists"),
            false => ("True", "NotFound", "but there is no such object"),
        };
        let before = self.status.conditions.iter().find(|c| c.kind == "Dangling" && c.status == status);
        Condition {
            kind: "Dangling".into(),
            status: status.into(),
            last_transition_time: before.and_then(|c| c.last_transition_time).or(Some(now)),
            reason: reason.into(),
            message: format!("This FlowSchema references the PriorityLevelConfiguration object named {name:?} {end}"),
        }
    }
}

/// Upstream does this within its API server, under no account.
pub struct FlowSchemaController;

impl Plugin for FlowSchemaController {
    const ID: &'static str = "flow-schema-controller";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = NoConfig;

    fn new(_: HostRef<'_>, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
}

impl Controller for FlowSchemaController {
    const WATCHES: &'static [Watch] = &[Watch::primary(FLOW_SCHEMAS), Watch::mapped(PRIORITY_LEVELS).metadata_only()];

    /// A level that comes or goes concerns those that name it.
    fn map(&self, _: &Cx<'_>, event: &Event<'_>, read: &Reader<'_>) -> Result<Vec<Key>, Failure> {
        let (Some(level), true) = (event.old.or(event.new), event.old.is_some() != event.new.is_some()) else {
            return Ok(Vec::new());
        };
        let all = read.list::<FlowSchema>(&Query::all(&FLOW_SCHEMAS))?;
        let naming = all.iter().filter(|schema| schema.spec.priority_level_configuration.name == level.name);
        Ok(naming.map(|schema| Key::of("", &schema.metadata.name)).collect())
    }

    fn reconcile(&self, cx: &Cx<'_>, key: &Key, read: &Reader<'_>, ops: &mut Ops) -> Result<Outcome, Failure> {
        let Some(schema) = read.get::<FlowSchema>(&FLOW_SCHEMAS, "", &key.name)? else { return Ok(Outcome::Done) };
        let there = read.find(&PRIORITY_LEVELS, "", &schema.spec.priority_level_configuration.name)?.is_some();
        let condition = schema.dangling(there, cx.now());
        if schema.status.conditions.contains(&condition) {
            return Ok(Outcome::Done);
        }
        let mut conditions = schema.status.conditions;
        conditions.retain(|c| c.kind != condition.kind);
        conditions.push(condition);
        let meta = &schema.metadata;
        let patch =
            json!({"metadata": {"resourceVersion": meta.resource_version}, "status": {"conditions": conditions}});
        ops.patch_status(&FLOW_SCHEMAS, "", &meta.name, &patch).ignore_not_found().done();
        Ok(Outcome::Done)
    }
}
