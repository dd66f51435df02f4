//! Service types from plugins, as the registry asks for them.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use gantry_meta::{Cause, CauseType, FieldPath, Object, Reason, Status, Value};
use gantry_plugin_host::{CallError, CallSpec, Plugin, PluginHost};
use gantry_registry::{PoolClaim, ServiceTypes};

/// The interface that makes a plugin a service type.
const INTERFACE: &str = "gantry.svc.type/1";

pub struct PluginServiceTypes {
    by_type: BTreeMap<String, Arc<Plugin>>,
}

impl PluginServiceTypes {
    /// # Errors
    /// If a plugin does not say which type it is.
    pub fn of(host: &PluginHost) -> Result<Self, CallError> {
        let mut by_type = BTreeMap::new();
        for plugin in host.plugins_with(INTERFACE) {
            by_type.insert(plugin.service_type(&CallSpec::default())?, plugin);
        }
        Ok(Self { by_type })
    }

    fn plugin_of(&self, service: &Object) -> Option<Arc<Plugin>> {
        self.by_type.get(type_of(service)).cloned()
    }
}

fn type_of(service: &Object) -> &str {
    service.get("spec").and_then(|spec| spec.get("type")).and_then(Value::as_str).unwrap_or("ClusterIP")
}

fn json_of(service: &Object) -> Result<Vec<u8>, Status> {
    serde_json::to_vec(service).map_err(|e| Status::internal(format!("a decoded service is not JSON: {e}")))
}

/// The plugin's failure is not the client's: it may try again.
fn unavailable(error: &CallError) -> Status {
    Status::unavailable(format!("the service type cannot be asked: {error}"), 1)
}

#[async_trait]
impl ServiceTypes for PluginServiceTypes {
    async fn validate(&self, old: Option<&Object>, new: &Object) -> Result<Vec<Cause>, Status> {
        let Some(plugin) = self.plugin_of(new) else {
            let known: Vec<&str> = self.by_type.keys().map(String::as_str).collect();
            return Ok(vec![Cause::not_supported(&FieldPath::of("spec.type"), type_of(new), &known)]);
        };
        let (old, new) = (old.map(json_of).transpose()?, json_of(new)?);
        let answer = plugin.run(move |plugin, hang| {
            plugin.service_validate(&CallSpec { hang: Some(hang), ..Default::default() }, old.as_deref(), &new)
        });
        let causes = answer.await.map_err(|e| unavailable(&e))?;
        Ok(causes.into_iter().map(cause).collect())
    }

    async fn allocate(&self, old: Option<&Object>, new: &Object) -> Result<Vec<PoolClaim>, Status> {
        let Some(plugin) = self.plugin_of(new) else { return Ok(Vec::new()) };
        let (old, new) = (old.map(json_of).transpose()?, json_of(new)?);
        let answer = plugin.run(move |plugin, hang| {
            plugin.service_allocate(&CallSpec { hang: Some(hang), ..Default::default() }, old.as_deref(), &new)
        });
        match answer.await {
            Ok(claims) => {
                Ok(claims.into_iter().map(|c| PoolClaim { pool: c.pool, want: c.want, fields: c.fields }).collect())
            }
            Err(CallError::Refused { message, .. }) => Err(Status::failure(Reason::Invalid, message)),
            Err(error) => Err(unavailable(&error)),
        }
    }
}

fn cause(of: gantry_plugin_host::Cause) -> Cause {
    let reason: Option<CauseType> = serde_json::from_value(Value::String(of.reason)).ok();
    Cause::new(reason.unwrap_or(CauseType::FieldValueInvalid), of.field, of.message)
}
