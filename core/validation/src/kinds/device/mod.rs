//! The `resource.k8s.io` group: what devices there are, and who asks for which.

pub mod claim;
pub mod class;
pub mod slice;
pub mod status;

use crate::{
    cel::{self, Scope, Type},
    field::{Causes, Field},
    names,
};

const DRIVER_MAX_BYTES: usize = 63;
const ID_MAX_BYTES: usize = 32;
const EXPRESSION_MAX_BYTES: usize = 10 * 1024;
const PARAMETERS_MAX_BYTES: usize = 10 * 1024;
const SELECTORS_MAX: usize = 32;
const CONFIGS_MAX: usize = 32;

/// Each item, and none more than `max` or with the key of another.
fn set<'a, K: PartialEq>(
    list: &Field<'a>,
    max: usize,
    causes: &mut Causes,
    key: impl Fn(&Field<'a>) -> K,
    check: impl Fn(&Field<'a>, &mut Causes),
) {
    let mut seen: Vec<K> = Vec::new();
    for item in list.items().take(max) {
        check(&item, causes);
        let own = key(&item);
        if seen.contains(&own) {
            causes.duplicate(&item);
        } else {
            seen.push(own);
        }
    }
    if list.len() > max {
        causes.too_many(list, max);
    }
}

fn driver(driver: &Field<'_>, causes: &mut Causes) {
    if !causes.require(driver) {
        return;
    }
    if driver.text().len() > DRIVER_MAX_BYTES {
        causes.too_long(driver, DRIVER_MAX_BYTES);
    }
    causes.invalid_each(driver, names::dns_subdomain(&driver.text().to_lowercase()));
}

/// `name` or `domain/name`, reported at `field`.
fn qualified_name(text: &str, field: &Field<'_>, causes: &mut Causes) {
    let (domain, name) = match text.split_once('/') {
        _ if text.is_empty() => return causes.required(field),
        Some((_, rest)) if rest.contains('/') => {
            return causes.invalid(field, "must be an identifier, optionally with a domain and a slash before it");
        }
        Some((domain, name)) => (Some(domain), name),
        None => (None, text),
    };
    match domain {
        Some("") => causes.required(field),
        Some(domain) => {
            if domain.len() > DRIVER_MAX_BYTES {
                causes.too_long(field, DRIVER_MAX_BYTES);
            }
            causes.invalid_each(field, names::dns_subdomain(&domain.to_lowercase()));
        }
        None => {}
    }
    if name.is_empty() {
        return causes.required(field);
    }
    if name.len() > ID_MAX_BYTES {
        causes.too_long(field, ID_MAX_BYTES);
    }
    causes.invalid_each(field, names::c_identifier(name));
}

/// Expressions that select devices.
fn selectors(list: &Field<'_>, causes: &mut Causes) {
    for selector in list.items().take(SELECTORS_MAX) {
        let cel = selector.member("cel");
        if cel.is_set() {
            expression(&cel.member("expression"), causes);
        } else {
            causes.required(&cel);
        }
    }
    if list.len() > SELECTORS_MAX {
        causes.too_many(list, SELECTORS_MAX);
    }
}

fn expression(field: &Field<'_>, causes: &mut Causes) {
    if field.text().len() > EXPRESSION_MAX_BYTES {
        return causes.too_long(field, EXPRESSION_MAX_BYTES);
    }
    match cel::compile(field.text(), &device_scope()) {
        Ok(found) if found.is(&Type::Bool) => {}
        Ok(_) => causes.invalid(field, "must evaluate to bool"),
        Err(fault) => causes.invalid_because(field, &fault.to_string()),
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
    Scope::new([("device", Type::Struct(std::sync::Arc::new(members)))])
}

/// Parameters that only a driver understands.
fn configuration(configuration: &Field<'_>, causes: &mut Causes) {
    let opaque = configuration.member("opaque");
    if !opaque.is_set() {
        return causes.required(&opaque);
    }
    driver(&opaque.member("driver"), causes);
    raw(&opaque.member("parameters"), PARAMETERS_MAX_BYTES, causes);
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
        let (key, operator, effect) =
            (toleration.member("key"), toleration.member("operator"), toleration.member("effect"));
        if !key.is_empty() {
            causes.invalid_each(&key, names::qualified_name(key.text()));
        }
        match operator.text() {
            "Exists" if !toleration.member("value").is_empty() => {
                causes.invalid(&toleration.member("value"), "must be empty for operator `Exists`");
            }
            "Exists" => {}
            "Equal" => {
                let value = toleration.member("value");
                causes.invalid_each(&value, names::label_value(value.text()));
                if key.is_empty() {
                    causes.required(&key);
                }
            }
            "" => causes.required(&operator),
            _ => causes.not_supported(&operator, &["Equal", "Exists"]),
        }
        if !effect.is_empty() {
            causes.one_of(&effect, &["NoExecute", "NoSchedule", "None"]);
        }
        if toleration.member("tolerationSeconds").is_set() && effect.text() != "NoExecute" {
            causes.invalid(&effect, "must be NoExecute if tolerationSeconds is set");
        }
    }
}
