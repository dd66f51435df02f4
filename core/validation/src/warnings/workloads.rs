//! Pods, and all that makes pods.

use gantry_kinds::fields::{
    AnyObject,
    apps_v1::{DaemonSetSpec, StatefulSet, StatefulSetSpec},
    batch_v1::{CronJob, CronJobSpec, Job, JobSpec, JobTemplateSpec},
    core_v1::{PersistentVolumeClaim, PodTemplate},
};

use super::{Found, Written, names, pod, storage};
use crate::field::{Field, Root};

const COMPLETIONS_SOFT_MAX: i64 = 100_000;
const PARALLELISM_SOFT_MAX: i64 = 10_000;

/// Pods are written often and by machines: they are looked at when they are new.
pub(super) fn pod(written: Written<'_>, found: &mut Found) {
    if written.is_new() {
        names::becomes_hostname(written, found);
        pod::pod(written.new, found);
    }
}

pub(super) fn pod_template(written: Written<'_>, found: &mut Found) {
    if written.is_new_generation() {
        pod::template(&written.new.member(PodTemplate::TEMPLATE), found);
    }
}

fn template(root: Root<'_>) -> Field<'_> {
    root.member(AnyObject::SPEC).member(DaemonSetSpec::TEMPLATE)
}

/// As [`named_after`]. Of a changed one the reference looks at the template that it had before.
pub(super) fn replication_controller(written: Written<'_>, found: &mut Found) {
    names::becomes_hostname(written, found);
    if written.is_new_generation() {
        pod::template(&template(written.old.unwrap_or(written.new)), found);
    }
}

/// What makes pods that are named after it.
pub(super) fn named_after(written: Written<'_>, found: &mut Found) {
    names::becomes_hostname(written, found);
    if written.is_new_generation() {
        pod::template(&template(written.new), found);
    }
}

pub(super) fn daemon_set(written: Written<'_>, found: &mut Found) {
    let template = template(written.new);
    if written.old.is_none_or(|old| self::template(old).value() != template.value()) {
        pod::template(&template, found);
    }
}

pub(super) fn stateful_set(written: Written<'_>, found: &mut Found) {
    if written.is_new_generation() {
        pod::template(&template(written.new), found);
    }
    let spec = written.new.member(StatefulSet::SPEC);
    for claim in spec.member(StatefulSetSpec::VOLUME_CLAIM_TEMPLATES).items() {
        storage::claim_spec(&claim.member(PersistentVolumeClaim::SPEC), found);
    }
    let limit = spec.member(StatefulSetSpec::REVISION_HISTORY_LIMIT);
    if limit.int().is_some_and(|revisions| revisions < 0) {
        found.at(&limit, "a negative number keeps every revision; zero or more is recommended");
    }
}

pub(super) fn job(written: Written<'_>, found: &mut Found) {
    names::becomes_hostname(written, found);
    if written.is_new_generation() {
        job_spec(&written.new.member(Job::SPEC), found);
    }
}

pub(super) fn cron_job(written: Written<'_>, found: &mut Found) {
    names::becomes_hostname(written, found);
    let spec = written.new.member(CronJob::SPEC);
    if written.is_new_generation() {
        job_spec(&spec.member(CronJobSpec::JOB_TEMPLATE).member(JobTemplateSpec::SPEC), found);
    }
    if !written.is_new() && spec.member(CronJobSpec::SCHEDULE).text().contains("TZ") {
        found.at(&spec.member(CronJobSpec::SCHEDULE), "TZ and CRON_TZ are not supported; use spec.timeZone");
    }
}

/// Of a large indexed job that fails a lot, not every index that is done can be noted.
fn job_spec(spec: &Field<'_>, found: &mut Found) {
    let more_than = |member, most| spec.member(member).int().is_some_and(|number| number > most);
    if spec.member(JobSpec::COMPLETION_MODE).text() == "Indexed"
        && more_than(JobSpec::COMPLETIONS, COMPLETIONS_SOFT_MAX)
        && more_than(JobSpec::PARALLELISM, PARALLELISM_SOFT_MAX)
    {
        let why = "with more than 100,000 completions and a parallelism above 10,000, completedIndexes may be cut off";
        found.at(spec, why);
    }
    pod::template(&spec.member(JobSpec::TEMPLATE), found);
}
