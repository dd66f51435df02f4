//! Certificate signing requests: the spec never changes; approval writes conditions, status conditions and certificate.

use gantry_kinds::{
    FieldName, Members as _,
    fields::{
        AnyObject,
        certificates_v1::{
            CertificateSigningRequest, CertificateSigningRequestCondition as Condition, CertificateSigningRequestStatus,
        },
    },
    path,
};
use gantry_meta::{Object, Value, time};
use jiff::Timestamp;

use super::{Strategy, keep, keep_all_but};

pub(super) struct CertificateSigningRequests;

fn conditions(object: &Object) -> impl Iterator<Item = &Object> {
    let conditions = path![CertificateSigningRequest::STATUS, CertificateSigningRequestStatus::CONDITIONS];
    object.items_at(conditions).iter().filter_map(Value::as_object)
}

fn conditions_mut(object: &mut Object) -> impl Iterator<Item = &mut Object> {
    let status = object.object_mut(CertificateSigningRequest::STATUS).into_iter();
    status.flat_map(|status| status.objects_mut(CertificateSigningRequestStatus::CONDITIONS))
}

/// Conditions get the times they leave out: that of the last transition from the stored condition, if its status is the same.
fn fill_times(new: &mut Object, old: &Object) {
    let now = Value::from(time::format_time(Timestamp::now()));
    for condition in conditions_mut(new) {
        let agrees = |other: &Object, member: FieldName| other.member(member) == condition.member(member);
        let mut same =
            conditions(old).filter(|other| agrees(other, Condition::TYPE) && agrees(other, Condition::STATUS));
        let transition = same.next().and_then(|known| known.member(Condition::LAST_TRANSITION_TIME)).cloned();
        condition.set_if_absent(Condition::LAST_UPDATE_TIME, now.clone());
        condition.set_if_absent(Condition::LAST_TRANSITION_TIME, transition.unwrap_or_else(|| now.clone()));
    }
}

/// What was decided stands as it was said; whether it may be added or taken away is for validation.
fn keep_decisions(new: &mut Object, old: &Object) {
    for condition in conditions_mut(new) {
        let kind = condition.text(Condition::TYPE);
        if !matches!(kind, "Approved" | "Denied") {
            continue;
        }
        if let Some(stored) = conditions(old).find(|known| known.text(Condition::TYPE) == kind) {
            condition.clone_from(stored);
        }
    }
}

/// Who approves does not sign.
fn keep_certificate(new: &mut Object, old: &Object) {
    let nothing = Object::new();
    let before = old.object(CertificateSigningRequest::STATUS).unwrap_or(&nothing);
    if let Some(status) = new.made(CertificateSigningRequest::STATUS) {
        keep(CertificateSigningRequestStatus::CERTIFICATE, status, before);
    }
}

impl Strategy for CertificateSigningRequests {
    fn prepare_update(&self, subresource: &str, new: &mut Object, old: &Object) {
        match subresource {
            "approval" => {
                keep_all_but(&[AnyObject::METADATA, AnyObject::STATUS], new, old);
                fill_times(new, old);
                keep_certificate(new, old);
            }
            "status" => {
                keep_decisions(new, old);
                fill_times(new, old);
            }
            _ => {
                keep(CertificateSigningRequest::SPEC, new, old);
                keep(CertificateSigningRequest::STATUS, new, old);
            }
        }
    }
}
