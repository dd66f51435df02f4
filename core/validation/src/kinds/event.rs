//! Event, in its core and its `events.k8s.io` form. Causes name the core form's fields in both.

use crate::{
    field::{Causes, Field, Root},
    metadata,
    names::{self, NameRule},
    table::{Look, Update},
};

const WORD_MAX_BYTES: usize = 128;
const NOTE_MAX_BYTES: usize = 1024;

fn is_core(object: Root<'_>) -> bool {
    object.member("apiVersion").text() == "v1"
}

/// A field under its core name, read under the name of the object's own version.
fn named<'a>(object: Root<'a>, core: &'a str, new: &'a str) -> Field<'a> {
    if is_core(object) { object.member(core) } else { object.member_as(new, core) }
}

fn involved<'a>(object: Root<'a>) -> Field<'a> {
    named(object, "involvedObject", "regarding")
}

pub fn create(object: Root<'_>, causes: &mut Causes) {
    common(object, causes);
    if !is_core(object) {
        new_form(object, causes);
    }
}

fn common(object: Root<'_>, causes: &mut Causes) {
    if object.member("eventTime").is_set() {
        timed(object, causes);
    } else {
        let namespace = involved(object).member("namespace");
        let fine = match namespace.text() {
            "" => matches!(object.namespace(), "" | "default"),
            theirs => theirs == object.namespace(),
        };
        if !fine {
            causes.invalid(&namespace, "does not match event.namespace");
        }
    }
    let namespace = object.member("metadata").member("namespace");
    causes.invalid_each(&namespace.reported_at(&object.member("namespace")), names::dns_subdomain(namespace.text()));
}

/// Events that carry an `eventTime` say who reports them.
fn timed(object: Root<'_>, causes: &mut Causes) {
    let namespace = involved(object).member("namespace");
    if namespace.is_empty() && !matches!(object.namespace(), "default" | "kube-system") {
        causes.invalid(&namespace, "does not match event.namespace");
    }
    let controller = match is_core(object) {
        true => object.member("reportingComponent"),
        false => object.member("reportingController"),
    };
    causes.require(&controller);
    causes.invalid_each(&controller, names::qualified_name(controller.text()));
    for field in [object.member("reportingInstance"), object.member("action"), object.member("reason")] {
        causes.require(&field);
        if field.text().len() > WORD_MAX_BYTES {
            causes.invalid(&field, "can have at most 128 characters");
        }
    }
    let message = named(object, "message", "note");
    if message.text().len() > NOTE_MAX_BYTES {
        causes.invalid(&message, "can have at most 1024 characters");
    }
}

fn new_form(object: Root<'_>, causes: &mut Causes) {
    metadata::object_meta(object, true, NameRule::DnsSubdomain, causes);
    metadata::finalizers_are_standard_or_qualified(object, causes);
    series(object, causes);
    let event_time = object.member("eventTime");
    causes.require(&event_time);
    let kind = object.member("type");
    if !matches!(kind.text(), "Normal" | "Warning") {
        causes.invalid(&kind, "has invalid value");
    }
    for (core, new) in [
        ("firstTimestamp", "deprecatedFirstTimestamp"),
        ("lastTimestamp", "deprecatedLastTimestamp"),
        ("count", "deprecatedCount"),
        ("source", "deprecatedSource"),
    ] {
        let field = object.member_as(new, core);
        if !field.is_empty() && field.int() != Some(0) {
            causes.invalid(&field, "needs to be unset");
        }
    }
}

fn series(object: Root<'_>, causes: &mut Causes) {
    let series = object.member("series");
    if !series.is_set() {
        return;
    }
    if series.member("count").int().unwrap_or_default() < 2 {
        causes.invalid(&series.member("count"), "should be at least 2");
    }
    causes.require(&series.member("lastObservedTime"));
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    common(update.new, causes);
    if is_core(update.new) {
        return;
    }
    update.look(Look::Changes, causes);
    if update.new.member("series").value() != update.old.member("series").value() {
        series(update.new, causes);
    }
    for (core, new) in [
        ("involvedObject", "regarding"),
        ("reason", "reason"),
        ("message", "note"),
        ("source", "deprecatedSource"),
        ("firstTimestamp", "deprecatedFirstTimestamp"),
        ("lastTimestamp", "deprecatedLastTimestamp"),
        ("count", "deprecatedCount"),
        // The reference looks at the reason twice.
        ("reason", "reason"),
        ("type", "type"),
        ("eventTime", "eventTime"),
        ("action", "action"),
        ("related", "related"),
        ("reportingController", "reportingController"),
        ("reportingInstance", "reportingInstance"),
    ] {
        causes.immutable(&update.new.member_as(new, core), &update.old.member_as(new, core));
    }
}
