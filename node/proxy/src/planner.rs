//! Whoever knows what a service type means: in a running node, the plugins.

use async_trait::async_trait;
use gantry_plugin::rule_ir::RuleIr;

/// Services of one type, and the slices of their endpoints.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlanRequest {
    /// `spec.type`, as stored.
    pub service_type: String,
    /// The node to plan for.
    pub node: String,
    /// A JSON list of Services.
    pub services: Vec<u8>,
    /// A JSON list of EndpointSlices.
    pub slices: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// No plugin serves this type: its services get no rules.
    #[error("no plugin serves services of type {0:?}")]
    UnknownType(String),
    /// The services keep the rules they have; the plan is asked for again.
    #[error("services of type {service_type:?} cannot be planned: {message}")]
    Failed { service_type: String, message: String },
}

#[async_trait]
pub trait ServicePlanner: Send + Sync + 'static {
    /// The rules of the services that are given, and of no others. Pure: the same request has the same answer.
    async fn plan(&self, request: &PlanRequest) -> Result<RuleIr, PlanError>;
}
