//! Status of a job. Most rules hold only for what a write changes: what is stored may be older than they are, or have been
//! overtaken by a change of the spec.

use gantry_kinds::{
    FieldName,
    fields::batch_v1::{Job, JobCondition, JobSpec, JobStatus, UncountedTerminatedPods},
};

use super::indexes;
use crate::{
    field::{Causes, Field, Root},
    table::Update,
};

const COUNTERS: [FieldName; 5] =
    [JobStatus::ACTIVE, JobStatus::SUCCEEDED, JobStatus::FAILED, JobStatus::READY, JobStatus::TERMINATING];
const COMPLETE: &str = "Complete";
const FAILED: &str = "Failed";
const FAILURE_TARGET: &str = "FailureTarget";
const SUCCESS_CRITERIA_MET: &str = "SuccessCriteriaMet";
const SUSPENDED: &str = "Suspended";

/// Whether a status has a condition of that type with status `True`.
pub(super) fn is_true(status: &Field<'_>, kind: &str) -> bool {
    has_condition(status, kind, "True")
}

fn has_condition(status: &Field<'_>, kind: &str, value: &str) -> bool {
    let mut conditions = status.member(JobStatus::CONDITIONS).items();
    conditions.any(|condition| {
        condition.member(JobCondition::TYPE).text() == kind && condition.member(JobCondition::STATUS).text() == value
    })
}

pub(super) fn update(update: Update<'_>, causes: &mut Causes) {
    let change = Change::new(update);
    COUNTERS.iter().for_each(|counter| causes.non_negative(&change.new.member(*counter)));
    uncounted(&change.new.member(JobStatus::UNCOUNTED_TERMINATED_PODS), causes);
    for rule in RULES.iter().filter(|rule| (rule.concerns)(&change) && (rule.is_broken)(&change)) {
        let field = change.new.member(rule.member);
        match rule.why {
            Some(why) => causes.invalid(&field, why),
            None => causes.required(&field),
        }
    }
}

/// Uids of pods, each in one of the lists and once.
fn uncounted(pods: &Field<'_>, causes: &mut Causes) {
    let mut seen: Vec<&str> = Vec::new();
    for uid in [UncountedTerminatedPods::SUCCEEDED, UncountedTerminatedPods::FAILED]
        .into_iter()
        .flat_map(|list| pods.member(list).items())
    {
        if uid.text().is_empty() {
            causes.invalid(&uid, "must not be empty");
        } else if seen.contains(&uid.text()) {
            causes.duplicate(&uid);
        }
        seen.push(uid.text());
    }
}

/// One rule about a member of the status.
struct Rule {
    member: FieldName,
    /// Whether the write changes what the rule is about.
    concerns: fn(&Change<'_>) -> bool,
    is_broken: fn(&Change<'_>) -> bool,
    /// `None`: the member is required.
    why: Option<&'static str>,
}

const fn rule(
    member: FieldName,
    concerns: fn(&Change<'_>) -> bool,
    is_broken: fn(&Change<'_>) -> bool,
    why: &'static str,
) -> Rule {
    Rule { member, concerns, is_broken, why: Some(why) }
}

const fn required(member: FieldName, concerns: fn(&Change<'_>) -> bool, is_broken: fn(&Change<'_>) -> bool) -> Rule {
    Rule { member, concerns, is_broken, why: None }
}

fn always(_: &Change<'_>) -> bool {
    true
}

/// How a job ends, in the reference's order.
static RULES: [Rule; 29] = [
    rule(
        JobStatus::CONDITIONS,
        |c| c.becomes(COMPLETE) || c.becomes(FAILED),
        |c| c.is(COMPLETE) && c.is(FAILED),
        "cannot be both Complete and Failed",
    ),
    rule(
        JobStatus::CONDITIONS,
        |c| c.becomes(COMPLETE) || c.becomes(FAILURE_TARGET),
        |c| c.is(COMPLETE) && c.is(FAILURE_TARGET),
        "cannot be both Complete and FailureTarget",
    ),
    rule(
        JobStatus::COMPLETION_TIME,
        |c| c.becomes(COMPLETE) || c.changes(JobStatus::COMPLETION_TIME),
        |c| c.has(JobStatus::COMPLETION_TIME) && !c.is(COMPLETE),
        "cannot be set where the condition Complete is not True",
    ),
    required(
        JobStatus::COMPLETION_TIME,
        |c| c.becomes(COMPLETE) || c.changes(JobStatus::COMPLETION_TIME),
        |c| !c.has(JobStatus::COMPLETION_TIME) && c.is(COMPLETE),
    ),
    rule(
        JobStatus::COMPLETION_TIME,
        |c| c.changes(JobStatus::START_TIME) || c.changes(JobStatus::COMPLETION_TIME),
        |c| is_before(&c.new.member(JobStatus::COMPLETION_TIME), &c.new.member(JobStatus::START_TIME)),
        "must be equal to or after `startTime`",
    ),
    rule(
        JobStatus::CONDITIONS,
        |c| c.becomes(FAILED) || c.failed_indexes_change(),
        |c| c.is(FAILED) && !c.is(FAILURE_TARGET),
        "cannot be Failed without FailureTarget",
    ),
    rule(
        JobStatus::CONDITIONS,
        |c| c.becomes(COMPLETE) || c.becomes(SUCCESS_CRITERIA_MET),
        |c| c.is(COMPLETE) && !c.is(SUCCESS_CRITERIA_MET),
        "cannot be Complete without SuccessCriteriaMet",
    ),
    rule(
        JobStatus::ACTIVE,
        |c| c.finishes() || c.counts_otherwise(JobStatus::ACTIVE),
        |c| c.is_finished() && c.count(JobStatus::ACTIVE) > 0,
        "must be 0 for a finished job",
    ),
    required(
        JobStatus::START_TIME,
        |c| (c.finishes() || c.changes(JobStatus::START_TIME)) && !c.never_runs(),
        |c| c.is_finished() && !c.has(JobStatus::START_TIME),
    ),
    rule(
        JobStatus::UNCOUNTED_TERMINATED_PODS,
        |c| c.finishes() || c.changes(JobStatus::UNCOUNTED_TERMINATED_PODS),
        |c| c.is_finished() && c.has_uncounted_pods(),
        "must be empty for a finished job",
    ),
    rule(
        JobStatus::COMPLETED_INDEXES,
        |c| c.changes(JobStatus::COMPLETED_INDEXES),
        |c| c.misnames_indexes(JobStatus::COMPLETED_INDEXES),
        INDEXES,
    ),
    rule(
        JobStatus::FAILED_INDEXES,
        |c| c.failed_indexes_change(),
        |c| c.limits_failures() && c.misnames_indexes(JobStatus::FAILED_INDEXES),
        INDEXES,
    ),
    rule(
        JobStatus::COMPLETED_INDEXES,
        |c| c.changes(JobStatus::COMPLETED_INDEXES),
        |c| !c.new.member(JobStatus::COMPLETED_INDEXES).is_empty() && !c.is_indexed(),
        "requires indexed completion mode",
    ),
    rule(
        JobStatus::FAILED_INDEXES,
        |c| c.failed_indexes_change(),
        |c| c.has(JobStatus::FAILED_INDEXES) && !c.limits_failures(),
        "requires backoffLimitPerIndex",
    ),
    rule(
        JobStatus::FAILED_INDEXES,
        |c| c.changes(JobStatus::COMPLETED_INDEXES) || c.failed_indexes_change(),
        |c| c.has_index_of_both_ends(),
        "no index is both failed and completed",
    ),
    rule(
        JobStatus::TERMINATING,
        |c| c.finishes() || c.changes(JobStatus::TERMINATING),
        |c| c.is_finished() && c.count(JobStatus::TERMINATING) > 0,
        "must be 0 for a finished job",
    ),
    rule(
        JobStatus::READY,
        |c| c.changes(JobStatus::READY) || c.counts_otherwise(JobStatus::ACTIVE),
        |c| c.has(JobStatus::READY) && c.count(JobStatus::READY) > c.count(JobStatus::ACTIVE),
        "cannot be more than are active",
    ),
    rule(
        JobStatus::CONDITIONS,
        always,
        |c| c.is(SUCCESS_CRITERIA_MET) && c.is(FAILED),
        "success cannot go with Failed",
    ),
    rule(
        JobStatus::CONDITIONS,
        always,
        |c| c.is(SUCCESS_CRITERIA_MET) && c.is(FAILURE_TARGET),
        "success cannot go with FailureTarget",
    ),
    rule(
        JobStatus::CONDITIONS,
        |c| c.spec.member(JobSpec::SUCCESS_POLICY).is_set(),
        |c| !c.is(SUCCESS_CRITERIA_MET) && c.is(COMPLETE),
        "with a successPolicy, Complete needs SuccessCriteriaMet",
    ),
    rule(JobStatus::CONDITIONS, always, |c| c.takes_back(FAILED), FINAL),
    rule(JobStatus::CONDITIONS, always, |c| c.takes_back(COMPLETE), FINAL),
    rule(JobStatus::CONDITIONS, always, |c| c.takes_back(FAILURE_TARGET), FINAL),
    rule(JobStatus::FAILED, always, |c| c.falls(JobStatus::FAILED), "cannot decrease"),
    // An indexed job that is scaled down forgets indexes that succeeded.
    rule(
        JobStatus::SUCCEEDED,
        |c| !c.is_indexed() || !c.is_scalable(),
        |c| c.falls(JobStatus::SUCCEEDED),
        "cannot decrease",
    ),
    rule(
        JobStatus::COMPLETION_TIME,
        |c| c.has(JobStatus::COMPLETION_TIME) && c.had(JobStatus::COMPLETION_TIME),
        |c| c.changes(JobStatus::COMPLETION_TIME),
        "field is immutable",
    ),
    rule(
        JobStatus::START_TIME,
        |c| c.had(JobStatus::START_TIME) && !c.is_suspended() && !c.resumes(),
        |c| c.changes(JobStatus::START_TIME),
        "field is immutable for a job that is not suspended",
    ),
    rule(
        JobStatus::CONDITIONS,
        always,
        |c| c.takes_back(SUCCESS_CRITERIA_MET),
        "SuccessCriteriaMet cannot be taken back",
    ),
    rule(
        JobStatus::CONDITIONS,
        |c| c.was(COMPLETE) && !c.was(SUCCESS_CRITERIA_MET),
        |c| c.is(SUCCESS_CRITERIA_MET),
        "SuccessCriteriaMet cannot follow Complete",
    ),
];
const INDEXES: &str = "must be ascending indexes and ranges below completions";
const FINAL: &str = "a condition that ends a job cannot be taken back";

/// A write of the status.
struct Change<'a> {
    spec: Field<'a>,
    new: Field<'a>,
    old: Field<'a>,
}

impl<'a> Change<'a> {
    fn new(update: Update<'a>) -> Self {
        let status = |root: Root<'a>| root.member(Job::STATUS);
        Self { spec: update.new.member(Job::SPEC), new: status(update.new), old: status(update.old) }
    }

    fn has(&self, member: FieldName) -> bool {
        self.new.member(member).is_set()
    }

    fn had(&self, member: FieldName) -> bool {
        self.old.member(member).is_set()
    }

    fn count(&self, member: FieldName) -> i64 {
        number(&self.new, member)
    }

    fn changes(&self, member: FieldName) -> bool {
        let (new, old) = (self.new.member(member), self.old.member(member));
        new.value() != old.value() && !(new.is_empty() && old.is_empty())
    }

    /// As [`Change::changes`] for a number whose absence means none.
    fn counts_otherwise(&self, member: FieldName) -> bool {
        self.count(member) != number(&self.old, member)
    }

    fn falls(&self, member: FieldName) -> bool {
        self.count(member) < number(&self.old, member)
    }

    fn is(&self, kind: &str) -> bool {
        is_true(&self.new, kind)
    }

    fn was(&self, kind: &str) -> bool {
        is_true(&self.old, kind)
    }

    fn becomes(&self, kind: &str) -> bool {
        self.is(kind) != self.was(kind)
    }

    fn takes_back(&self, kind: &str) -> bool {
        self.was(kind) && !self.is(kind)
    }

    fn is_finished(&self) -> bool {
        self.is(COMPLETE) || self.is(FAILED)
    }

    fn finishes(&self) -> bool {
        self.is_finished() != (self.was(COMPLETE) || self.was(FAILED))
    }

    fn is_indexed(&self) -> bool {
        self.spec.member(JobSpec::COMPLETION_MODE).text() == "Indexed"
    }

    fn is_suspended(&self) -> bool {
        self.spec.member(JobSpec::SUSPEND).flag()
    }

    fn resumes(&self) -> bool {
        self.was(SUSPENDED) && has_condition(&self.new, SUSPENDED, "False")
    }

    fn limits_failures(&self) -> bool {
        self.spec.member(JobSpec::BACKOFF_LIMIT_PER_INDEX).is_set()
    }

    fn completions(&self) -> Option<i64> {
        self.spec.member(JobSpec::COMPLETIONS).int()
    }

    fn is_scalable(&self) -> bool {
        self.completions() == self.spec.member(JobSpec::PARALLELISM).int()
    }

    /// A job of no completions that is suspended is finished before it starts.
    fn never_runs(&self) -> bool {
        self.is_suspended() && self.completions() == Some(0)
    }

    fn has_uncounted_pods(&self) -> bool {
        let pods = self.new.member(JobStatus::UNCOUNTED_TERMINATED_PODS);
        !pods.member(UncountedTerminatedPods::SUCCEEDED).is_empty()
            || !pods.member(UncountedTerminatedPods::FAILED).is_empty()
    }

    /// No indexes and no text are two things.
    fn failed_indexes_change(&self) -> bool {
        self.new.member(JobStatus::FAILED_INDEXES).value() != self.old.member(JobStatus::FAILED_INDEXES).value()
    }

    fn misnames_indexes(&self, member: FieldName) -> bool {
        let text = self.new.member(member).text();
        self.completions().is_some_and(|completions| indexes::count(text, completions).is_none())
    }

    fn has_index_of_both_ends(&self) -> bool {
        let (done, failed) =
            (self.new.member(JobStatus::COMPLETED_INDEXES), self.new.member(JobStatus::FAILED_INDEXES));
        self.completions().is_some_and(|completions| indexes::overlap(done.text(), failed.text(), completions))
    }
}

fn number(status: &Field<'_>, member: FieldName) -> i64 {
    status.member(member).int().unwrap_or_default()
}

/// Times are written in one form, whole seconds of UTC, so that they compare as text.
fn is_before(one: &Field<'_>, two: &Field<'_>) -> bool {
    one.is_set() && two.is_set() && one.text() < two.text()
}
