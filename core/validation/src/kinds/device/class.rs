//! DeviceClass.

use gantry_kinds::fields::resource_v1::{DeviceClass, DeviceClassSpec};

use super::{configuration, selectors, slice};
use crate::{
    field::{Causes, Root},
    rules::resources,
    table::Update,
};

pub fn create(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member(DeviceClass::SPEC);
    selectors(&spec.member(DeviceClassSpec::SELECTORS), causes);
    slice(&spec.member(DeviceClassSpec::CONFIG), super::CONFIGS_MAX, causes, configuration);
    let extended = spec.member(DeviceClassSpec::EXTENDED_RESOURCE_NAME);
    if extended.is_set() && !resources::is_extended(extended.text()) {
        causes.invalid(&extended, "must be a valid extended resource name");
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    create(update.new, causes);
}
