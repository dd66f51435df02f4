//! ResourceSlice.

use gantry_kinds::{
    FieldName,
    fields::{
        core_v1::NodeSelector,
        resource_v1::{
            CounterSet, Device, DeviceAttribute, DeviceCapacity, DeviceCounterConsumption, DeviceTaint, ResourcePool,
            ResourceSlice, ResourceSliceSpec,
        },
    },
};

use super::{binding_conditions, driver, qualified_name, request_policy, set, status::pool_name};
use crate::{
    field::{Causes, Field, Root},
    kinds::pod,
    names,
    table::Update,
};

const DEVICES_MAX: usize = 128;
/// Of devices with taints or counters.
const LARGE_DEVICES_MAX: usize = 64;
const COUNTER_SETS_MAX: usize = 8;
const COUNTERS_MAX: usize = 32;
const PROPERTIES_MAX: usize = 32;
const TAINTS_MAX: usize = 16;
const CONSUMPTIONS_MAX: usize = 2;
const VALUE_MAX_BYTES: usize = 64;
const VALUES_MAX: usize = 48;
/// Attributes of several values.
const LISTS: [FieldName; 4] =
    [DeviceAttribute::BOOLS, DeviceAttribute::INTS, DeviceAttribute::STRINGS, DeviceAttribute::VERSIONS];
const PLACES: [FieldName; 4] =
    [Device::NODE_NAME, Device::NODE_SELECTOR, Device::ALL_NODES, ResourceSliceSpec::PER_DEVICE_NODE_SELECTION];

pub fn create(object: Root<'_>, causes: &mut Causes) {
    spec(&object.member(ResourceSlice::SPEC), None, causes);
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    spec(&update.new.member(ResourceSlice::SPEC), Some(&update.old.member(ResourceSlice::SPEC)), causes);
}

fn spec<'a>(spec: &Field<'a>, old: Option<&Field<'a>>, causes: &mut Causes) {
    driver(&spec.member(ResourceSliceSpec::DRIVER), causes);
    let pool = spec.member(ResourceSliceSpec::POOL);
    pool_name(&pool.member(ResourcePool::NAME), causes);
    if pool.member(ResourcePool::RESOURCE_SLICE_COUNT).int().unwrap_or_default() <= 0 {
        causes.invalid(&pool.member(ResourcePool::RESOURCE_SLICE_COUNT), "must be greater than zero");
    }
    causes.non_negative(&pool.member(ResourcePool::GENERATION));
    if let Some(old) = old {
        causes.immutable(
            &pool.member(ResourcePool::NAME),
            &old.member(ResourceSliceSpec::POOL).member(ResourcePool::NAME),
        );
        causes.immutable(&spec.member(ResourceSliceSpec::DRIVER), &old.member(ResourceSliceSpec::DRIVER));
        causes.immutable(&spec.member(ResourceSliceSpec::NODE_NAME), &old.member(ResourceSliceSpec::NODE_NAME));
    }
    places(spec, &PLACES, causes);
    let (devices, counters) =
        (spec.member(ResourceSliceSpec::DEVICES), spec.member(ResourceSliceSpec::SHARED_COUNTERS));
    if devices.is_set() && counters.is_set() {
        causes.invalid(spec, "only one of `sharedCounters` or `devices` is allowed");
    }
    let max = if devices.items().any(|one| is_large(&one)) { LARGE_DEVICES_MAX } else { DEVICES_MAX };
    let each_its_own = spec.member(ResourceSliceSpec::PER_DEVICE_NODE_SELECTION).flag();
    let name = |one: &Field<'_>| one.member(Device::NAME).text().to_owned();
    let stored = |one: &Field<'a>| {
        let mut all = old.map(|old| old.member(ResourceSliceSpec::DEVICES).items())?;
        all.find(|stored| name(stored) == name(one))
    };
    set(&devices, max, causes, name, |one, causes| device(one, stored(one).as_ref(), each_its_own, causes));
    set(&counters, COUNTER_SETS_MAX, causes, name, |one, causes| counter_set(one, CounterSet::NAME, causes));
}

/// A device with taints, counters or lists of values weighs more.
fn is_large(device: &Field<'_>) -> bool {
    let has_lists = |attribute: &Field<'_>| LISTS.iter().any(|member| attribute.member(*member).is_set());
    [Device::TAINTS, Device::CONSUMES_COUNTERS].iter().any(|member| !device.member(*member).is_empty())
        || device.member(Device::ATTRIBUTES).entries().any(|(_, attribute)| has_lists(&attribute))
}

/// Exactly one of `members` says on which nodes the devices are.
fn places(parent: &Field<'_>, members: &[FieldName], causes: &mut Causes) {
    let mut given = 0;
    for member in members {
        let place = parent.member(*member);
        // An empty name and `false` count as nothing, and are wrong besides.
        given += usize::from(place.object().is_some() || place.flag() || !place.text().is_empty());
        match (*member, place.is_set()) {
            (_, false) => {}
            (ResourceSliceSpec::NODE_NAME | Device::NODE_NAME, _) if place.is_empty() => {
                causes.invalid(&place, "must be either unset or a non-empty string")
            }
            (ResourceSliceSpec::NODE_NAME | Device::NODE_NAME, _) => {
                causes.invalid_each(&place, names::dns_subdomain(place.text()));
            }
            (ResourceSliceSpec::NODE_SELECTOR | Device::NODE_SELECTOR, _) => {
                pod::node_selector(&place, causes);
                let terms = place.member(NodeSelector::NODE_SELECTOR_TERMS);
                if terms.len() != 1 && members.len() == PLACES.len() {
                    causes.invalid(&terms, "must have exactly one node selector term");
                }
            }
            _ if !place.flag() => causes.invalid(&place, "must be either unset or set to true"),
            _ => {}
        }
    }
    match given {
        0 => causes.required(parent),
        1 => {}
        _ => causes.invalid(parent, "exactly one way to say which nodes have the devices is required"),
    }
}

fn device<'a>(device: &Field<'a>, stored: Option<&Field<'a>>, each_its_own: bool, causes: &mut Causes) {
    causes.invalid_each(&device.member(Device::NAME), names::dns_label(device.member(Device::NAME).text()));
    properties(device, causes);
    let taints = device.member(Device::TAINTS);
    if stored.is_none_or(|stored| stored.member(Device::TAINTS).value() != taints.value()) {
        super::slice(&taints, TAINTS_MAX, causes, taint);
    }
    let consumed = device.member(Device::CONSUMES_COUNTERS);
    let key = |one: &Field<'_>| one.member(DeviceCounterConsumption::COUNTER_SET).text().to_owned();
    set(&consumed, CONSUMPTIONS_MAX, causes, key, |one, causes| {
        counter_set(one, DeviceCounterConsumption::COUNTER_SET, causes)
    });
    let own = &PLACES[..3];
    if each_its_own {
        places(device, own, causes);
    } else if own.iter().any(|member| device.member(*member).is_set()) {
        causes.invalid(device, "nodes can only be given if `perDeviceNodeSelection` is true");
    }
    binding_conditions(device, causes);
}

/// Attributes and capacities. Their names are reported at the map.
fn properties(device: &Field<'_>, causes: &mut Causes) {
    let (attributes, capacity) = (device.member(Device::ATTRIBUTES), device.member(Device::CAPACITY));
    if attributes.len() + capacity.len() > PROPERTIES_MAX {
        causes.invalid(device, "the total number of attributes and capacities must not exceed 32");
    }
    if attributes.entries().map(|(_, value)| values(&value)).sum::<usize>() > VALUES_MAX {
        causes.invalid(device, "the total number of attribute values must not exceed 48");
    }
    for (key, value) in attributes.entries() {
        qualified_name(key, &attributes, causes);
        attribute(&value, causes);
    }
    let shared = device.member(Device::ALLOW_MULTIPLE_ALLOCATIONS).flag();
    for (key, value) in capacity.entries() {
        qualified_name(key, &capacity, causes);
        let policy = value.member(DeviceCapacity::REQUEST_POLICY);
        match (policy.is_set(), shared) {
            (true, true) => request_policy::request_policy(&value.member(DeviceCapacity::VALUE), &policy, causes),
            (true, false) => causes.forbidden(&policy, "allowMultipleAllocations must be true"),
            (false, _) => {}
        }
    }
}

/// How many values an attribute counts as.
fn values(attribute: &Field<'_>) -> usize {
    LISTS.iter().map(|member| attribute.member(*member).len()).sum::<usize>().max(1)
}

/// A value of exactly one type.
fn attribute(attribute: &Field<'_>, causes: &mut Causes) {
    const TYPES: [FieldName; 8] = [
        DeviceAttribute::BOOL,
        DeviceAttribute::INT,
        DeviceAttribute::STRING,
        DeviceAttribute::VERSION,
        DeviceAttribute::BOOLS,
        DeviceAttribute::INTS,
        DeviceAttribute::STRINGS,
        DeviceAttribute::VERSIONS,
    ];
    for text in [DeviceAttribute::STRING, DeviceAttribute::VERSION] {
        let value = attribute.member(text);
        if text == DeviceAttribute::VERSION && value.is_set() && !names::is_semantic_version(value.text()) {
            causes.invalid(&value, "must be a string compatible with semver.org spec 2.0.0");
        }
        if value.text().len() > VALUE_MAX_BYTES {
            causes.too_long(&value, VALUE_MAX_BYTES);
        }
    }
    for list in LISTS.iter().map(|member| attribute.member(*member)).filter(|list| list.is_set() && list.is_empty()) {
        causes.invalid(&list, "must not be empty if specified");
    }
    if TYPES.iter().filter(|member| attribute.member(**member).is_set()).count() != 1 {
        causes.invalid(attribute, "exactly one value must be specified");
    }
}

fn taint(taint: &Field<'_>, causes: &mut Causes) {
    let (key, value) = (taint.member(DeviceTaint::KEY), taint.member(DeviceTaint::VALUE));
    causes.invalid_each(&key, names::qualified_name(key.text()));
    causes.invalid_each(&value, names::label_value(value.text()));
    causes.require_one_of(&taint.member(DeviceTaint::EFFECT), &["NoExecute", "NoSchedule", "None"]);
}

fn counter_set(set: &Field<'_>, name: FieldName, causes: &mut Causes) {
    let (name, counters) = (set.member(name), set.member(CounterSet::COUNTERS));
    if causes.require(&name) {
        causes.invalid_each(&name, names::dns_label(name.text()));
    }
    causes.require(&counters);
    if counters.len() > COUNTERS_MAX {
        return causes.too_many(&counters, COUNTERS_MAX);
    }
    for (key, _) in counters.entries() {
        causes.invalid_each(&counters, names::dns_label(key));
    }
}
