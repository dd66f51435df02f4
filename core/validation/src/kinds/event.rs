//! Event, in its core and its `events.k8s.io` form. Causes name the core form's fields in both.

use gantry_kinds::{
    FieldName,
    fields::{
        core_v1::{Event as EventV1, ObjectReference},
        events_v1::{Event, EventSeries},
        meta_v1::ObjectMeta,
    },
};

use crate::{
    field::{Causes, Field, Root},
    metadata,
    names::{self, NameRule},
    table::{Look, Update},
};

const WORD_MAX_BYTES: usize = 128;
const NOTE_MAX_BYTES: usize = 1024;

fn is_core(object: Root<'_>) -> bool {
    object.member(Event::API_VERSION).text() == "v1"
}

/// A field under its core name, read under the name of the object's own version.
fn named<'a>(object: Root<'a>, core: FieldName, new: FieldName) -> Field<'a> {
    if is_core(object) { object.member(core) } else { object.member_as(new, core.as_str()) }
}

fn involved<'a>(object: Root<'a>) -> Field<'a> {
    named(object, EventV1::INVOLVED_OBJECT, Event::REGARDING)
}

pub fn create(object: Root<'_>, causes: &mut Causes) {
    common(object, causes);
    if !is_core(object) {
        new_form(object, causes);
    }
}

fn common(object: Root<'_>, causes: &mut Causes) {
    if object.member(Event::EVENT_TIME).is_set() {
        timed(object, causes);
    } else {
        let namespace = involved(object).member(ObjectReference::NAMESPACE);
        let fine = match namespace.text() {
            "" => matches!(object.namespace(), "" | "default"),
            theirs => theirs == object.namespace(),
        };
        if !fine {
            causes.invalid(&namespace, "does not match event.namespace");
        }
    }
    let namespace = object.member(Event::METADATA).member(ObjectMeta::NAMESPACE);
    causes.invalid_each(
        &namespace.reported_at(&object.member(ObjectMeta::NAMESPACE)),
        names::dns_subdomain(namespace.text()),
    );
}

/// Events that carry an `eventTime` say who reports them.
fn timed(object: Root<'_>, causes: &mut Causes) {
    let namespace = involved(object).member(ObjectReference::NAMESPACE);
    if namespace.is_empty() && !matches!(object.namespace(), "default" | "kube-system") {
        causes.invalid(&namespace, "does not match event.namespace");
    }
    let controller = match is_core(object) {
        true => object.member(EventV1::REPORTING_COMPONENT),
        false => object.member(Event::REPORTING_CONTROLLER),
    };
    causes.require(&controller);
    causes.invalid_each(&controller, names::qualified_name(controller.text()));
    for field in [object.member(Event::REPORTING_INSTANCE), object.member(Event::ACTION), object.member(Event::REASON)]
    {
        causes.require(&field);
        if field.text().len() > WORD_MAX_BYTES {
            causes.invalid(&field, "can have at most 128 characters");
        }
    }
    let message = named(object, EventV1::MESSAGE, Event::NOTE);
    if message.text().len() > NOTE_MAX_BYTES {
        causes.invalid(&message, "can have at most 1024 characters");
    }
}

fn new_form(object: Root<'_>, causes: &mut Causes) {
    metadata::object_meta(object, true, NameRule::DnsSubdomain, causes);
    metadata::finalizers_are_standard_or_qualified(object, causes);
    series(object, causes);
    let event_time = object.member(Event::EVENT_TIME);
    causes.require(&event_time);
    let kind = object.member(Event::TYPE);
    if !matches!(kind.text(), "Normal" | "Warning") {
        causes.invalid(&kind, "has invalid value");
    }
    for (core, new) in [
        (EventV1::FIRST_TIMESTAMP, Event::DEPRECATED_FIRST_TIMESTAMP),
        (EventV1::LAST_TIMESTAMP, Event::DEPRECATED_LAST_TIMESTAMP),
        (EventV1::COUNT, Event::DEPRECATED_COUNT),
        (EventV1::SOURCE, Event::DEPRECATED_SOURCE),
    ] {
        let field = object.member_as(new, core.as_str());
        if !field.is_empty() && field.int() != Some(0) {
            causes.invalid(&field, "needs to be unset");
        }
    }
}

fn series(object: Root<'_>, causes: &mut Causes) {
    let series = object.member(Event::SERIES);
    if !series.is_set() {
        return;
    }
    if series.member(EventSeries::COUNT).int().unwrap_or_default() < 2 {
        causes.invalid(&series.member(EventSeries::COUNT), "should be at least 2");
    }
    causes.require(&series.member(EventSeries::LAST_OBSERVED_TIME));
}

pub fn update<'a>(update: Update<'a>, causes: &mut Causes) {
    common(update.new, causes);
    if is_core(update.new) {
        return;
    }
    update.look(Look::Changes, causes);
    if update.new.member(Event::SERIES).value() != update.old.member(Event::SERIES).value() {
        series(update.new, causes);
    }
    for (core, new) in [
        (EventV1::INVOLVED_OBJECT, Event::REGARDING),
        (Event::REASON, Event::REASON),
        (EventV1::MESSAGE, Event::NOTE),
        (EventV1::SOURCE, Event::DEPRECATED_SOURCE),
        (EventV1::FIRST_TIMESTAMP, Event::DEPRECATED_FIRST_TIMESTAMP),
        (EventV1::LAST_TIMESTAMP, Event::DEPRECATED_LAST_TIMESTAMP),
        (EventV1::COUNT, Event::DEPRECATED_COUNT),
        // The reference looks at the reason twice.
        (Event::REASON, Event::REASON),
        (Event::TYPE, Event::TYPE),
        (Event::EVENT_TIME, Event::EVENT_TIME),
        (Event::ACTION, Event::ACTION),
        (Event::RELATED, Event::RELATED),
        (Event::REPORTING_CONTROLLER, Event::REPORTING_CONTROLLER),
        (Event::REPORTING_INSTANCE, Event::REPORTING_INSTANCE),
    ] {
        let of = |root: Root<'a>| root.member_as(new, core.as_str());
        causes.immutable(&of(update.new), &of(update.old));
    }
}
