//! PodDisruptionBudget.

use crate::{
    field::{Causes, Root},
    rules::{conditions, numbers, selector},
    table::Update,
};

pub fn create(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member("spec");
    let (least, most) = (spec.member("minAvailable"), spec.member("maxUnavailable"));
    if least.is_set() && most.is_set() {
        causes.invalid(&spec, "minAvailable and maxUnavailable cannot be both set");
    }
    for bound in [&least, &most] {
        numbers::non_negative_or_percent(bound, causes);
        numbers::at_most_100_percent(bound, causes);
    }
    selector::label_selector(&spec.member("selector"), causes);
    let policy = spec.member("unhealthyPodEvictionPolicy");
    if policy.is_set() {
        causes.one_of(&policy, &["AlwaysAllow", "IfHealthyBudget"]);
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    if update.subresource == Some("status") {
        let status = update.new.member("status");
        conditions(&status.member("conditions"), causes);
        for member in ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"] {
            causes.non_negative(&status.member(member));
        }
    } else {
        create(update.new, causes);
    }
}
