//! ResourceSlice.

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
const LISTS: [&str; 4] = ["bools", "ints", "strings", "versions"];
const PLACES: [&str; 4] = ["nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection"];

pub fn create(object: Root<'_>, causes: &mut Causes) {
    spec(&object.member("spec"), None, causes);
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    spec(&update.new.member("spec"), Some(&update.old.member("spec")), causes);
}

fn spec<'a>(spec: &Field<'a>, old: Option<&Field<'a>>, causes: &mut Causes) {
    driver(&spec.member("driver"), causes);
    let pool = spec.member("pool");
    pool_name(&pool.member("name"), causes);
    if pool.member("resourceSliceCount").int().unwrap_or_default() <= 0 {
        causes.invalid(&pool.member("resourceSliceCount"), "must be greater than zero");
    }
    causes.non_negative(&pool.member("generation"));
    if let Some(old) = old {
        causes.immutable(&pool.member("name"), &old.member("pool").member("name"));
        causes.immutable(&spec.member("driver"), &old.member("driver"));
        causes.immutable(&spec.member("nodeName"), &old.member("nodeName"));
    }
    places(spec, &PLACES, causes);
    let (devices, counters) = (spec.member("devices"), spec.member("sharedCounters"));
    if devices.is_set() && counters.is_set() {
        causes.invalid(spec, "only one of `sharedCounters` or `devices` is allowed");
    }
    let max = if devices.items().any(|one| is_large(&one)) { LARGE_DEVICES_MAX } else { DEVICES_MAX };
    let each_its_own = spec.member("perDeviceNodeSelection").flag();
    let name = |one: &Field<'_>| one.member("name").text().to_owned();
    let stored = |one: &Field<'a>| {
        let mut all = old.map(|old| old.member("devices").items())?;
        all.find(|stored| name(stored) == name(one))
    };
    set(&devices, max, causes, name, |one, causes| device(one, stored(one).as_ref(), each_its_own, causes));
    set(&counters, COUNTER_SETS_MAX, causes, name, |one, causes| counter_set(one, "name", causes));
}

/// A device with taints, counters or lists of values weighs more.
fn is_large(device: &Field<'_>) -> bool {
    let has_lists = |attribute: &Field<'_>| LISTS.iter().any(|member| attribute.member(member).is_set());
    ["taints", "consumesCounters"].iter().any(|member| !device.member(member).is_empty())
        || device.member("attributes").entries().any(|(_, attribute)| has_lists(&attribute))
}

/// Exactly one of `members` says on which nodes the devices are.
fn places(parent: &Field<'_>, members: &[&'static str], causes: &mut Causes) {
    let mut given = 0;
    for member in members {
        let place = parent.member(member);
        // An empty name and `false` count as nothing, and are wrong besides.
        given += usize::from(place.object().is_some() || place.flag() || !place.text().is_empty());
        match (*member, place.is_set()) {
            (_, false) => {}
            ("nodeName", _) if place.is_empty() => causes.invalid(&place, "must be either unset or a non-empty string"),
            ("nodeName", _) => causes.invalid_each(&place, names::dns_subdomain(place.text())),
            ("nodeSelector", _) => {
                pod::node_selector(&place, causes);
                let terms = place.member("nodeSelectorTerms");
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
    causes.invalid_each(&device.member("name"), names::dns_label(device.member("name").text()));
    properties(device, causes);
    let taints = device.member("taints");
    if stored.is_none_or(|stored| stored.member("taints").value() != taints.value()) {
        super::slice(&taints, TAINTS_MAX, causes, taint);
    }
    let consumed = device.member("consumesCounters");
    let key = |one: &Field<'_>| one.member("counterSet").text().to_owned();
    set(&consumed, CONSUMPTIONS_MAX, causes, key, |one, causes| counter_set(one, "counterSet", causes));
    let own = &PLACES[..3];
    if each_its_own {
        places(device, own, causes);
    } else if own.iter().any(|member| device.member(member).is_set()) {
        causes.invalid(device, "nodes can only be given if `perDeviceNodeSelection` is true");
    }
    binding_conditions(device, causes);
}

/// Attributes and capacities. Their names are reported at the map.
fn properties(device: &Field<'_>, causes: &mut Causes) {
    let (attributes, capacity) = (device.member("attributes"), device.member("capacity"));
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
    let shared = device.member("allowMultipleAllocations").flag();
    for (key, value) in capacity.entries() {
        qualified_name(key, &capacity, causes);
        let policy = value.member("requestPolicy");
        match (policy.is_set(), shared) {
            (true, true) => request_policy::request_policy(&value.member("value"), &policy, causes),
            (true, false) => causes.forbidden(&policy, "allowMultipleAllocations must be true"),
            (false, _) => {}
        }
    }
}

/// How many values an attribute counts as.
fn values(attribute: &Field<'_>) -> usize {
    LISTS.iter().map(|member| attribute.member(member).len()).sum::<usize>().max(1)
}

/// A value of exactly one type.
fn attribute(attribute: &Field<'_>, causes: &mut Causes) {
    const TYPES: [&str; 8] = ["bool", "int", "string", "version", "bools", "ints", "strings", "versions"];
    for text in ["string", "version"] {
        let value = attribute.member(text);
        if text == "version" && value.is_set() && !names::is_semantic_version(value.text()) {
            causes.invalid(&value, "must be a string compatible with semver.org spec 2.0.0");
        }
        if value.text().len() > VALUE_MAX_BYTES {
            causes.too_long(&value, VALUE_MAX_BYTES);
        }
    }
    for list in LISTS.iter().map(|member| attribute.member(member)).filter(|list| list.is_set() && list.is_empty()) {
        causes.invalid(&list, "must not be empty if specified");
    }
    if TYPES.iter().filter(|member| attribute.member(member).is_set()).count() != 1 {
        causes.invalid(attribute, "exactly one value must be specified");
    }
}

fn taint(taint: &Field<'_>, causes: &mut Causes) {
    let (key, value) = (taint.member("key"), taint.member("value"));
    causes.invalid_each(&key, names::qualified_name(key.text()));
    causes.invalid_each(&value, names::label_value(value.text()));
    causes.require_one_of(&taint.member("effect"), &["NoExecute", "NoSchedule", "None"]);
}

fn counter_set(set: &Field<'_>, name: &'static str, causes: &mut Causes) {
    let (name, counters) = (set.member(name), set.member("counters"));
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
