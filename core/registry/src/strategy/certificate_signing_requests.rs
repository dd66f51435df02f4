//! Certificate signing requests: the spec never changes, approval and status each write their own conditions.

use gantry_meta::{Object, Value};

use super::{Strategy, keep, keep_all_but};

pub(super) struct CertificateSigningRequests;

fn conditions(object: &Object) -> impl Iterator<Item = &Value> {
    object.get("status").and_then(|s| s.get("conditions")).and_then(Value::as_array).into_iter().flatten()
}

fn condition_type(condition: &Value) -> &str {
    condition.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// An approval writes Approved and Denied, a status update everything else; both get the times they leave out.
fn merge_conditions(new: &mut Object, old: &Object, approval: bool) {
    let decides = |c: &&Value| matches!(condition_type(c), "Approved" | "Denied");
    let mut merged: Vec<Value> = Vec::new();
    merged.extend(conditions(if approval { new } else { old }).filter(|c| decides(c)).cloned());
    merged.extend(conditions(if approval { old } else { new }).filter(|c| !decides(c)).cloned());
    let now = gantry_meta::time::format_time(jiff::Timestamp::now());
    for condition in merged.iter_mut().filter_map(Value::as_object_mut) {
        for time in ["lastUpdateTime", "lastTransitionTime"] {
            if condition.get(time).is_none_or(Value::is_null) {
                condition.insert(time.into(), now.clone().into());
            }
        }
    }
    if let Some(status) = new.get_mut("status").and_then(Value::as_object_mut) {
        if merged.is_empty() {
            status.remove("conditions")
        } else {
            status.insert("conditions".into(), merged.into())
        };
    }
}

impl Strategy for CertificateSigningRequests {
    fn prepare_update(&self, subresource: &str, new: &mut Object, old: &Object) {
        match subresource {
            "approval" => {
                keep_all_but(&["metadata", "status"], new, old);
                new.entry("status").or_insert_with(|| serde_json::json!({}));
                merge_conditions(new, old, true);
                let certificate = old.get("status").and_then(|s| s.get("certificate")).cloned();
                if let (Some(certificate), Some(status)) =
                    (certificate, new.get_mut("status").and_then(Value::as_object_mut))
                {
                    status.insert("certificate".into(), certificate);
                }
            }
            "status" => {}
            _ => {
                keep("spec", new, old);
                keep("status", new, old);
            }
        }
    }
}
