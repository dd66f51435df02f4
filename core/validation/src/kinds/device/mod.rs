//! The `resource.k8s.io` group: what devices there are, and who asks for which.

pub mod claim;
pub mod class;
mod request_policy;
pub mod slice;
pub mod status;

use std::sync::Arc;

use crate::{
    cel::{self, Extent, Scope, Type},
    field::{Causes, Field},
    kinds::admission::expressions,
    names,
};
use gantry_kinds::fields::resource_v1::{
    CELDeviceSelector, Device, DeviceClaimConfiguration, DeviceSelector, DeviceToleration, OpaqueDeviceConfiguration,
};

const DRIVER_MAX_BYTES: usize = 63;
const ID_MAX_BYTES: usize = 32;
/// Of evaluating one selector.
const COST_MAX: u64 = 1_000_000;
/// Attributes and capacities of a device.
const PROPERTIES_MAX: u64 = 32;
const ATTRIBUTE_MAX_BYTES: u64 = 64;
const EXPRESSION_MAX_BYTES: usize = 10 * 1024;
const PARAMETERS_MAX_BYTES: usize = 10 * 1024;
const SELECTORS_MAX: usize = 32;
const CONFIGS_MAX: usize = 32;

/// Each item, unless there are more than `max`: then nothing but that is said.
fn slice<'a>(list: &Field<'a>, max: usize, causes: &mut Causes, check: impl Fn(&Field<'a>, &mut Causes)) {
    if list.len() > max {
        return causes.too_many(list, max);
    }
    list.items().for_each(|item| check(&item, causes));
}

/// As [`slice`], and no item has the key of another.
fn set<'a, K: PartialEq>(
    list: &Field<'a>,
    max: usize,
    causes: &mut Causes,
    key: impl Fn(&Field<'a>) -> K,
    check: impl Fn(&Field<'a>, &mut Causes),
) {
    slice(list, max, causes, check);
    if list.len() > max {
        return;
    }
    let mut seen: Vec<K> = Vec::new();
    for item in list.items() {
        let own = key(&item);
        if seen.contains(&own) {
            causes.duplicate(&item);
        } else {
            seen.push(own);
        }
    }
}

fn driver(driver: &Field<'_>, causes: &mut Causes) {
    if !causes.require(driver) {
        return;
    }
    driver_name(driver.text(), driver, causes);
}

fn driver_name(text: &str, field: &Field<'_>, causes: &mut Causes) {
    if text.len() > DRIVER_MAX_BYTES {
        causes.too_long(field, DRIVER_MAX_BYTES);
    }
    causes.invalid_each(field, names::dns_subdomain(&text.to_lowercase()));
}

/// `name` or `domain/name`, reported at `field`. What has more slashes is taken as it is, as in the reference.
fn qualified_name(text: &str, field: &Field<'_>, causes: &mut Causes) {
    match *text.split('/').collect::<Vec<_>>() {
        [name] => identifier(name, field, causes),
        [domain, name] => {
            match domain {
                "" => causes.invalid(field, "the domain must not be empty"),
                _ => driver_name(domain, field, causes),
            }
            match name {
                "" => causes.invalid(field, "the name must not be empty"),
                _ => identifier(name, field, causes),
            }
        }
        _ => {}
    }
}

fn identifier(name: &str, field: &Field<'_>, causes: &mut Causes) {
    if name.len() > ID_MAX_BYTES {
        causes.too_long(field, ID_MAX_BYTES);
    }
    causes.invalid_each(field, names::c_identifier(name));
}

/// Expressions that select devices.
fn selectors(list: &Field<'_>, causes: &mut Causes) {
    slice(list, SELECTORS_MAX, causes, |selector, causes| {
        let cel = selector.member(DeviceSelector::CEL);
        if cel.is_set() {
            expression(&cel.member(CELDeviceSelector::EXPRESSION), causes);
        } else {
            causes.required(&cel);
        }
    });
}

fn expression(field: &Field<'_>, causes: &mut Causes) {
    if field.text().len() > EXPRESSION_MAX_BYTES {
        return causes.too_long(field, EXPRESSION_MAX_BYTES);
    }
    match cel::compile(field.text(), &device_scope()) {
        Ok(found) if !found.is(&Type::Bool) => causes.invalid(field, "must evaluate to bool"),
        Ok(_) if cel::cost(field.text(), &[("device", device_extent())]) > COST_MAX => {
            causes.forbidden(field, "too complex, exceeds cost limit");
        }
        Ok(_) => {}
        Err(fault) => expressions::refuse(field, &fault, causes),
    }
}

/// What an expression knows of a device.
fn device_scope() -> Scope {
    let device = [
        ("driver", Type::String),
        ("attributes", Type::Dyn.map().map()),
        ("capacity", Type::Object("kubernetes.Quantity".into()).map().map()),
        ("allowMultipleAllocations", Type::Bool),
    ];
    let members = device.into_iter().map(|(name, of)| (name.to_owned(), of)).collect();
    Scope::new([("device", Type::Struct(Arc::new(members)))]).binding()
}

/// How large a device may be.
fn device_extent() -> Extent {
    let properties = |value: Extent| {
        let of_domain = Extent::Map(PROPERTIES_MAX, Arc::new(value));
        Extent::Map(PROPERTIES_MAX, Arc::new(of_domain))
    };
    let members = [
        ("driver", Extent::Text(DRIVER_MAX_BYTES as u64)),
        ("attributes", properties(Extent::Text(ATTRIBUTE_MAX_BYTES))),
        ("capacity", properties(Extent::Scalar)),
        ("allowMultipleAllocations", Extent::Scalar),
    ];
    Extent::Struct(Arc::new(members.into_iter().map(|(name, of)| (name.to_owned(), of)).collect()))
}

const BINDING_CONDITIONS_MAX: usize = 4;

/// Conditions that a device waits for, and those that end the waiting: both or neither, and none of them twice.
fn binding_conditions(device: &Field<'_>, causes: &mut Causes) {
    let lists = [Device::BINDING_CONDITIONS, Device::BINDING_FAILURE_CONDITIONS].map(|member| device.member(member));
    for list in &lists {
        slice(list, BINDING_CONDITIONS_MAX, causes, |one, causes| {
            causes.invalid_each(one, names::qualified_name(one.text()));
        });
    }
    for list in &lists {
        let words: Vec<&str> = list.items().map(|one| one.text()).collect();
        list.items()
            .enumerate()
            .filter(|(at, one)| words[..*at].contains(&one.text()))
            .for_each(|(_, one)| causes.duplicate(&one));
    }
    let [conditions, failures] = &lists;
    for one in failures.items().filter(|one| conditions.items().any(|other| other.text() == one.text())) {
        causes.invalid(&one, "must not be one of bindingConditions as well");
    }
    for (own, other) in [(conditions, failures), (failures, conditions)] {
        if own.is_empty() && !other.is_empty() {
            causes.invalid(own, "bindingConditions and bindingFailureConditions need each other");
        }
    }
}

/// A UUID in its normal form.
fn uuid(field: &Field<'_>, causes: &mut Causes) {
    let text = field.text().as_bytes();
    let fits = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    if field.is_set() && (text.len() != 36 || !text.iter().enumerate().all(fits)) {
        causes.invalid(field, "must be a UUID in lower case");
    }
}

/// Parameters that only a driver understands.
fn configuration(configuration: &Field<'_>, causes: &mut Causes) {
    let opaque = configuration.member(DeviceClaimConfiguration::OPAQUE);
    if !opaque.is_set() {
        return causes.required(&opaque);
    }
    driver(&opaque.member(OpaqueDeviceConfiguration::DRIVER), causes);
    raw(&opaque.member(OpaqueDeviceConfiguration::PARAMETERS), PARAMETERS_MAX_BYTES, causes);
}

/// A JSON object of a driver.
fn raw(parameters: &Field<'_>, max_bytes: usize, causes: &mut Causes) {
    match parameters.value() {
        None => causes.required(parameters),
        Some(value) if value.to_string().len() > max_bytes => causes.too_long(parameters, max_bytes),
        Some(value) if !value.is_object() => causes.invalid(parameters, "must be a valid JSON object"),
        Some(_) => {}
    }
}

fn tolerations(list: &Field<'_>, causes: &mut Causes) {
    for toleration in list.items() {
        let (key, operator, effect) = (
            toleration.member(DeviceToleration::KEY),
            toleration.member(DeviceToleration::OPERATOR),
            toleration.member(DeviceToleration::EFFECT),
        );
        if !key.is_empty() {
            causes.invalid_each(&key, names::qualified_name(key.text()));
        }
        match operator.text() {
            "Exists" if !toleration.member(DeviceToleration::VALUE).is_empty() => {
                causes.invalid(&toleration.member(DeviceToleration::VALUE), "must be empty for operator `Exists`");
            }
            "Exists" => {}
            "Equal" => {
                let value = toleration.member(DeviceToleration::VALUE);
                causes.invalid_each(&value, names::label_value(value.text()));
            }
            "" => causes.required(&operator),
            _ => causes.not_supported(&operator, &["Equal", "Exists"]),
        }
        if !effect.is_empty() {
            causes.one_of(&effect, &["NoExecute", "NoSchedule", "None"]);
        }
    }
}
