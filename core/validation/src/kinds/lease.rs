//! Lease.

use crate::{
    field::{Causes, Root},
    table::Update,
};

pub fn create(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member("spec");
    causes.positive(&spec.member("leaseDurationSeconds"));
    causes.non_negative(&spec.member("leaseTransitions"));
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    create(update.new, causes);
}
