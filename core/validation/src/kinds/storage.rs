//! CSIDriver, CSINode, CSIStorageCapacity, VolumeAttachment and VolumeAttributesClass.

use gantry_kinds::fields::storage_v1::{
    CSIDriver, CSIDriverSpec, CSINode, CSINodeDriver, CSINodeSpec, CSIStorageCapacity, TokenRequest, VolumeAttachment,
    VolumeAttachmentSource, VolumeAttachmentSpec as Spec, VolumeAttachmentStatus as Status, VolumeAttributesClass,
    VolumeError, VolumeNodeResources,
};

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
        spec(&object.member(CSIDriver::SPEC), causes);
    }

    fn spec(spec: &Field<'_>, causes: &mut Causes) {
        let policy = spec.member(CSIDriverSpec::FS_GROUP_POLICY);
        if policy.is_set() {
            causes.one_of(&policy, &["File", "None", "ReadWriteOnceWithFSType"]);
        }
        let tokens = spec.member(CSIDriverSpec::TOKEN_REQUESTS);
        token_requests(&tokens, causes);
        let modes = spec.member(CSIDriverSpec::VOLUME_LIFECYCLE_MODES);
        // Reported at the list.
        modes.items().for_each(|mode| causes.one_of(&mode.reported_at(&modes), &["Ephemeral", "Persistent"]));
        let period = spec.member(CSIDriverSpec::NODE_ALLOCATABLE_UPDATE_PERIOD_SECONDS);
        if period.int().is_some_and(|seconds| seconds < UPDATE_MIN_SECONDS) {
            causes.invalid(&period, "must be greater than or equal to 10 seconds");
        }
        let in_secrets = spec.member(CSIDriverSpec::SERVICE_ACCOUNT_TOKEN_IN_SECRETS);
        if in_secrets.is_set() && tokens.is_empty() {
            causes.invalid(&in_secrets, "is set but no tokenRequests are specified");
        }
    }

    fn token_requests(requests: &Field<'_>, causes: &mut Causes) {
        let mut seen: Vec<&str> = Vec::new();
        for request in requests.items() {
            let (audience, seconds) =
                (request.member(TokenRequest::AUDIENCE), request.member(TokenRequest::EXPIRATION_SECONDS));
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
        let (new, old) = (update.new.member(CSIDriver::SPEC), update.old.member(CSIDriver::SPEC));
        spec(&new, causes);
        // The reference spells this one otherwise.
        causes.immutable(
            &new.member_as(CSIDriverSpec::ATTACH_REQUIRED, "attachedRequired"),
            &old.member(CSIDriverSpec::ATTACH_REQUIRED),
        );
        causes.immutable(
            &new.member(CSIDriverSpec::VOLUME_LIFECYCLE_MODES),
            &old.member(CSIDriverSpec::VOLUME_LIFECYCLE_MODES),
        );
    }
}

pub mod volume_attributes_class {
    use super::*;

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        storage_class::provisioner(&object.member(VolumeAttributesClass::DRIVER_NAME), causes);
        let parameters = object.member(VolumeAttributesClass::PARAMETERS);
        storage_class::parameters(&parameters, causes);
        causes.require(&parameters);
    }

    pub fn update(update: Update<'_>, causes: &mut Causes) {
        update.look(Look::Changes, causes);
        for member in [VolumeAttributesClass::DRIVER_NAME, VolumeAttributesClass::PARAMETERS] {
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
        for driver in object.member(CSINode::SPEC).member(CSINodeSpec::DRIVERS).items() {
            self::driver(&driver, causes);
            let name = driver.member(CSINodeDriver::NAME);
            if seen.contains(&name.text()) {
                causes.duplicate(&name);
            }
            seen.push(name.text());
        }
    }

    fn driver(driver: &Field<'_>, causes: &mut Causes) {
        driver_name(&driver.member(CSINodeDriver::NAME), causes);
        let id = driver.member(CSINodeDriver::NODE_ID);
        if causes.require(&id) && id.text().len() > NODE_ID_MAX_BYTES {
            causes.invalid(&id, "must be 256 characters or less");
        }
        causes.non_negative(&driver.member(CSINodeDriver::ALLOCATABLE).member(VolumeNodeResources::COUNT));
        let mut seen: Vec<&str> = Vec::new();
        // The reference reports the keys at their driver.
        for key in driver.member(CSINodeDriver::TOPOLOGY_KEYS).items().map(|key| key.reported_at(driver)) {
            causes.require(&key);
            if seen.contains(&key.text()) {
                causes.duplicate(&key);
            }
            seen.push(key.text());
            causes.invalid_each(&key, names::qualified_name(key.text()));
        }
    }

    fn drivers(object: Root<'_>) -> Field<'_> {
        object.member(CSINode::SPEC).member(CSINodeSpec::DRIVERS)
    }

    /// A driver that is registered stays what it is, but for how much it can attach.
    pub fn update(update: Update<'_>, causes: &mut Causes) {
        create(update.new, causes);
        for old in drivers(update.old).items() {
            let same =
                |new: &Field<'_>| new.member(CSINodeDriver::NAME).text() == old.member(CSINodeDriver::NAME).text();
            if let Some(new) = drivers(update.new).items().find(same)
                && [CSINodeDriver::NODE_ID, CSINodeDriver::TOPOLOGY_KEYS]
                    .iter()
                    .any(|member| new.member(*member).value() != old.member(*member).value())
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
        selector::label_selector(&object.member(CSIStorageCapacity::NODE_TOPOLOGY), causes);
        let class = object.member(CSIStorageCapacity::STORAGE_CLASS_NAME);
        causes.invalid_each(&class, names::dns_subdomain(class.text()));
        let capacity = object.member(CSIStorageCapacity::CAPACITY);
        if amount(&capacity).is_some_and(|amount| amount.signum() < 0) {
            causes.invalid(&capacity, "must be greater than or equal to 0");
        }
    }

    pub fn update(update: Update<'_>, causes: &mut Causes) {
        update.as_created(create, causes);
        for member in [CSIStorageCapacity::NODE_TOPOLOGY, CSIStorageCapacity::STORAGE_CLASS_NAME] {
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
        let spec = object.member(VolumeAttachment::SPEC);
        driver_name(&spec.member(Spec::ATTACHER), causes);
        source(&spec.member(Spec::SOURCE), causes);
        let node = spec.member(Spec::NODE_NAME);
        causes.invalid_each(&node, names::dns_subdomain(node.text()));
        status(object, causes);
        let volume = spec.member(Spec::SOURCE).member(VolumeAttachmentSource::PERSISTENT_VOLUME_NAME);
        if volume.is_set() {
            causes.invalid_each(&volume, names::dns_subdomain(volume.text()));
        }
    }

    fn source(source: &Field<'_>, causes: &mut Causes) {
        let (name, inline) = (
            source.member(VolumeAttachmentSource::PERSISTENT_VOLUME_NAME),
            source.member(VolumeAttachmentSource::INLINE_VOLUME_SPEC),
        );
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
        let status = object.member(VolumeAttachment::STATUS);
        let metadata = status.member(Status::ATTACHMENT_METADATA);
        if metadata.entries().map(|(key, value)| key.len() + value.text().len()).sum::<usize>() > METADATA_MAX_BYTES {
            causes.too_long(&metadata, METADATA_MAX_BYTES);
        }
        for error in [Status::ATTACH_ERROR, Status::DETACH_ERROR].map(|member| status.member(member)) {
            causes.non_negative(&error.member(VolumeError::ERROR_CODE));
            let message = error.member(VolumeError::MESSAGE);
            if message.text().len() > ERROR_MAX_BYTES {
                causes.too_long(&message, ERROR_MAX_BYTES);
            }
        }
    }

    pub fn update(update: Update<'_>, causes: &mut Causes) {
        create(update.new, causes);
        causes.immutable(&update.new.member(VolumeAttachment::SPEC), &update.old.member(VolumeAttachment::SPEC));
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
