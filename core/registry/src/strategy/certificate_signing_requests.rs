//! Certificate signing requests: the spec never changes; approval writes conditions, status conditions and certificate.

use gantry_meta::{Object, Value, time};
use jiff::Timestamp;

use super::{Strategy, keep, keep_all_but};

pub(super) struct CertificateSigningRequests;

fn conditions(object: &Object) -> impl Iterator<Item = &Object> {
    let conditions = object.get("status").and_then(|s| s.get("conditions")).and_then(Value::as_array);
    conditions.into_iter().flatten().filter_map(Value::as_object)
}

/// Conditions get the times they leave out: that of the last transition from the stored condition, if its status is the same.
fn fill_times(new: &mut Object, old: &Object) {
    let now = Value::from(time::format_time(Timestamp::now()));
    let status = new.get_mut("status").and_then(|status| status.get_mut("conditions")).and_then(Value::as_array_mut);
    for condition in status.into_iter().flatten().filter_map(Value::as_object_mut) {
        let same =
            |other: &&Object| ["type", "status"].iter().all(|member| other.get(*member) == condition.get(*member));
        let transition = conditions(old).find(same).and_then(|known| known.get("lastTransitionTime")).cloned();
        for (member, time) in [("lastUpdateTime", None), ("lastTransitionTime", transition)] {
            if condition.get(member).is_none_or(Value::is_null) {
                condition.insert(member.into(), time.unwrap_or_else(|| now.clone()));
            }
        }
    }
}

/// What was decided stands as it was said; whether it may be added or taken away is for validation.
fn keep_decisions(new: &mut Object, old: &Object) {
    let status = new.get_mut("status").and_then(|status| status.get_mut("conditions")).and_then(Value::as_array_mut);
    for condition in status.into_iter().flatten() {
        let kind = condition.get("type").and_then(Value::as_str);
        let Some(kind) = kind.filter(|kind| matches!(*kind, "Approved" | "Denied")) else { continue };
        let stored = conditions(old).find(|known| known.get("type").and_then(Value::as_str) == Some(kind));
        if let Some(stored) = stored {
            *condition = Value::Object(stored.clone());
        }
    }
}

/// Who approves does not sign.
fn keep_certificate(new: &mut Object, old: &Object) {
    let certificate = old.get("status").and_then(|s| s.get("certificate")).cloned();
    let status = new.entry("status").or_insert_with(|| Value::Object(Object::new()));
    let Some(status) = status.as_object_mut() else { return };
    match certificate {
        Some(certificate) => _ = status.insert("certificate".into(), certificate),
        None => _ = status.remove("certificate"),
    }
}

impl Strategy for CertificateSigningRequests {
    fn prepare_update(&self, subresource: &str, new: &mut Object, old: &Object) {
        match subresource {
            "approval" => {
                keep_all_but(&["metadata", "status"], new, old);
                fill_times(new, old);
                keep_certificate(new, old);
            }
            "status" => {
                keep_decisions(new, old);
                fill_times(new, old);
            }
            _ => {
                keep("spec", new, old);
                keep("status", new, old);
            }
        }
    }
}
