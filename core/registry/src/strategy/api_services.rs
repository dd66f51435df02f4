//! API services: those without a service are answered by this server, so they are available at once.

use gantry_meta::{Object, time};
use jiff::Timestamp;
use serde_json::json;

use super::Strategy;

pub(super) struct ApiServices;

impl Strategy for ApiServices {
    fn prepare_create(&self, service: &mut Object) {
        if service.get("spec").and_then(|spec| spec.get("service")).is_some_and(|backend| !backend.is_null()) {
            return;
        }
        let available = json!({"type": "Available", "status": "True", "reason": "Local",
            "message": "Local APIServices are always available",
            "lastTransitionTime": time::format_time(Timestamp::now())});
        service.insert("status".into(), json!({"conditions": [available]}));
    }
}
