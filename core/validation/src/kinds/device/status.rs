//! The status of a ResourceClaim: what was allocated, and for whom.

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
    let (status, old) = (update.new.member("status"), update.old.member("status"));
    let (consumers, allocation) = (status.member("reservedFor"), status.member("allocation"));
    set(&consumers, CONSUMERS_MAX, causes, |one| one.member("uid").text().to_owned(), consumer);
    network_devices(&status.member("devices"), &allocation, causes);
    if !consumers.is_empty() && !allocation.is_set() {
        causes.forbidden(&consumers, "may not be specified when `allocated` is not set");
    } else if update.new.member("metadata").member("deletionTimestamp").is_set() {
        let before: Vec<Option<&Value>> = old.member("reservedFor").items().map(|one| one.value()).collect();
        if consumers.items().any(|one| !before.contains(&one.value())) {
            causes.forbidden(&consumers, "new entries may not be added while `deletionTimestamp` is set");
        }
    }
    match (old.member("allocation").is_set(), allocation.is_set()) {
        (true, true) => causes.immutable(&allocation, &old.member("allocation")),
        (false, true) => {
            self::allocation(&allocation, &Requests::of(&update.new.member("spec").member("devices")), causes);
        }
        _ => {}
    }
}

fn consumer(consumer: &Field<'_>, causes: &mut Causes) {
    for member in ["resource", "name", "uid"] {
        causes.require(&consumer.member(member));
    }
}

fn allocation(allocation: &Field<'_>, requests: &Requests<'_>, causes: &mut Causes) {
    let devices = allocation.member("devices");
    slice(&devices.member("results"), RESULTS_MAX, causes, |result, causes| {
        requests.check_reference(&result.member("request"), causes);
        allocated(result, causes);
        binding_conditions(result, causes);
        uuid(&result.member("shareID"), causes);
    });
    slice(&devices.member("config"), CONFIGS_MAX, causes, |config, causes| {
        causes.require_one_of(&config.member("source"), &["FromClaim", "FromClass"]);
        super::claim::references(&config.member("requests"), requests, causes);
        configuration(config, causes);
    });
    let selector = allocation.member("nodeSelector");
    if selector.is_set() {
        pod::node_selector(&selector, causes);
    }
}

/// Which device of which pool of which driver.
fn allocated(device: &Field<'_>, causes: &mut Causes) {
    driver(&device.member("driver"), causes);
    pool_name(&device.member("pool"), causes);
    causes.invalid_each(&device.member("device"), names::dns_label(device.member("device").text()));
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
    let key =
        |one: &Field<'_>| ["driver", "pool", "device", "shareID"].map(|member| one.member(member).text().to_owned());
    let allocated: Vec<[String; 4]> = allocation.member("devices").member("results").items().map(|r| key(&r)).collect();
    set(devices, usize::MAX, causes, key, |device, causes| {
        self::allocated(device, causes);
        uuid(&device.member("shareID"), causes);
        if !allocated.contains(&key(device)) {
            causes.invalid(device, "must be an allocated device in the claim");
        }
        let conditions = device.member("conditions");
        if conditions.len() > CONDITIONS_MAX {
            causes.too_many(&conditions, CONDITIONS_MAX);
        }
        rules::conditions(&conditions, causes);
        if device.member("data").is_set() {
            raw(&device.member("data"), DATA_MAX_BYTES, causes);
        }
        network(&device.member("networkData"), causes);
    });
}

fn network(data: &Field<'_>, causes: &mut Causes) {
    for (member, max) in [("interfaceName", INTERFACE_MAX_BYTES), ("hardwareAddress", HARDWARE_ADDRESS_MAX_BYTES)] {
        if data.member(member).text().len() > max {
            causes.too_long(&data.member(member), max);
        }
    }
    set(
        &data.member("ips"),
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
