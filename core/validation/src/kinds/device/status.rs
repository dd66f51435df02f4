//! The status of a ResourceClaim: what was allocated, and for whom.

use gantry_kinds::{
    FieldName,
    fields::{
        AnyObject,
        meta_v1::ObjectMeta,
        resource_v1::{
            AllocatedDeviceStatus, AllocationResult, DeviceAllocationConfiguration, DeviceAllocationResult,
            DeviceRequestAllocationResult, NetworkDeviceData, ResourceClaimConsumerReference, ResourceClaimSpec,
            ResourceClaimStatus,
        },
    },
};
use gantry_meta::Value;

use super::{binding_conditions, claim::Requests, configuration, driver, raw, set, slice, uuid};
use crate::{
    field::{Causes, Field},
    kinds::pod,
    names, rules,
    rules::net,
    table::Update,
};

const CONSUMERS_MAX: usize = 256;
const RESULTS_MAX: usize = 32;
/// Of the class and of the claim.
const CONFIGS_MAX: usize = 2 * super::CONFIGS_MAX;
const POOL_MAX_BYTES: usize = 253;
const CONDITIONS_MAX: usize = 8;
const DATA_MAX_BYTES: usize = 10 * 1024;
const ADDRESSES_MAX: usize = 16;
const INTERFACE_MAX_BYTES: usize = 256;
const HARDWARE_ADDRESS_MAX_BYTES: usize = 128;

pub(super) fn claim(update: Update<'_>, causes: &mut Causes) {
    let (status, old) = (update.new.member(AnyObject::STATUS), update.old.member(AnyObject::STATUS));
    let (consumers, allocation) =
        (status.member(ResourceClaimStatus::RESERVED_FOR), status.member(ResourceClaimStatus::ALLOCATION));
    set(
        &consumers,
        CONSUMERS_MAX,
        causes,
        |one| one.member(ResourceClaimConsumerReference::UID).text().to_owned(),
        consumer,
    );
    network_devices(&status.member(ResourceClaimStatus::DEVICES), &allocation, causes);
    if !consumers.is_empty() && !allocation.is_set() {
        causes.forbidden(&consumers, "may not be specified when `allocated` is not set");
    } else if update.new.member(AnyObject::METADATA).member(ObjectMeta::DELETION_TIMESTAMP).is_set() {
        let before: Vec<Option<&Value>> =
            old.member(ResourceClaimStatus::RESERVED_FOR).items().map(|one| one.value()).collect();
        if consumers.items().any(|one| !before.contains(&one.value())) {
            causes.forbidden(&consumers, "new entries may not be added while `deletionTimestamp` is set");
        }
    }
    match (old.member(ResourceClaimStatus::ALLOCATION).is_set(), allocation.is_set()) {
        (true, true) => causes.immutable(&allocation, &old.member(ResourceClaimStatus::ALLOCATION)),
        (false, true) => {
            self::allocation(
                &allocation,
                &Requests::of(&update.new.member(AnyObject::SPEC).member(ResourceClaimSpec::DEVICES)),
                causes,
            );
        }
        _ => {}
    }
}

fn consumer(consumer: &Field<'_>, causes: &mut Causes) {
    type Consumer = ResourceClaimConsumerReference;
    for member in [Consumer::RESOURCE, Consumer::NAME, Consumer::UID] {
        causes.require(&consumer.member(member));
    }
}

fn allocation(allocation: &Field<'_>, requests: &Requests<'_>, causes: &mut Causes) {
    let devices = allocation.member(AllocationResult::DEVICES);
    slice(&devices.member(DeviceAllocationResult::RESULTS), RESULTS_MAX, causes, |result, causes| {
        requests.check_reference(&result.member(DeviceRequestAllocationResult::REQUEST), causes);
        allocated(result, causes);
        binding_conditions(result, causes);
        uuid(&result.member(DeviceRequestAllocationResult::SHARE_ID), causes);
    });
    slice(&devices.member(DeviceAllocationResult::CONFIG), CONFIGS_MAX, causes, |config, causes| {
        causes.require_one_of(&config.member(DeviceAllocationConfiguration::SOURCE), &["FromClaim", "FromClass"]);
        super::claim::references(&config.member(DeviceAllocationConfiguration::REQUESTS), requests, causes);
        configuration(config, causes);
    });
    let selector = allocation.member(AllocationResult::NODE_SELECTOR);
    if selector.is_set() {
        pod::node_selector(&selector, causes);
    }
}

/// Which device of which pool of which driver.
fn allocated(device: &Field<'_>, causes: &mut Causes) {
    driver(&device.member(AllocatedDeviceStatus::DRIVER), causes);
    pool_name(&device.member(AllocatedDeviceStatus::POOL), causes);
    causes.invalid_each(
        &device.member(AllocatedDeviceStatus::DEVICE),
        names::dns_label(device.member(AllocatedDeviceStatus::DEVICE).text()),
    );
}

/// Subdomains with slashes between them.
pub(super) fn pool_name(name: &Field<'_>, causes: &mut Causes) {
    if !causes.require(name) {
        return;
    }
    if name.text().len() > POOL_MAX_BYTES {
        causes.too_long(name, POOL_MAX_BYTES);
    }
    for part in name.text().split('/') {
        causes.invalid_each(name, names::dns_subdomain(part));
    }
}

/// What drivers say of devices that were allocated.
fn network_devices(devices: &Field<'_>, allocation: &Field<'_>, causes: &mut Causes) {
    type Device = AllocatedDeviceStatus;
    const KEY: [FieldName; 4] = [Device::DRIVER, Device::POOL, Device::DEVICE, Device::SHARE_ID];
    let key = |one: &Field<'_>| KEY.map(|member| one.member(member).text().to_owned());
    let allocated: Vec<[String; 4]> = allocation
        .member(AllocationResult::DEVICES)
        .member(DeviceAllocationResult::RESULTS)
        .items()
        .map(|r| key(&r))
        .collect();
    set(devices, usize::MAX, causes, key, |device, causes| {
        self::allocated(device, causes);
        uuid(&device.member(Device::SHARE_ID), causes);
        if !allocated.contains(&key(device)) {
            causes.invalid(device, "must be an allocated device in the claim");
        }
        let conditions = device.member(Device::CONDITIONS);
        if conditions.len() > CONDITIONS_MAX {
            causes.too_many(&conditions, CONDITIONS_MAX);
        }
        rules::conditions(&conditions, causes);
        if device.member(Device::DATA).is_set() {
            raw(&device.member(Device::DATA), DATA_MAX_BYTES, causes);
        }
        network(&device.member(Device::NETWORK_DATA), causes);
    });
}

fn network(data: &Field<'_>, causes: &mut Causes) {
    for (member, max) in [
        (NetworkDeviceData::INTERFACE_NAME, INTERFACE_MAX_BYTES),
        (NetworkDeviceData::HARDWARE_ADDRESS, HARDWARE_ADDRESS_MAX_BYTES),
    ] {
        if data.member(member).text().len() > max {
            causes.too_long(&data.member(member), max);
        }
    }
    set(
        &data.member(NetworkDeviceData::IPS),
        ADDRESSES_MAX,
        causes,
        |ip| ip.text().to_owned(),
        |ip, causes| {
            if net::parse_interface_address(ip.text()).is_none() {
                causes.invalid(ip, "must be an address in CIDR form");
            }
        },
    );
}
