//! CSIDriver, CSINode, CSIStorageCapacity, VolumeAttachment and VolumeAttributesClass.

use super::classes::storage_class;
use crate::{
    field::{Causes, Field, Root},
    names,
    table::{Look, Update},
};

const DRIVER_NAME_MAX_BYTES: usize = 63;
const UPDATE_MIN_SECONDS: i64 = 10;
const TOKEN_MIN_SECONDS: i64 = 600;
const TOKEN_MAX_SECONDS: i64 = 1 << 32;

pub mod csi_driver {
    use super::*;

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        spec(&object.member("spec"), causes);
    }

    fn spec(spec: &Field<'_>, causes: &mut Causes) {
        let policy = spec.member("fsGroupPolicy");
        if policy.is_set() {
            causes.one_of(&policy, &["File", "None", "ReadWriteOnceWithFSType"]);
        }
        let tokens = spec.member("tokenRequests");
        token_requests(&tokens, causes);
        let modes = spec.member("volumeLifecycleModes");
        // Reported at the list.
        modes.items().for_each(|mode| causes.one_of(&mode.reported_at(&modes), &["Ephemeral", "Persistent"]));
        let period = spec.member("nodeAllocatableUpdatePeriodSeconds");
        if period.int().is_some_and(|seconds| seconds < UPDATE_MIN_SECONDS) {
            causes.invalid(&period, "must be greater than or equal to 10 seconds");
        }
        let in_secrets = spec.member("serviceAccountTokenInSecrets");
        if in_secrets.is_set() && tokens.is_empty() {
            causes.invalid(&in_secrets, "is set but no tokenRequests are specified");
        }
    }

    fn token_requests(requests: &Field<'_>, causes: &mut Causes) {
        let mut seen: Vec<&str> = Vec::new();
        for request in requests.items() {
            let (audience, seconds) = (request.member("audience"), request.member("expirationSeconds"));
            if seen.contains(&audience.text()) {
                causes.duplicate(&audience);
                continue;
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
        storage_class::provisioner(&object.member("driverName"), causes);
        let parameters = object.member("parameters");
        storage_class::parameters(&parameters, causes);
        causes.require(&parameters);
    }

    pub fn update(update: Update<'_>, causes: &mut Causes) {
        update.look(Look::Changes, causes);
        for member in ["driverName", "parameters"] {
            if update.new.member(member).value() != update.old.member(member).value() {
                causes.forbidden(&update.new.member(member), "updates are forbidden");
            }
        }
        update.look(Look::Whole, causes);
        create(update.new, causes);
    }
}

pub mod csi_node {
    use super::*;

    const NODE_ID_MAX_BYTES: usize = 256;

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        let mut seen: Vec<&str> = Vec::new();
        for driver in object.member("spec").member("drivers").items() {
            self::driver(&driver, causes);
            let name = driver.member("name");
            if seen.contains(&name.text()) {
                causes.duplicate(&name);
            }
            seen.push(name.text());
        }
    }

    fn driver(driver: &Field<'_>, causes: &mut Causes) {
        driver_name(&driver.member("name"), causes);
        let id = driver.member("nodeID");
        if causes.require(&id) && id.text().len() > NODE_ID_MAX_BYTES {
            causes.invalid(&id, "must be 256 characters or less");
        }
        causes.non_negative(&driver.member("allocatable").member("count"));
        let mut seen: Vec<&str> = Vec::new();
        // The reference reports the keys at their driver.
        for key in driver.member("topologyKeys").items().map(|key| key.reported_at(driver)) {
            causes.require(&key);
            if seen.contains(&key.text()) {
                causes.duplicate(&key);
            }
            seen.push(key.text());
            causes.invalid_each(&key, names::qualified_name(key.text()));
        }
    }

    fn drivers(object: Root<'_>) -> Field<'_> {
        object.member("spec").member("drivers")
    }

    /// A driver that is registered stays what it is, but for how much it can attach.
    pub fn update(update: Update<'_>, causes: &mut Causes) {
        create(update.new, causes);
        for old in drivers(update.old).items() {
            let same = |new: &Field<'_>| new.member("name").text() == old.member("name").text();
            if let Some(new) = drivers(update.new).items().find(same)
                && ["nodeID", "topologyKeys"]
                    .iter()
                    .any(|member| new.member(member).value() != old.member(member).value())
            {
                causes.invalid(&drivers(update.new), "field is immutable");
            }
        }
    }
}

pub mod csi_storage_capacity {
    use super::*;
    use crate::rules::{resources::amount, selector};

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        selector::label_selector(&object.member("nodeTopology"), causes);
        let class = object.member("storageClassName");
        causes.invalid_each(&class, names::dns_subdomain(class.text()));
        let capacity = object.member("capacity");
        if amount(&capacity).is_some_and(|amount| amount.signum() < 0) {
            causes.invalid(&capacity, "must be greater than or equal to 0");
        }
    }

    pub fn update(update: Update<'_>, causes: &mut Causes) {
        update.as_created(create, causes);
        for member in ["nodeTopology", "storageClassName"] {
            causes.immutable(&update.new.member(member), &update.old.member(member));
        }
    }
}

pub mod volume_attachment {
    use super::*;
    use crate::kinds::persistent_volume;

    const METADATA_MAX_BYTES: usize = 256 * 1024;
    const ERROR_MAX_BYTES: usize = 1024;

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        let spec = object.member("spec");
        driver_name(&spec.member("attacher"), causes);
        source(&spec.member("source"), causes);
        let node = spec.member("nodeName");
        causes.invalid_each(&node, names::dns_subdomain(node.text()));
        status(object, causes);
        let volume = spec.member("source").member("persistentVolumeName");
        if volume.is_set() {
            causes.invalid_each(&volume, names::dns_subdomain(volume.text()));
        }
    }

    fn source(source: &Field<'_>, causes: &mut Causes) {
        let (name, inline) = (source.member("persistentVolumeName"), source.member("inlineVolumeSpec"));
        match (name.is_set(), inline.is_set()) {
            (true, false) => {
                causes.require(&name);
            }
            (false, true) => persistent_volume::inline(&inline, causes),
            (true, true) => {
                causes.forbidden(source, "must specify exactly one of inlineVolumeSpec and persistentVolumeName")
            }
            (false, false) => causes.required(source),
        }
    }

    fn status(object: Root<'_>, causes: &mut Causes) {
        let status = object.member("status");
        let metadata = status.member("attachmentMetadata");
        if metadata.entries().map(|(key, value)| key.len() + value.text().len()).sum::<usize>() > METADATA_MAX_BYTES {
            causes.too_long(&metadata, METADATA_MAX_BYTES);
        }
        for error in ["attachError", "detachError"].map(|member| status.member(member)) {
            causes.non_negative(&error.member("errorCode"));
            let message = error.member("message");
            if message.text().len() > ERROR_MAX_BYTES {
                causes.too_long(&message, ERROR_MAX_BYTES);
            }
        }
    }

    pub fn update(update: Update<'_>, causes: &mut Causes) {
        create(update.new, causes);
        causes.immutable(&update.new.member("spec"), &update.old.member("spec"));
    }
}

fn driver_name(driver: &Field<'_>, causes: &mut Causes) {
    if causes.require(driver) {
        if driver.text().len() > DRIVER_NAME_MAX_BYTES {
            causes.too_long(driver, DRIVER_NAME_MAX_BYTES);
        }
        causes.invalid_each(driver, names::dns_subdomain(&driver.text().to_lowercase()));
    }
}
