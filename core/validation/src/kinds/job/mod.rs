//! Job, and the job specification that CronJobs carry.

mod indexes;
mod status;
mod update;

pub use update::update;

use gantry_kinds::fields::{
    batch_v1::{
        Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyOnPodConditionsPattern,
        PodFailurePolicyRule, SuccessPolicy, SuccessPolicyRule,
    },
    core_v1::{Container, PodSpec, PodTemplateSpec},
    meta_v1::ObjectMeta,
};
use gantry_meta::Object;

use super::pod;
use crate::{
    field::{Causes, Field, Root},
    names,
    rules::{domain_prefixed_path, selector},
};

const RULES_MAX: usize = 20;
const EXIT_CODES_MAX: usize = 255;
const CONDITIONS_MAX: usize = 20;
const MANAGED_BY_MAX_BYTES: usize = 63;
const SUCCEEDED_INDEXES_MAX_BYTES: usize = 64 * 1024;
/// Of an indexed job: pods at once, and indexes that may fail.
const INDEXED_MAX: i64 = 100_000;
/// Completions above which an indexed job that counts failures by index is held to [`MANY_INDEXES_MAX`].
const MANY_COMPLETIONS: i64 = 100_000;
const MANY_INDEXES_MAX: i64 = 10_000;
/// Labels by which a generated selector finds a job's pods, and the others that are made with them, each with whether it is
/// the job's uid or its name; those with a prefix came later.
const LABELS: [(&str, bool); 4] = [
    ("controller-uid", true),
    ("job-name", false),
    ("batch.kubernetes.io/controller-uid", true),
    ("batch.kubernetes.io/job-name", false),
];

pub fn create(object: Root<'_>, causes: &mut Causes) {
    whole(object, true, causes);
}

/// All rules of a job. `prefixed`: whether its template needs the labels with a prefix besides those without.
fn whole(object: Root<'_>, prefixed: bool, causes: &mut Causes) {
    generated_selector(object, prefixed, causes);
    spec_with_selector(&object.member(Job::SPEC), causes);
    indexed_name(object, causes);
}

/// A selector that is not made by hand selects by the job's uid, and the template carries the labels made for it.
fn generated_selector<'a>(object: Root<'a>, prefixed: bool, causes: &mut Causes) {
    let spec = object.member(Job::SPEC);
    let selected = spec.member(JobSpec::SELECTOR);
    if spec.member(JobSpec::MANUAL_SELECTOR).flag() || !selected.is_set() {
        return;
    }
    let metadata = object.member(Job::METADATA);
    let (name, uid) = (object.name(), metadata.member(ObjectMeta::UID));
    if uid.is_empty() {
        causes.required(&uid);
    }
    let labels = spec.member(JobSpec::TEMPLATE).member(PodTemplateSpec::METADATA).member(ObjectMeta::LABELS);
    let needed = if prefixed { &LABELS[..] } else { &LABELS[..2] };
    let needed = needed.iter().map(|(key, is_uid)| (*key, if *is_uid { uid.text() } else { name }));
    needed.clone().for_each(|(key, value)| has_label(&labels, key, value, causes));
    let expected: Object = needed.map(|(key, value)| (key.to_owned(), value.into())).collect();
    if let Ok(parsed) = selector::parse(&selected)
        && selector::misses(parsed.as_ref(), Some(&expected))
    {
        causes.invalid(&selected, "`selector` not auto-generated");
    }
}

fn has_label<'a>(labels: &Field<'a>, key: &'a str, value: &str, causes: &mut Causes) {
    let label = labels.entry(key);
    if !label.is_set() {
        causes.required(&label);
    } else if label.text() != value {
        causes.invalid(&label, "must be the one that is generated for the job");
    }
}

fn spec_with_selector(spec: &Field<'_>, causes: &mut Causes) {
    job_spec(spec, causes);
    let selected = spec.member(JobSpec::SELECTOR);
    if selected.is_set() {
        selector::label_selector(&selected, causes);
    } else {
        causes.required(&selected);
    }
    if let Ok(parsed) = selector::parse(&selected) {
        let labels = spec.member(JobSpec::TEMPLATE).member(PodTemplateSpec::METADATA).member(ObjectMeta::LABELS);
        if selector::misses(parsed.as_ref(), labels.object()) {
            causes.invalid(&labels, "`selector` does not match template `labels`");
        }
    }
}

/// Pods of an indexed job are named after it and their index.
fn indexed_name(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member(Job::SPEC);
    let completions = spec.member(JobSpec::COMPLETIONS).int().unwrap_or_default();
    if spec.member(JobSpec::COMPLETION_MODE).text() == "Indexed" && completions > 0 {
        let longest = format!("{}-{}", object.name(), completions - 1);
        if !names::dns_label(&longest).is_empty() {
            causes.invalid(
                &object.member(PodTemplateSpec::METADATA).member(Container::NAME),
                "does not make names that pods may have",
            );
        }
    }
}

/// `spec` of a job, but for its selector.
pub fn job_spec(spec: &Field<'_>, causes: &mut Causes) {
    for member in [
        JobSpec::PARALLELISM,
        JobSpec::COMPLETIONS,
        JobSpec::ACTIVE_DEADLINE_SECONDS,
        JobSpec::BACKOFF_LIMIT,
        JobSpec::TTL_SECONDS_AFTER_FINISHED,
        JobSpec::BACKOFF_LIMIT_PER_INDEX,
        JobSpec::MAX_FAILED_INDEXES,
    ] {
        causes.non_negative(&spec.member(member));
    }
    let per_index = spec.member(JobSpec::BACKOFF_LIMIT_PER_INDEX);
    if spec.member(JobSpec::MAX_FAILED_INDEXES).is_set() && !per_index.is_set() {
        causes.required(&per_index);
    }
    let managed_by = spec.member(JobSpec::MANAGED_BY);
    if managed_by.is_set() {
        domain_prefixed_path(&managed_by, causes);
        if managed_by.text().len() > MANAGED_BY_MAX_BYTES {
            causes.too_long(&managed_by, MANAGED_BY_MAX_BYTES);
        }
    }
    completion_mode(spec, causes);
    failure_policy(spec, causes);
    success_policy(spec, causes);
    let replacement = spec.member(JobSpec::POD_REPLACEMENT_POLICY);
    if replacement.is_set() {
        let with_failures = spec.member(JobSpec::POD_FAILURE_POLICY).is_set();
        causes.one_of(&replacement, if with_failures { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] });
    }
    template(spec, causes);
}

fn completion_mode(spec: &Field<'_>, causes: &mut Causes) {
    let mode = spec.member(JobSpec::COMPLETION_MODE);
    if mode.is_set() {
        causes.one_of(&mode, &["Indexed", "NonIndexed"]);
    }
    if mode.text() == "Indexed" {
        indexed(spec, causes);
    } else if !mode.is_set() || mode.text() == "NonIndexed" {
        for field in [spec.member(JobSpec::BACKOFF_LIMIT_PER_INDEX), spec.member(JobSpec::MAX_FAILED_INDEXES)] {
            if field.is_set() {
                causes.invalid(&field, "requires indexed completion mode");
            }
        }
    }
}

/// How far an indexed job may go.
fn indexed(spec: &Field<'_>, causes: &mut Causes) {
    let (completions, parallelism, failed) = (
        spec.member(JobSpec::COMPLETIONS),
        spec.member(JobSpec::PARALLELISM),
        spec.member(JobSpec::MAX_FAILED_INDEXES),
    );
    if !completions.is_set() {
        causes.required(&completions);
    }
    let number = |field: &Field<'_>| field.int().unwrap_or_default();
    if number(&parallelism) > INDEXED_MAX {
        causes.invalid(&parallelism, "must be less than or equal to 100000 when completion mode is Indexed");
    }
    if completions.is_set() && failed.is_set() && number(&failed) > number(&completions) {
        causes.invalid(&failed, "must be less than or equal to completions");
    }
    if number(&failed) > INDEXED_MAX {
        causes.invalid(&failed, "must be less than or equal to 100000");
    }
    if number(&completions) > MANY_COMPLETIONS && spec.member(JobSpec::BACKOFF_LIMIT_PER_INDEX).is_set() {
        if !failed.is_set() {
            causes.required(&failed);
        }
        for field in [parallelism, failed].iter().filter(|field| number(field) > MANY_INDEXES_MAX) {
            causes.invalid(field, "must be less than or equal to 10000 when completions are above 100000");
        }
    }
}

/// Pods of a job end: they restart on failure or never.
fn template(spec: &Field<'_>, causes: &mut Causes) {
    let template = spec.member(JobSpec::TEMPLATE);
    pod::pod_template(&template, causes);
    let restart = template.member(PodTemplateSpec::SPEC).member(PodSpec::RESTART_POLICY);
    match restart.text() {
        "" | "Always" => causes.required(&restart),
        "OnFailure" if spec.member(JobSpec::POD_FAILURE_POLICY).is_set() => {
            causes.invalid(&restart, "only \"Never\" is supported when podFailurePolicy is specified");
        }
        _ => causes.one_of(&restart, &["OnFailure", "Never"]),
    }
}

fn failure_policy(spec: &Field<'_>, causes: &mut Causes) {
    let rules = spec.member(JobSpec::POD_FAILURE_POLICY).member(PodFailurePolicy::RULES);
    if rules.len() > RULES_MAX {
        causes.too_many(&rules, RULES_MAX);
    }
    for rule in rules.items() {
        failure_rule(&rule, spec, causes);
    }
}

fn failure_rule(rule: &Field<'_>, spec: &Field<'_>, causes: &mut Causes) {
    let (action, codes, conditions) = (
        rule.member(PodFailurePolicyRule::ACTION),
        rule.member(PodFailurePolicyRule::ON_EXIT_CODES),
        rule.member(PodFailurePolicyRule::ON_POD_CONDITIONS),
    );
    if action.text() == "FailIndex" {
        if !spec.member(JobSpec::BACKOFF_LIMIT_PER_INDEX).is_set() {
            causes.invalid(&action, "requires the backoffLimitPerIndex to be set");
        }
    } else {
        causes.require_one_of(&action, &["Count", "FailIndex", "FailJob", "Ignore"]);
    }
    if codes.is_set() {
        exit_codes(&codes, spec, causes);
    }
    if conditions.len() > CONDITIONS_MAX {
        causes.too_many(&conditions, CONDITIONS_MAX);
    }
    for condition in conditions.items() {
        causes.invalid_each(
            &condition.member(PodFailurePolicyOnPodConditionsPattern::TYPE),
            names::qualified_name(condition.member(PodFailurePolicyOnPodConditionsPattern::TYPE).text()),
        );
        causes.require_one_of(
            &condition.member(PodFailurePolicyOnPodConditionsPattern::STATUS),
            &["False", "True", "Unknown"],
        );
    }
    match (codes.is_set(), !conditions.is_empty()) {
        (true, true) => causes.invalid(rule, "specifying both OnExitCodes and OnPodConditions is not supported"),
        (false, false) => causes.invalid(rule, "specifying one of OnExitCodes and OnPodConditions is required"),
        _ => {}
    }
}

fn exit_codes(codes: &Field<'_>, spec: &Field<'_>, causes: &mut Causes) {
    let (operator, container, values) = (
        codes.member(PodFailurePolicyOnExitCodesRequirement::OPERATOR),
        codes.member(PodFailurePolicyOnExitCodesRequirement::CONTAINER_NAME),
        codes.member(PodFailurePolicyOnExitCodesRequirement::VALUES),
    );
    causes.require_one_of(&operator, &["In", "NotIn"]);
    if container.is_set() && !container_names(spec).contains(&container.text()) {
        causes.invalid(&container, "must be one of the container or initContainer names in the pod template");
    }
    if values.is_empty() {
        causes.invalid(&values, "at least one value is required");
    } else if values.len() > EXIT_CODES_MAX {
        causes.too_many(&values, EXIT_CODES_MAX);
    }
    let numbers: Vec<i64> = values.items().filter_map(|value| value.int()).collect();
    for (at, value) in values.items().enumerate() {
        if operator.text() == "In" && value.int() == Some(0) {
            causes.invalid(&value, "must not be 0 for the In operator");
        }
        if numbers.get(at).is_some_and(|number| numbers[..at].contains(number)) {
            causes.duplicate(&value);
        }
    }
    if !numbers.is_sorted() {
        causes.invalid(&values, "must be ordered");
    }
}

fn container_names<'a>(spec: &Field<'a>) -> Vec<&'a str> {
    let pod = spec.member(JobSpec::TEMPLATE).member(PodTemplateSpec::SPEC);
    let lists = [pod.member(PodSpec::CONTAINERS), pod.member(PodSpec::INIT_CONTAINERS)];
    lists.iter().flat_map(Field::items).map(|container| container.member(Container::NAME).text()).collect()
}

fn success_policy(spec: &Field<'_>, causes: &mut Causes) {
    let policy = spec.member(JobSpec::SUCCESS_POLICY);
    if !policy.is_set() {
        return;
    }
    if spec.member(JobSpec::COMPLETION_MODE).text() != "Indexed" {
        return causes.invalid(&policy, "requires indexed completion mode");
    }
    let rules = policy.member(SuccessPolicy::RULES);
    causes.require(&rules);
    if rules.len() > RULES_MAX {
        causes.too_many(&rules, RULES_MAX);
    }
    let completions = spec.member(JobSpec::COMPLETIONS).int().unwrap_or_default();
    for rule in rules.items() {
        success_rule(&rule, completions, causes);
    }
}

fn success_rule(rule: &Field<'_>, completions: i64, causes: &mut Causes) {
    let (count, indexes) =
        (rule.member(SuccessPolicyRule::SUCCEEDED_COUNT), rule.member(SuccessPolicyRule::SUCCEEDED_INDEXES));
    if !count.is_set() && !indexes.is_set() {
        causes.required(rule);
    }
    let mut named = None;
    if indexes.is_set() {
        if indexes.text().len() > SUCCEEDED_INDEXES_MAX_BYTES {
            causes.too_long(&indexes, SUCCEEDED_INDEXES_MAX_BYTES);
        }
        let number = indexes::count(indexes.text(), completions);
        if number.is_none() {
            causes.invalid(&indexes, "must be ascending indexes and ranges below completions");
        }
        named = Some(number.unwrap_or_default());
    }
    causes.non_negative(&count);
    let counts_more_than = |most: i64| count.int().is_some_and(|count| count > most);
    if counts_more_than(completions) {
        causes.invalid(&count, "must be less than or equal to the number of specified completions");
    }
    if named.is_some_and(counts_more_than) {
        causes.invalid(&count, "must be less than or equal to the number of the indexes it counts");
    }
}
