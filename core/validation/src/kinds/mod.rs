//! One file per kind (a folder for Pod): its rules, in the order in which the reference reports them.

pub mod admission;
pub mod api_service;
pub mod certificate_signing_request;
pub mod classes;
pub mod config_map;
pub mod controller_revision;
pub mod cron_job;
pub mod definition;
pub mod device;
pub mod endpoint_slice;
pub mod endpoints;
pub mod event;
pub mod flow_schema;
pub mod horizontal_pod_autoscaler;
pub mod ingress;
pub mod ingress_class;
pub mod job;
pub mod lease;
pub mod limit_range;
pub mod namespace;
pub mod network_policy;
pub mod node;
pub mod persistent_volume;
pub mod persistent_volume_claim;
pub mod pod;
pub mod pod_disruption_budget;
pub mod priority_level;
pub mod rbac;
pub mod resource_quota;
pub mod secret;
pub mod service;
pub mod service_networks;
pub mod storage;
pub mod workload;

use gantry_kinds::{
    FieldName,
    fields::core_v1::{ConfigMap, Secret},
};

use crate::{field::Causes, table::Update};

/// Bytes that a base64 text stands for.
fn decoded_base64_bytes(text: &str) -> usize {
    let padding = text.bytes().rev().take_while(|&b| b == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

/// ConfigMap and Secret: once `immutable` is true, it and the data members stay as they are.
fn immutable_data(update: Update<'_>, members: &[FieldName], causes: &mut Causes) {
    if !update.old.member(Secret::IMMUTABLE).flag() {
        return;
    }
    let immutable = update.new.member(ConfigMap::IMMUTABLE);
    if !immutable.flag() {
        causes.forbidden(&immutable, "field is immutable when `immutable` is set");
    }
    for member in members {
        let (new, old) = (update.new.member(*member), update.old.member(*member));
        // To the reference an empty map is another than none here.
        if new.value() != old.value() {
            causes.forbidden(&new, "field is immutable when `immutable` is set");
        }
    }
}
