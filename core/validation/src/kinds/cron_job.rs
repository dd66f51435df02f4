//! CronJob.

use gantry_kinds::fields::{
    batch_v1::{CronJob, CronJobSpec, JobSpec, JobTemplateSpec},
    meta_v1::ObjectMeta,
};

use super::job;
use crate::{
    field::{Causes, Field, Root},
    ratchet::Ratchet,
    table::Update,
};

/// Jobs are named after their CronJob and eleven characters.
const NAME_MAX_BYTES: usize = 52;

pub fn create(object: Root<'_>, causes: &mut Causes) {
    spec(&object.member(CronJob::SPEC), causes);
    if object.name().len() > NAME_MAX_BYTES {
        causes
            .invalid(&object.member(CronJob::METADATA).member(ObjectMeta::NAME), "must be no more than 52 characters");
    }
}

fn spec(spec: &Field<'_>, causes: &mut Causes) {
    let (schedule, zone) = (spec.member(CronJobSpec::SCHEDULE), spec.member(CronJobSpec::TIME_ZONE));
    if causes.require(&schedule) {
        self::schedule(&schedule, &zone, causes);
    }
    causes.non_negative(&spec.member(CronJobSpec::STARTING_DEADLINE_SECONDS));
    causes.ratcheted(Ratchet::Value, |causes| time_zone(&zone, causes));
    causes.require_one_of(&spec.member(CronJobSpec::CONCURRENCY_POLICY), &["Allow", "Forbid", "Replace"]);
    job_template(&spec.member(CronJobSpec::JOB_TEMPLATE).member(JobTemplateSpec::SPEC), causes);
    causes.non_negative(&spec.member(CronJobSpec::SUCCESSFUL_JOBS_HISTORY_LIMIT));
    causes.non_negative(&spec.member(CronJobSpec::FAILED_JOBS_HISTORY_LIMIT));
}

/// Five fields or a word. What names its own time zone may stay as it is stored, where `timeZone` names none.
fn schedule(schedule: &Field<'_>, zone: &Field<'_>, causes: &mut Causes) {
    let text = schedule.text();
    let zoned = text.strip_prefix("CRON_TZ=").or_else(|| text.strip_prefix("TZ="));
    let (own_zone, times) = zoned.and_then(|rest| rest.split_once(' ')).map_or((None, text), |(z, t)| (Some(z), t));
    if !is_schedule(times.trim()) || own_zone.is_some_and(|own| own != LOCAL && !is_time_zone(own)) {
        causes.invalid(schedule, "is no schedule of five fields or a known word");
    }
    if text.contains("TZ") {
        let refuse = |causes: &mut Causes| causes.invalid(schedule, "cannot use TZ or CRON_TZ, use timeZone instead");
        match zone.is_set() {
            true => refuse(causes),
            false => causes.ratcheted(Ratchet::ScheduleZone, refuse),
        }
    }
}

fn job_template(template: &Field<'_>, causes: &mut Causes) {
    job::job_spec(template, causes);
    if template.member(JobSpec::SELECTOR).is_set() {
        causes.invalid(&template.member(JobSpec::SELECTOR), "`selector` will be auto-generated");
    }
    if template.member(JobSpec::MANUAL_SELECTOR).flag() {
        causes.not_supported(&template.member(JobSpec::MANUAL_SELECTOR), &["nil", "false"]);
    }
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Five fields (minute, hour, day of month, month, day of week) or `@daily` and the like.
fn is_schedule(text: &str) -> bool {
    if let Some(word) = text.strip_prefix('@') {
        let known = ["yearly", "annually", "monthly", "weekly", "daily", "midnight", "hourly"].contains(&word);
        return known || word.strip_prefix("every ").is_some_and(is_duration);
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields[..] else { return false };
    is_field(minute, 0..=59, &[], 0)
        && is_field(hour, 0..=23, &[], 0)
        && is_field(day, 1..=31, &[], 0)
        && is_field(month, 1..=12, &MONTHS, 1)
        && is_field(weekday, 0..=6, &DAYS, 0)
}

fn is_field(text: &str, bounds: std::ops::RangeInclusive<u32>, words: &[&str], first: u32) -> bool {
    let number = |text: &str| {
        let word = words.iter().position(|word| word.eq_ignore_ascii_case(text)).map(|at| at as u32 + first);
        word.or_else(|| text.parse().ok()).filter(|n| bounds.contains(n))
    };
    text.split(',').all(|part| {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let range_fits = match range.split_once('-') {
            _ if matches!(range, "*" | "?") => true,
            Some((low, high)) => number(low).zip(number(high)).is_some_and(|(low, high)| low <= high),
            None => number(range).is_some(),
        };
        range_fits && step.is_none_or(|step| step.parse::<u32>().is_ok_and(|step| step > 0))
    })
}

/// `1h30m`
fn is_duration(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        let unit = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        if digits == 0 || !["ns", "us", "ms", "s", "m", "h"].contains(&&rest[digits..digits + unit]) {
            return false;
        }
        rest = &rest[digits + unit..];
    }
    !text.is_empty()
}

/// A name of the IANA database. `Local` is one to the reference in this spelling alone, and means nothing in a cluster in any.
fn time_zone(zone: &Field<'_>, causes: &mut Causes) {
    if !zone.is_set() {
        return;
    }
    if zone.text().eq_ignore_ascii_case(LOCAL) {
        causes.invalid(zone, "must be an explicit time zone");
    }
    if zone.text() != LOCAL && !is_time_zone(zone.text()) {
        causes.invalid(zone, "unknown time zone");
    }
}

const LOCAL: &str = "Local";

/// By its area.
fn is_time_zone(name: &str) -> bool {
    const AREAS: [&str; 11] = [
        "Africa",
        "America",
        "Antarctica",
        "Arctic",
        "Asia",
        "Atlantic",
        "Australia",
        "Europe",
        "Indian",
        "Pacific",
        "Etc",
    ];
    const SINGLE: [&str; 8] = ["UTC", "GMT", "EST", "MST", "HST", "CET", "EET", "WET"];
    let letters = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_uppercase())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+'))
    };
    SINGLE.contains(&name)
        || name.split_once('/').is_some_and(|(area, place)| AREAS.contains(&area) && place.split('/').all(letters))
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    if update.subresource.is_none() {
        spec(&update.new.member(CronJob::SPEC), causes);
    }
}

#[cfg(test)]
mod tests {
    use super::{is_schedule, is_time_zone};

    #[test]
    fn schedules_have_five_fields_in_range() {
        for good in ["0 0 * * *", "*/15 3 * * 1-5", "0 4,16 1 JAN ?", "@daily", "@every 1h30m", "5-10/2 * * * sun"] {
            assert!(is_schedule(good), "{good}");
        }
        for bad in
            ["61 * * * *", "* * * *", "0 25 * * *", "a * * * *", "@never", "5-1 * * * *", "*/0 * * * *", "* * 0 * *"]
        {
            assert!(!is_schedule(bad), "{bad}");
        }
        assert!(is_time_zone("Europe/Berlin") && is_time_zone("America/Argentina/Ushuaia") && is_time_zone("Etc/UTC"));
        assert!(!is_time_zone("Mars/Base") && !is_time_zone("Local") && !is_time_zone(""));
    }
}
