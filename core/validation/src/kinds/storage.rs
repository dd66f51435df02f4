//! CSIDriver and VolumeAttributesClass.

use super::classes::storage_class;
use crate::{
    field::{Causes, Field, Root},
    names,
    table::Update,
};

const DRIVER_NAME_MAX_BYTES: usize = 63;
const TOKEN_MIN_SECONDS: i64 = 600;
const TOKEN_MAX_SECONDS: i64 = 1 << 32;

pub mod csi_driver {
    use super::*;

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        spec(&object.member("spec"), causes);
    }

    fn spec(spec: &Field<'_>, causes: &mut Causes) {
        let modes = spec.member("volumeLifecycleModes");
        // Reported at the list.
        modes.items().for_each(|mode| causes.one_of(&mode.reported_at(&modes), &["Ephemeral", "Persistent"]));
        let policy = spec.member("fsGroupPolicy");
        if policy.is_set() {
            causes.one_of(&policy, &["File", "None", "ReadWriteOnceWithFSType"]);
        }
        token_requests(&spec.member("tokenRequests"), causes);
    }

    fn token_requests(requests: &Field<'_>, causes: &mut Causes) {
        let mut seen: Vec<&str> = Vec::new();
        for request in requests.items() {
            let (audience, seconds) = (request.member("audience"), request.member("expirationSeconds"));
            if seen.contains(&audience.text()) {
                causes.duplicate(&audience);
            }
            seen.push(audience.text());
            if seconds.int().is_some_and(|n| !(TOKEN_MIN_SECONDS..=TOKEN_MAX_SECONDS).contains(&n)) {
                causes.invalid(&seconds, "must be between 10 minutes and 2^32 seconds");
            }
        }
    }

    pub fn update(update: Update<'_>, causes: &mut Causes) {
        let (new, old) = (update.new.member("spec"), update.old.member("spec"));
        spec(&new, causes);
        // The reference spells this one otherwise.
        causes.immutable(&new.member_as("attachRequired", "attachedRequired"), &old.member("attachRequired"));
        causes.immutable(&new.member("volumeLifecycleModes"), &old.member("volumeLifecycleModes"));
    }
}

pub mod volume_attributes_class {
    use super::*;

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        let driver = object.member("driverName");
        if causes.require(&driver) {
            if driver.text().len() > DRIVER_NAME_MAX_BYTES {
                causes.too_long(&driver, DRIVER_NAME_MAX_BYTES);
            }
            causes.invalid_each(&driver, names::dns_subdomain(&driver.text().to_lowercase()));
        }
        let parameters = object.member("parameters");
        causes.require(&parameters);
        storage_class::parameters(&parameters, causes);
    }

    pub fn update(update: Update<'_>, causes: &mut Causes) {
        for member in ["driverName", "parameters"] {
            if update.new.member(member).value() != update.old.member(member).value() {
                causes.forbidden(&update.new.member(member), "updates are forbidden");
            }
        }
    }
}
