//! DeviceClass.

use super::{configuration, selectors, slice};
use crate::{
    field::{Causes, Root},
    rules::resources,
    table::Update,
};

pub fn create(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member("spec");
    selectors(&spec.member("selectors"), causes);
    slice(&spec.member("config"), super::CONFIGS_MAX, causes, configuration);
    let extended = spec.member("extendedResourceName");
    if extended.is_set() && !resources::is_extended(extended.text()) {
        causes.invalid(&extended, "must be a valid extended resource name");
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    create(update.new, causes);
}
