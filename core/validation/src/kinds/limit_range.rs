//! LimitRange.

use gantry_kinds::{
    FieldName,
    fields::core_v1::{LimitRange, LimitRangeItem, LimitRangeSpec},
};
use gantry_meta::Quantity;

use crate::{
    field::{Causes, Field, Root},
    names,
    rules::resources::{amount, container_resource_name, is_overcommit_allowed, resource_name},
    table::Update,
};

const STANDARD_TYPES: [&str; 3] = ["Pod", "Container", "PersistentVolumeClaim"];

pub fn create(object: Root<'_>, causes: &mut Causes) {
    let mut seen: Vec<&str> = Vec::new();
    for limit in object.member(LimitRange::SPEC).member(LimitRangeSpec::LIMITS).items() {
        let kind = limit.member(LimitRangeItem::TYPE);
        let reasons = names::qualified_name(kind.text());
        let is_name = reasons.is_empty();
        causes.invalid_each(&kind, reasons);
        if is_name && !kind.text().contains('/') && !STANDARD_TYPES.contains(&kind.text()) {
            causes.invalid(&kind, "must be a standard limit type or fully qualified");
        }
        if seen.contains(&kind.text()) {
            causes.duplicate(&kind);
        }
        seen.push(kind.text());
        self::limit(&limit, causes);
    }
}

fn limit(limit: &Field<'_>, causes: &mut Causes) {
    let kind = limit.member(LimitRangeItem::TYPE).text();
    let mut members = vec![LimitRangeItem::MAX, LimitRangeItem::MIN];
    if kind == "Pod" {
        for member in [LimitRangeItem::DEFAULT, LimitRangeItem::DEFAULT_REQUEST] {
            if !limit.member(member).is_empty() {
                causes.forbidden(&limit.member(member), "may not be specified when `type` is 'Pod'");
            }
        }
    } else {
        members.extend([LimitRangeItem::DEFAULT, LimitRangeItem::DEFAULT_REQUEST]);
    }
    members.push(LimitRangeItem::MAX_LIMIT_REQUEST_RATIO);
    let mut keys: Vec<&str> = Vec::new();
    for member in members {
        for (name, field) in limit.member(member).entries() {
            match kind {
                "Pod" | "Container" => container_resource_name(name, &field, causes),
                _ => resource_name(name, &field, causes),
            }
            keys.push(name);
        }
    }
    let has = |member: FieldName| limit.member(member).property("storage").is_some();
    if kind == "PersistentVolumeClaim" && !has(LimitRangeItem::MIN) && !has(LimitRangeItem::MAX) {
        causes.required(&limit.member(LimitRangeSpec::LIMITS));
    }
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter().for_each(|key| ordered(limit, key, causes));
}

/// min ≤ default request ≤ default ≤ max, and a ratio of at least 1.
fn ordered(limit: &Field<'_>, key: &str, causes: &mut Causes) {
    // What a limit of pods may not have is not looked at.
    let is_looked_at = |member| {
        limit.member(LimitRangeItem::TYPE).text() != "Pod"
            || !matches!(member, LimitRangeItem::DEFAULT | LimitRangeItem::DEFAULT_REQUEST)
    };
    let find = |member: FieldName| limit.member(member).property(key).filter(|_| is_looked_at(member));
    let (min, max, default, request, ratio) = (
        find(LimitRangeItem::MIN),
        find(LimitRangeItem::MAX),
        find(LimitRangeItem::DEFAULT),
        find(LimitRangeItem::DEFAULT_REQUEST),
        find(LimitRangeItem::MAX_LIMIT_REQUEST_RATIO),
    );
    let above = |low: &Option<Field<'_>>, high: &Option<Field<'_>>| {
        let (low, high) = (low.as_ref().and_then(amount), high.as_ref().and_then(amount));
        low.zip(high).is_some_and(|(low, high)| low > high)
    };
    let mut report = |broken: bool, at: &Option<Field<'_>>, why| {
        if let Some(field) = at.as_ref().filter(|_| broken) {
            causes.invalid(field, why);
        }
    };
    report(above(&min, &max), &min, "min value is greater than max value");
    report(above(&min, &request), &request, "min value is greater than default request value");
    report(above(&request, &max), &request, "default request value is greater than max value");
    report(above(&request, &default), &request, "default request value is greater than default limit value");
    report(above(&min, &default), &default, "min value is greater than default value");
    report(above(&default, &max), &default, "default value is greater than max value");
    let one = Quantity::from_milli(1000);
    let small = ratio.as_ref().and_then(amount).is_some_and(|ratio| ratio < one);
    report(small, &ratio, "ratio is less than 1");
    report(exceeds(&ratio, &max, &min), &ratio, "ratio is greater than max/min");
    let differ = default.as_ref().and_then(amount) != request.as_ref().and_then(amount);
    let strict = !is_overcommit_allowed(key) && default.is_some() && request.is_some();
    report(strict && differ, &request, "default value must equal to defaultRequest value");
}

/// Whether a ratio asks for more than there is between the least and the most.
fn exceeds(ratio: &Option<Field<'_>>, max: &Option<Field<'_>>, min: &Option<Field<'_>>) -> bool {
    let milli = |field: &Option<Field<'_>>| field.as_ref().and_then(amount).map(|amount| amount.milli() as f64);
    match (milli(ratio), milli(max), milli(min)) {
        (Some(ratio), Some(max), Some(min)) => ratio / 1000.0 > max / min,
        _ => false,
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    create(update.new, causes);
}
