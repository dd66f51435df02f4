//! Resource claims: what drivers report of devices goes when the devices are given back.

use gantry_kinds::FieldName;
use gantry_meta::{Object, Value};

use super::{Strategy, status::SET_BY_CLIENTS};

pub(super) struct ResourceClaims;

impl Strategy for ResourceClaims {
    fn kept_by_status(&self) -> &'static [FieldName] {
        SET_BY_CLIENTS
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }

    fn prepare_update(&self, subresource: &str, new: &mut Object, old: &Object) {
        if subresource == "status" {
            forget_given_back(new, old);
        }
    }
}

/// Drops reports of devices that were allocated and are no more.
fn forget_given_back(new: &mut Object, old: &Object) {
    let (still, before) = (allocated(new), allocated(old));
    let is_given_back = |device: &Value| before.contains(&identity(device)) && !still.contains(&identity(device));
    let Some(status) = new.get_mut("status").and_then(Value::as_object_mut) else { return };
    if let Some(devices) = status.get_mut("devices").and_then(Value::as_array_mut) {
        devices.retain(|device| !is_given_back(device));
    }
}

type Identity = [String; 4];

fn identity(device: &Value) -> Identity {
    let text = |member: &str| device.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
    ["driver", "pool", "device", "shareID"].map(text)
}

fn allocated(claim: &Object) -> Vec<Identity> {
    let results = claim.get("status").and_then(|status| status.pointer("/allocation/devices/results"));
    results.and_then(Value::as_array).into_iter().flatten().map(identity).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_reported_of_a_device_goes_with_its_allocation() {
        let claim = |results: Value, devices: Value| {
            let status = json!({"allocation": {"devices": {"results": results}}, "devices": devices});
            json!({ "status": status }).as_object().cloned().unwrap()
        };
        let device = |name: &str| json!({"driver": "d.example", "pool": "p", "device": name});
        let old = claim(json!([device("a"), device("b")]), json!([device("a"), device("b")]));
        let mut new = claim(json!([device("b")]), json!([device("a"), device("b"), device("never")]));
        forget_given_back(&mut new, &old);
        assert_eq!(new["status"]["devices"], json!([device("b"), device("never")]));
    }
}
