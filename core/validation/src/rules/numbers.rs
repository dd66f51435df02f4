//! Ports, percentages and numbers in a range.

use gantry_meta::Value;

use crate::{
    field::{Causes, Field},
    names,
};

/// [`Causes::invalid`] unless 1 to 65535.
pub fn port(field: &Field<'_>, causes: &mut Causes) {
    if !field.int().is_some_and(|n| (1..=65535).contains(&n)) {
        causes.invalid(field, "must be between 1 and 65535, inclusive");
    }
}

/// A port's number or name.
pub fn port_or_name(field: &Field<'_>, causes: &mut Causes) {
    match field.value() {
        Some(Value::String(name)) => causes.invalid_each(field, names::port_name(name)),
        _ => port(field, causes),
    }
}

/// [`Causes::invalid`] if the number is given and not within the bounds.
pub fn in_range(field: &Field<'_>, low: i64, high: i64, causes: &mut Causes) {
    if field.int().is_some_and(|n| !(low..=high).contains(&n)) {
        causes.invalid(field, "is out of range");
    }
}

/// The number of a percentage.
pub fn percent(text: &str) -> Option<i64> {
    let digits = text.strip_suffix('%')?;
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().unwrap_or(i64::MAX))
}

/// [`Causes::invalid`] unless a number of zero or more, or a percentage.
pub fn non_negative_or_percent(field: &Field<'_>, causes: &mut Causes) {
    match field.value() {
        Some(Value::String(text)) if percent(text).is_none() => {
            causes.invalid(field, "a valid percent string must be a numeric string followed by an ending '%'");
        }
        Some(Value::Number(_)) => causes.non_negative(field),
        _ => {}
    }
}

/// [`Causes::invalid`] for more than 100 %.
pub fn at_most_100_percent(field: &Field<'_>, causes: &mut Causes) {
    if percent(field.text()).is_some_and(|n| n > 100) {
        causes.invalid(field, "must not be greater than 100%");
    }
}

/// The number of an int-or-percent field, whichever it is.
pub fn int_or_percent(field: &Field<'_>) -> i64 {
    let text = field.text();
    field.int().or_else(|| percent(text)).or_else(|| text.parse().ok()).unwrap_or_default()
}

/// A user's or group's id.
pub fn id(field: &Field<'_>, causes: &mut Causes) {
    in_range(field, 0, i32::MAX.into(), causes);
}
