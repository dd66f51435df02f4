//! Conditional defaults of the `batch` group.

use super::{Rule, Surroundings, labels_from_template, set_if_absent};
use gantry_meta::{Object, Value};

pub(super) fn rule(short_name: &str) -> Option<Rule> {
    match short_name {
        "Job" => Some(|job, _| labels_from_template(job)),
        _ => None,
    }
}

/// A job that says neither how many nor how many at once runs one; `parallelism` alone leaves `completions` unset.
pub(super) fn job_spec(spec: &mut Object, _: &Surroundings) {
    let given = |name: &str| spec.get(name).is_some_and(|v| !v.is_null());
    let (counts, per_index, policy) =
        (given("completions") || given("parallelism"), given("backoffLimitPerIndex"), given("podFailurePolicy"));
    if !counts {
        set_if_absent(spec, "completions", 1);
    }
    set_if_absent(spec, "backoffLimit", if per_index { Value::from(i32::MAX) } else { Value::from(6) });
    set_if_absent(spec, "podReplacementPolicy", if policy { "Failed" } else { "TerminatingOrFailed" });
}
