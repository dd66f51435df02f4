//! PodDisruptionBudget.

use gantry_kinds::fields::policy_v1::{
    PodDisruptionBudget, PodDisruptionBudgetSpec as Spec, PodDisruptionBudgetStatus as Status,
};

use crate::{
    field::{Causes, Root},
    rules::{conditions, numbers, selector},
    table::Update,
};

pub fn create(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member(PodDisruptionBudget::SPEC);
    let (least, most) = (spec.member(Spec::MIN_AVAILABLE), spec.member(Spec::MAX_UNAVAILABLE));
    if least.is_set() && most.is_set() {
        causes.invalid(&spec, "minAvailable and maxUnavailable cannot be both set");
    }
    for bound in [&least, &most] {
        numbers::non_negative_or_percent(bound, causes);
        numbers::at_most_100_percent(bound, causes);
    }
    selector::label_selector(&spec.member(Spec::SELECTOR), causes);
    let policy = spec.member(Spec::UNHEALTHY_POD_EVICTION_POLICY);
    if policy.is_set() {
        causes.one_of(&policy, &["AlwaysAllow", "IfHealthyBudget"]);
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    if update.subresource == Some("status") {
        let status = update.new.member(PodDisruptionBudget::STATUS);
        conditions(&status.member(Status::CONDITIONS), causes);
        for member in
            [Status::DISRUPTIONS_ALLOWED, Status::CURRENT_HEALTHY, Status::DESIRED_HEALTHY, Status::EXPECTED_PODS]
        {
            causes.non_negative(&status.member(member));
        }
    } else {
        create(update.new, causes);
    }
}
