//! DeviceClass.

use super::{configuration, selectors};
use crate::{
    field::{Causes, Root},
    rules::resources,
    table::Update,
};

pub fn create(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member("spec");
    selectors(&spec.member("selectors"), causes);
    let configs = spec.member("config");
    configs.items().take(super::CONFIGS_MAX).for_each(|one| configuration(&one, causes));
    if configs.len() > super::CONFIGS_MAX {
        causes.too_many(&configs, super::CONFIGS_MAX);
    }
    let extended = spec.member("extendedResourceName");
    if extended.is_set() && !resources::is_extended(extended.text()) {
        causes.invalid(&extended, "must be a valid extended resource name");
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    create(update.new, causes);
}
