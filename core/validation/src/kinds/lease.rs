//! Lease.

use gantry_kinds::fields::coordination_v1::{Lease, LeaseSpec};

use crate::{
    field::{Causes, Root},
    table::Update,
};

pub fn create(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member(Lease::SPEC);
    causes.positive(&spec.member(LeaseSpec::LEASE_DURATION_SECONDS));
    causes.non_negative(&spec.member(LeaseSpec::LEASE_TRANSITIONS));
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    create(update.new, causes);
}
