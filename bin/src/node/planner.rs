//! Rules of services from the plugins of their types.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use gantry_plugin::rule_ir::RuleIr;
use gantry_plugin_host::{CallError, CallSpec, Plugin, PluginHost, interface};
use gantry_proxy::{PlanError, PlanRequest, ServicePlanner};

pub struct PluginPlanner {
    by_type: BTreeMap<String, Arc<Plugin>>,
}

impl PluginPlanner {
    /// # Errors
    /// If a plugin does not say which type it is.
    pub async fn of(host: &PluginHost) -> Result<Self, CallError> {
        let mut by_type = BTreeMap::new();
        for plugin in host.plugins_with(interface::SERVICE_TYPE) {
            let name = plugin.run(|plugin, hang| plugin.service_type(&spec(hang))).await?;
            by_type.insert(name, plugin);
        }
        Ok(Self { by_type })
    }
}

fn spec(hang: gantry_plugin_host::HangSignal) -> CallSpec<'static> {
    CallSpec { hang: Some(hang), ..Default::default() }
}

#[async_trait]
impl ServicePlanner for PluginPlanner {
    async fn plan(&self, request: &PlanRequest) -> Result<RuleIr, PlanError> {
        let service_type = &request.service_type;
        let plugin = self.by_type.get(service_type).ok_or_else(|| PlanError::UnknownType(service_type.clone()))?;
        let failed = |message: String| PlanError::Failed { service_type: service_type.clone(), message };
        let PlanRequest { node, services, slices, .. } = request.clone();
        let plan = plugin.run(move |plugin, hang| plugin.service_plan(&spec(hang), &node, &services, &slices)).await;
        serde_json::from_slice(&plan.map_err(|e| failed(e.to_string()))?).map_err(|e| failed(e.to_string()))
    }
}
