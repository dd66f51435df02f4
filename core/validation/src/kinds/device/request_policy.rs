//! How much of a capacity one request of several may take.

use gantry_kinds::fields::resource_v1::{CapacityRequestPolicy, CapacityRequestPolicyRange};
use gantry_meta::Quantity;

use crate::{
    field::{Causes, Field},
    rules::resources::amount,
};

const OPTIONS_MAX: usize = 10;

/// Either a list of amounts or a range, with a default that is one of them. `capacity` is what there is.
pub(super) fn request_policy(capacity: &Field<'_>, policy: &Field<'_>, causes: &mut Causes) {
    let (values, range) =
        (policy.member(CapacityRequestPolicy::VALID_VALUES), policy.member(CapacityRequestPolicy::VALID_RANGE));
    if !values.is_empty() && range.is_set() {
        return causes.forbidden(policy, "cannot specify `validValues` and `validRange` at the same time");
    }
    if values.is_empty() && !range.is_set() {
        return;
    }
    let default = policy.member(CapacityRequestPolicy::DEFAULT);
    let (Some(most), Some(wanted)) = (amount(capacity), amount(&default)) else {
        return causes.required(&default);
    };
    if range.is_set() {
        self::range(&range, wanted, most, causes);
    } else {
        options(&values, wanted, most, causes);
    }
}

/// Amounts in ascending order, none above what there is, the default among them.
fn options(values: &Field<'_>, default: Quantity, most: Quantity, causes: &mut Causes) {
    let amounts: Vec<(Field<'_>, Quantity)> =
        values.items().filter_map(|one| Some((one.clone(), amount(&one)?))).collect();
    for pair in amounts.windows(2).filter(|pair| pair[0].1 > pair[1].1) {
        causes.invalid(&pair[1].0, "values must be sorted in ascending order");
    }
    super::set(
        values,
        OPTIONS_MAX,
        causes,
        |one| amount(one).map(|amount| amount.units()),
        |one, causes| {
            if amount(one).is_some_and(|amount| amount > most) {
                causes.invalid(one, "is larger than the capacity");
            }
        },
    );
    if values.len() > OPTIONS_MAX || !amounts.iter().any(|(_, one)| *one == default) {
        causes.invalid(values, "must contain the default");
    }
}

/// From `min` to `max`, by `step`.
fn range(range: &Field<'_>, default: Quantity, most: Quantity, causes: &mut Causes) {
    let (least_field, max_field) =
        (range.member(CapacityRequestPolicyRange::MIN), range.member(CapacityRequestPolicyRange::MAX));
    let Some(least) = amount(&least_field) else { return causes.required(&least_field) };
    let max = amount(&max_field);
    for (broken, field, why) in [
        (least > most, &least_field, "is larger than the capacity"),
        (default < least, &least_field, "is larger than the default"),
        (max.is_some_and(|max| least > max), &max_field, "is smaller than min"),
        (max.is_some_and(|max| max > most), &max_field, "is larger than the capacity"),
        (max.is_some_and(|max| default > max), &max_field, "is smaller than the default"),
    ] {
        if broken {
            causes.invalid(field, why);
        }
    }
    let step_field = range.member(CapacityRequestPolicyRange::STEP);
    let Some(step) = amount(&step_field) else { return };
    if least.plus(step) > most {
        causes.invalid(&step_field, "one step is larger than the capacity");
    }
    for reached in [Some(default), max].into_iter().flatten() {
        let missed = reached.units().wrapping_sub(least.units()).checked_rem(step.units());
        if missed != Some(0) {
            causes.invalid(&step_field, "must lead from min to the default and to max");
        }
    }
}
